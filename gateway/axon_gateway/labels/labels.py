"""Labels of features: from files or Neuronpedia into Redis on first use, from Redis into memory.

Nothing that streams tokens waits for any of this: `known` answers from memory, `look_up` and `ask`
run beside the stream. A failure is never remembered as an answer; that there is no label is, for a
day.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from redis.exceptions import RedisError

from axon_gateway.errors import Refusal
from axon_gateway.labels import bulk
from axon_gateway.labels.bulk import Exported
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.neuronpedia import BulkExport, FeatureApi, Http, Unavailable
from axon_gateway.labels.once import once
from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.store import Entry, LabelStore, Page

_log = logging.getLogger(__name__)

#: Seconds without another try after Redis has failed: a dead one must not cost a timeout per token.
_PAUSE = 2.0
#: Seconds between two looks whether another gateway has filled a source.
_POLL = 0.25
#: Seconds for which it is remembered that a feature has no label.
_NO_LABEL = 24 * 3600.0
#: Seconds that the question for one feature waits for its source to be filled, and for the API.
_FEATURE_PATIENCE = 3.0

#: Labels by (source, index) that come before all others.
Overrides = Mapping[tuple[str, int], str]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where labels come from, each tried in this order; what is None is left out."""

    overrides: Overrides = field(default_factory=dict)
    files: LabelFiles = field(default_factory=LabelFiles)
    export: BulkExport | None = None
    api: FeatureApi | None = None
    #: Neuronpedia's name of a source, None if it does not have it.
    neuronpedia_id: Callable[[str], str | None] = lambda source: None
    #: Closed with the labels; carries `export` and `api`.
    http: Http | None = None


class _Known(NamedTuple):
    """What memory has of a feature: a label, or until when (monotonic time) it counts that there is
    none; and its largest activation."""

    label: str | None
    none_until: float
    maximum: float | None


