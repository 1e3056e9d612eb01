"""Neuronpedia's bulk export of a source: its batches, read from first to last, with progress."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from axon_gateway import metrics
from axon_gateway.labels.http import Answer, Http, Unavailable
from axon_gateway.labels.records import KINDS, FeatureRecord, Records

_log = logging.getLogger(__name__)

#: Batches under way at once.
_AT_ONCE = 4
#: Tries of one batch; the pauses between them double.
_TRIES = 4
_TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=20)
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


@dataclass(frozen=True, slots=True)
class Batch:
    """One file of the export: its name, its bytes as stored, and its rows; empty if it failed."""

    name: str
    raw: bytes
    lines: list[bytes]
    failed: bool = False


class BulkExport:
    """The export at `base`; `patience` is the first pause in seconds after a failed try."""

    def __init__(self, http: Http, base: str, patience: float = 1.0) -> None:
        self._http = http
        self._base = base
        self._patience = patience

    async def count(self, source: str, kind: str) -> int:
        """How many batches of a kind there are, numbered from 0 without gaps.

        There is no list of them, so this searches for the end by doubling, then by bisection.
        """
        if not await self._exists(source, kind, 0):
            return 0
        low, high = 0, 1
        while await self._exists(source, kind, high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if await self._exists(source, kind, middle):
                low = middle
            else:
                high = middle
        return high

    async def batches(self, source: str, kind: str, count: int) -> AsyncGenerator[Batch, None]:
        """Batches 0 to `count` - 1 in order, some fetched ahead; one that failed is marked so."""
        ahead: deque[asyncio.Task[Batch]] = deque()
        try:
            for number in range(count):
                ahead.append(asyncio.create_task(self._batch(source, kind, number)))
                if len(ahead) >= _AT_ONCE:
                    yield await ahead.popleft()
            while ahead:
                yield await ahead.popleft()
        finally:
            for task in ahead:
                task.cancel()

    async def read(self, id_: str, progress: Progress) -> Exported:
        """All that can be fetched of a Neuronpedia id. Failures raise nothing."""
        records = Records()
        failed = 0
        try:
            async with contextlib.aclosing(self.walk(id_, progress)) as batches:
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
        self, id_: str, progress: Progress, kinds: Sequence[str] = KINDS
    ) -> AsyncGenerator[tuple[str, Batch], None]:
        """Every batch with its kind. Raises Unavailable if their number cannot be found out."""
        counts = {kind: await self.count(id_, kind) for kind in kinds}
        progress.expect(sum(counts.values()))
        for kind, count in counts.items():
            async with contextlib.aclosing(self.batches(id_, kind, count)) as batches:
                async for batch in batches:
                    yield kind, batch
                    progress.advance()

    async def _exists(self, source: str, kind: str, number: int) -> bool:
        url = self._url(source, kind, batch_name(number))
        return (await self._insist(url, "HEAD")).status == 200

    async def _batch(self, source: str, kind: str, number: int) -> Batch:
        name = batch_name(number)
        try:
            answer = await self._insist(self._url(source, kind, name), "GET")
        except Unavailable as error:
            _log.warning("%s: %s %s is left out: %s", source, kind, name, error)
            return Batch(name, b"", [], failed=True)
        if answer.status != 200:
            return Batch(name, b"", [], failed=True)
        return Batch(name, answer.raw, answer.body.splitlines())

    async def _insist(self, url: str, method: str) -> Answer:
        """An answer 200, or 403 or 404: a store that does not list its files says "no such file"
        with either. Unavailable after several tries."""
        for attempt in range(_TRIES):
            try:
                answer = await self._http.request(url, _TIMEOUT, method)
                if answer.status in (200, 403, 404):
                    metrics.LABEL_REQUESTS.labels("export", str(answer.status)).inc()
                    return answer
                pause = answer.retry_after
                error = Unavailable(f"{url}: answered {answer.status}", pause)
            except Unavailable as unavailable:
                error = unavailable
            metrics.LABEL_REQUESTS.labels("export", "failed").inc()
            if attempt + 1 < _TRIES:
                wait = self._patience * 2**attempt
                await asyncio.sleep(max(wait, min(error.retry_after or 0.0, 60.0)))
        raise error

    def _url(self, source: str, kind: str, name: str) -> str:
        return f"{self._base}/{source}/{kind}/{name}"


def batch_name(number: int) -> str:
    """The export's name of its batch `number`."""
    return f"batch-{number}.jsonl.gz"


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
