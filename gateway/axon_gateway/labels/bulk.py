"""Reads a source's bulk export from first batch to last, and reports progress."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from axon_gateway import metrics
from axon_gateway.labels.neuronpedia import Batch, BulkExport, Unavailable
from axon_gateway.labels.records import KINDS, FeatureRecord, Records

_log = logging.getLogger(__name__)

#: Seconds after which an export is fetched again: if batches failed, and if there was none.
_PARTIAL, _ABSENT = 600.0, 3600.0
#: Seconds between two lines in the log.
_LOG_EVERY = 5.0


class Progress(Protocol):
    """Receives reports of how far an export is."""

    def expect(self, batches: int) -> None:
        """The export has `batches` batches."""

    def advance(self) -> None:
        """One more batch is here, or has failed for good."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The records of an export, by feature index."""

    records: dict[int, FeatureRecord]
    #: Seconds until it should be asked for again; None if all of it is here.
    lasts: float | None


def fingerprint(id_: str) -> str:
    """The mark of a source that was filled from the export of `id_`."""
    return f"neuronpedia {id_}"


async def read(export: BulkExport, id_: str, progress: Progress) -> Exported:
    """All that can be fetched of the export of a Neuronpedia id. Failures raise nothing."""
    records = Records()
    failed = 0
    try:
        async with contextlib.aclosing(walk(export, id_, progress)) as batches:
            async for kind, batch in batches:
                failed += batch.failed
                if odd := await asyncio.to_thread(records.add, kind, batch.lines):
                    _log.warning("%s: %s %s: %s", id_, kind, batch.name, odd)
    except Unavailable as error:
        _log.warning("%s: Neuronpedia's export cannot be fetched: %s", id_, error)
        return Exported({}, _PARTIAL)
    if failed:
        _log.warning("%s: %d batches are missing; they are tried again later", id_, failed)
    lasts = None if records.by_index else _ABSENT
    return Exported(records.by_index, _PARTIAL if failed else lasts)


async def walk(
    export: BulkExport, id_: str, progress: Progress
) -> AsyncGenerator[tuple[str, Batch], None]:
    """Every batch with its kind. Raises Unavailable if their number cannot be found out."""
    counts = {kind: await export.count(id_, kind) for kind in KINDS}
    progress.expect(sum(counts.values()))
    for kind, count in counts.items():
        async with contextlib.aclosing(export.batches(id_, kind, count)) as batches:
            async for batch in batches:
                yield kind, batch
                progress.advance()


class LoggedProgress:
    """Reports progress to the log and to `/metrics`."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._done = metrics.LABEL_EXPORT_BATCHES.labels(source)
        self._expected = metrics.LABEL_EXPORT_BATCHES_EXPECTED.labels(source)
        self._done.set(0)
        self._batches = self._count = 0
        self._logged_at = time.monotonic()

    def expect(self, batches: int) -> None:
        """The export has `batches` batches."""
        self._count = batches
        self._expected.set(batches)
        if batches:
            _log.info("%s: fetching %d batches of labels", self._source, batches)
        else:
            _log.info("%s: Neuronpedia has no export of its labels", self._source)

    def advance(self) -> None:
        """One more batch is here, or has failed for good."""
        self._batches += 1
        self._done.set(self._batches)
        if time.monotonic() - self._logged_at >= _LOG_EVERY:
            self._logged_at = time.monotonic()
            _log.info("%s: %d of %d batches", self._source, self._batches, self._count)