class Labels:
    """Labels by source and feature index; `cache_size` bounds those kept in this process."""

    def __init__(self, store: LabelStore, origins: Origins, cache_size: int) -> None:
        self._store = store
        self._origins = origins
        self._cache: dict[tuple[str, int], _Known] = {}
        self._cache_size = cache_size
        self._filling: dict[str, asyncio.Task[None]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[FeatureRecord]] = {}
        self._retry_at = 0.0
        #: False from the first failure of Redis to the next success.
        self.available = True

    def known(self, source: str, index: int) -> str | None:
        """The label, None if there is none or it is not known yet. Never waits."""
        key = (source, index)
        known = self._cache.get(key)
        return self._origins.overrides.get(key) or (known.label if known else None)

    def maximum(self, source: str, index: int) -> float | None:
        """The largest activation that the label's origin has seen, None if not known. Never
        waits."""
        known = self._cache.get((source, index))
        return known.maximum if known else None

    def missing(self, source: str, indices: Iterable[int]) -> set[int]:
        """Those of `indices` about which nothing is known yet, not even that no label exists."""
        return {index for index in indices if not self._settled(source, index)}

    async def look_up(self, source: str, indices: Iterable[int]) -> dict[int, str]:
        """The labels of those of `indices` that files or export have one for.

        Raises Refusal if Redis fails. What `missing` still names then is to be had from `ask`.
        """
        async with self._talking():
            page = await self._read(source, list(indices))
        final = page.whole and not self._askable(source)
        for index, entry in page.entries.items():
            self._remember(source, index, entry, final)
        labels = ((index, self.known(source, index)) for index in page.entries)
        return {index: label for index, label in labels if label is not None}

    async def ask(
        self, source: str, indices: Iterable[int]
    ) -> AsyncGenerator[dict[int, str], None]:
        """Asks Neuronpedia for features one by one; labels as they come, none if it cannot say."""
        if not self._askable(source):
            return
        for index in sorted(self.missing(source, indices)):
            try:
                record = await self._ask(source, index)
            except Unavailable:
                return  # said in the log; all others would be refused as well
            if record.label is not None:
                yield {index: record.label}

    async def feature(self, source: str, index: int) -> FeatureRecord:
        """Everything known about one feature. Raises Refusal if Redis fails."""
        async with self._talking():
            page = await self._read(source, [index], _FEATURE_PATIENCE)
        entry = page.entries[index]
        record = entry.record if entry else FeatureRecord()
        if record.label is None and not _no_label(entry) and self._askable(source):
            with contextlib.suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(_FEATURE_PATIENCE):
                    record = await self._ask(source, index)
        return self._overridden(source, index, record)

    async def records(self, source: str, indices: list[int]) -> dict[int, FeatureRecord]:
        """What files, export and earlier answers tell of features. Raises Refusal if Redis fails.

        Nobody is asked: those of whom nothing is here are left out.
        """
        async with self._talking():
            page = await self._read(source, indices)
        return {
            index: self._overridden(source, index, entry.record)
            for index, entry in page.entries.items()
            if entry is not None
        }

    async def every(self, source: str) -> tuple[bool, dict[int, str]]:
        """All labels of a source, and whether it is filled. Raises Refusal if Redis fails."""
        async with self._talking():
            page = await self._read(source, [], _FEATURE_PATIENCE)
            found = await self._store.labels(source)
        overrides = {i: label for (of, i), label in self._origins.overrides.items() if of == source}
        return page.filled, found | overrides

    async def prepare(self, source: str) -> None:
        """Fills Redis with a source's labels unless it holds them. Raises Refusal if it fails."""
        async with self._talking():
            await self._fill_once(source)

    async def close(self) -> None:
        """Ends unfinished work and the connections."""
        tasks = [*self._filling.values(), *self._asking.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._store.close()
        if self._origins.http is not None:
            await self._origins.http.close()

    def _settled(self, source: str, index: int) -> bool:
        key = (source, index)
        if key in self._origins.overrides:
            return True
        known = self._cache.get(key)
        return known is not None and (
            known.label is not None or time.monotonic() < known.none_until
        )

    def _askable(self, source: str) -> bool:
        return self._origins.api is not None and self._origins.neuronpedia_id(source) is not None

    async def _ask(self, source: str, index: int) -> FeatureRecord:
        """Asks the API once, however many want to know. Raises Unavailable."""
        return await once(self._asking, (source, index), lambda: self._ask_now(source, index))

    async def _ask_now(self, source: str, index: int) -> FeatureRecord:
        id_ = self._origins.neuronpedia_id(source)
        assert self._origins.api is not None
        assert id_ is not None
        found = await self._origins.api.feature(id_, index)
        record = found or FeatureRecord()
        entry = Entry(record, None if record.label else time.time())
        with contextlib.suppress(Refusal):
            async with self._talking():
                known = (await self._store.read(source, [index])).entries[index]
                if known is not None:
                    entry = replace(entry, record=record.completed_by(known.record))
                await self._store.put(source, index, entry)
        self._remember(source, index, entry, final=True)
        return entry.record

    def _overridden(self, source: str, index: int, record: FeatureRecord) -> FeatureRecord:
        label = self._origins.overrides.get((source, index))
        return replace(record, label=label, explainer="override", score=None) if label else record

    async def _read(self, source: str, indices: list[int], patience: float | None = None) -> Page:
        """Reads features; has the source filled first, and waits for that `patience` seconds."""
        page = await self._store.read(source, indices)
        if page.filled:
            return page
        # Never filled, or Redis has lost it (restarted empty, evicted, flushed).
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._fill_once(source), patience)
        return await self._store.read(source, indices)

    async def _fill_once(self, source: str) -> None:
        """Fills a source's hash; everybody who asks meanwhile waits for the same filling."""
        await once(self._filling, source, lambda: self._fill(source))

    async def _fill(self, source: str) -> None:
        from_files = await asyncio.to_thread(self._origins.files.fingerprint, source)
        id_ = None if from_files else self._exported_id(source)
        fingerprint = bulk.fingerprint(id_) if id_ else from_files or "nothing"
        while not await self._store.filled(source, fingerprint):
            async with self._store.lock(source) as mine:
                if mine and not await self._store.filled(source, fingerprint):
                    exported = await self._all_records(source, id_)
                    await self._store.replace(source, fingerprint, exported.records, exported.lasts)
            if not mine:
                await asyncio.sleep(_POLL)

    def _exported_id(self, source: str) -> str | None:
        return self._origins.neuronpedia_id(source) if self._origins.export else None

    async def _all_records(self, source: str, id_: str | None) -> Exported:
        """The records of the export under `id_`, those of the files without it."""
        if id_ is None or self._origins.export is None:
            exported = Exported(await asyncio.to_thread(self._origins.files.read, source), None)
        else:
            progress = bulk.LoggedProgress(source)
            exported = await bulk.read(self._origins.export, id_, progress)
        if exported.records:
            count = sum(record.label is not None for record in exported.records.values())
            _log.info("%s: %d labels loaded", source, count)
        return exported

    def _remember(self, source: str, index: int, entry: Entry | None, final: bool) -> None:
        """Keeps what an entry says in memory; that there is no label only where that is `final`."""
        record = entry.record if entry else FeatureRecord()
        none_until = 0.0
        if record.label is None and (final or _no_label(entry)):
            none_until = time.monotonic() + _NO_LABEL
        known = _Known(record.label, none_until, record.max_activation)
        if known == _Known(None, 0.0, None):
            return
        self._cache[source, index] = known
        if len(self._cache) > self._cache_size:
            # Dictionaries keep order of insertion: the first key is the oldest entry.
            del self._cache[next(iter(self._cache))]

    @contextlib.asynccontextmanager
    async def _talking(self) -> AsyncIterator[None]:
        """A block that talks to Redis: its failures become refusals, and pause further tries."""
        if asyncio.get_running_loop().time() < self._retry_at:
            raise _off()
        try:
            yield
        except (RedisError, ConnectionError, TimeoutError) as error:
            self._retry_at = asyncio.get_running_loop().time() + _PAUSE
            if self.available:
                _log.warning("Redis does not answer, labels are off until it does: %s", error)
            self.available = False
            raise _off() from None
        if not self.available:
            _log.info("Redis answers again, labels are on")
        self.available = True


def _no_label(entry: Entry | None) -> bool:
    """Whether Neuronpedia said less than a day ago that there is no label."""
    return entry is not None and entry.asked is not None and time.time() < entry.asked + _NO_LABEL


def _off() -> Refusal:
    return Refusal("labels_unavailable", "labels are off: Redis does not answer", None, _PAUSE)
