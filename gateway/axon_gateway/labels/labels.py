"""Labels of features: from files, from Redis, and from Neuronpedia into Redis on first use.

What this machine or Redis has is held in memory (`memory.py`). So no stream of tokens waits for a
label: `known` answers at once; `look_up` and `ask`, which may need the network, run beside the
stream. A failure is never stored as an answer. That a feature has no label is, for a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field

from axon_gateway.errors import Refusal
from axon_gateway.labels.answers import Answers
from axon_gateway.labels.api import FeatureApi
from axon_gateway.labels.examples import Example, Examples
from axon_gateway.labels.export import BulkExport, LoggedProgress, fingerprint
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.http import Http, Unavailable
from axon_gateway.labels.link import Link
from axon_gateway.labels.memory import Memory, Overrides
from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.store import Kept, LabelStore
from axon_gateway.labels.table import LabelTable
from axon_gateway.tasks import Once

_log = logging.getLogger(__name__)

#: Seconds between two checks whether another gateway has filled a source.
_POLL = 0.25
#: Seconds that a generation waits for files and Redis to be read, which happens once in a process.
_HOLD_PATIENCE = 10.0
#: The same while Redis fails, since it may take seconds to notice that.
_HOLD_BRIEFLY = 0.5
#: Seconds that questions about features wait for their source to be filled, and for the API.
_PATIENCE = 3.0
#: Seconds after which Redis is read again for a source that only other gateways can fill.
_AGAIN = 600.0


@dataclass(frozen=True, slots=True)
class Origins:
    """Where labels come from, each tried in this order; what is None is left out."""

    overrides: Overrides = field(default_factory=dict)
    files: LabelFiles = field(default_factory=LabelFiles)
    export: BulkExport | None = None
    api: FeatureApi | None = None
    #: Neuronpedia's name of a source, None if it does not have it.
    neuronpedia_id: Callable[[str], str | None] = lambda source: None
    #: What `export` and `api` send requests with; closed with the labels.
    http: Http | None = None


class Labels:
    """Labels by source and feature index; `most` bounds the bytes kept in this process."""

    def __init__(self, store: LabelStore, origins: Origins, most: int) -> None:
        self._store = store
        self._origins = origins
        self._memory = Memory(origins.overrides, most)
        self._reading = Once[str, None]()
        self._filling = Once[str, None]()
        #: Sources are read one at a time, since each keeps a thread busy.
        self._one = asyncio.Lock()
        self._link = Link()
        self._examples = Examples(origins.files, origins.api, origins.neuronpedia_id)
        self._answers = Answers(
            origins.api, origins.neuronpedia_id, store, self._link, self._memory
        )

    @property
    def available(self) -> bool:
        """Whether Redis answered when it was last needed."""
        return self._link.available

    def known(self, source: str, index: int) -> str | None:
        """The label, None if there is none or it is not known yet. Never waits."""
        return self._memory.label(source, index)

    def maximum(self, source: str, index: int) -> float | None:
        """The largest activation that the label's origin has seen, None if not known. Never
        waits."""
        return self._memory.maximum(source, index)

    def facts(self, source: str, index: int) -> dict[str, float]:
        """What else is known of a feature, by its name in frames. Never waits."""
        record = self._memory.record(source, index) or FeatureRecord()
        values = {
            "max": record.max_activation,
            "score": record.score,
            "density": record.density,
        }
        return {name: value for name, value in values.items() if value is not None}

    def missing(self, source: str, indices: Iterable[int]) -> set[int]:
        """Those of `indices` about which nothing is known yet, not even that no label exists."""
        memory = self._memory
        nameless = {index for index in indices if memory.label(source, index) is None}
        if nameless and memory.fresh(source) and not self._answers.can_come(source):
            return set()
        return {index for index in nameless if not memory.has_none(source, index)}

    async def hold(self, sources: Iterable[str]) -> None:
        """Loads what this machine and Redis have of `sources` into memory.

        Does not ask Neuronpedia, and returns at once if all is there. Leaves out what cannot be
        read.
        """
        unread = [source for source in sources if not self._memory.holds(source)]
        if unread:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HOLD_PATIENCE if self.available else _HOLD_BRIEFLY):
                    await asyncio.gather(*map(self._try_to_read, unread))

    async def prepare(self, source: str) -> None:
        """Gets a source's labels, also from its export. Refusal if Redis is needed and fails."""
        if not self._memory.holds(source):
            await self._read_once(source)
        if not self._memory.fresh(source):
            await self._filling.do(source, lambda: self._fill(source))

    async def look_up(self, source: str, indices: Iterable[int]) -> dict[int, str]:
        """The labels that files, export and earlier answers have for `indices`.

        Refusal if Redis fails. Use `ask` for those that `missing` still names then.
        """
        indices = list(indices)
        await self.prepare(source)
        await self._recall(source, indices)
        labels = ((index, self.known(source, index)) for index in indices)
        return {index: label for index, label in labels if label is not None}

    async def ask(
        self, source: str, indices: Iterable[int]
    ) -> AsyncGenerator[dict[int, str], None]:
        """Asks Neuronpedia for features one by one; yields labels as they come, until it fails."""
        if not self._answers.can_come(source):
            return
        for index in sorted(self.missing(source, indices)):
            try:
                await self._answers.ask(source, index)
            except Unavailable:
                return  # already logged; all others would be refused as well
            if (label := self.known(source, index)) is not None:
                yield {index: label}

    async def feature(self, source: str, index: int) -> FeatureRecord:
        """Everything known about one feature. Refusal if Redis fails and nothing is here."""
        record = (await self.records(source, [index])).get(index, FeatureRecord())
        if (
            record.label is None
            and self._answers.can_come(source)
            and self.missing(source, [index])
        ):
            with contextlib.suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._answers.ask(source, index)
        return self._memory.record(source, index) or record

    async def records(self, source: str, indices: list[int]) -> dict[int, FeatureRecord]:
        """What files, export and earlier answers tell of features; the API is not asked.

        Features of which nothing is known are left out. Refusal if Redis fails and the source was
        never read.
        """
        await self._have(source)
        with contextlib.suppress(Refusal):
            await self._recall(source, indices)
        found = ((index, self._memory.record(source, index)) for index in indices)
        return {index: record for index, record in found if record is not None}

    async def examples(self, source: str, index: int) -> list[Example]:
        """Texts of Neuronpedia's in which a feature was active, the strongest first."""
        return await self._examples.of(source, index)

    async def tables(self, source: str) -> tuple[LabelTable, ...]:
        """A source's labels to search: for each feature the first table that has it counts.

        Refusal if Redis fails and the source was never read.
        """
        await self._have(source)
        return await self._memory.tables(source)

    async def close(self) -> None:
        """Ends unfinished work and the connections."""
        for work in (self._examples, self._answers, self._filling, self._reading):
            await work.close()
        await self._store.close()
        if self._origins.http is not None:
            await self._origins.http.close()

    async def _have(self, source: str) -> None:
        """Like `prepare`, but waits only a moment, and then accepts what is here."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.prepare(source)
        except TimeoutError:
            pass  # it goes on in the background
        except Refusal:
            if not self._memory.holds(source):
                raise

    async def _recall(self, source: str, indices: Iterable[int]) -> None:
        """Reads what the API has told other gateways of those that are missing."""
        if self._answers.can_come(source) and (missing := self.missing(source, indices)):
            await self._answers.recall(source, missing)

    async def _try_to_read(self, source: str) -> None:
        try:
            await self._read_once(source)
        except Refusal:
            pass  # already logged
        except Exception:
            _log.exception("%s: its labels could not be read", source)

    async def _read_once(self, source: str) -> None:
        await self._reading.do(source, lambda: self._read(source))

    async def _read(self, source: str) -> None:
        """Reads what this machine or Redis has of a source into memory."""
        async with self._one:
            files = self._origins.files
            if await asyncio.to_thread(files.has, source):
                table = await asyncio.to_thread(lambda: LabelTable(files.read(source)))
                self._hold(source, table, float("inf"))
            if not self._memory.fresh(source) or self._answers.can_come(source):
                await self._read_redis(source)

    async def _read_redis(self, source: str) -> None:
        async with self._link.talking():
            kept = await self._store.everything(source)
        for index, entry in kept.answers.items():
            self._memory.answer(source, index, entry)
        if not self._memory.fresh(source):
            table = await asyncio.to_thread(LabelTable, kept.records)
            self._hold(source, table, self._lasts(source, kept))

    def _hold(self, source: str, table: LabelTable, lasts: float) -> None:
        if table.labels:
            _log.info("%s: %d labels loaded", source, table.labels)
        self._memory.hold(source, table, lasts)

    def _lasts(self, source: str, kept: Kept) -> float:
        """Seconds until what Redis has of a source should be renewed."""
        id_ = self._exported_id(source)
        if id_ is None:
            return _AGAIN
        filling = kept.filling
        return filling.left() if filling and filling.fingerprint == fingerprint(id_) else 0.0

    async def _fill(self, source: str) -> None:
        """Fills Redis from the export, which one gateway does for all, and reads it."""
        id_ = self._exported_id(source)
        if id_ is not None:
            async with self._link.talking():
                while not await self._filled(source, id_):
                    async with self._store.lock(source) as mine:
                        if mine and not await self._filled(source, id_):
                            await self._fetch(source, id_)
                    if not mine:
                        await asyncio.sleep(_POLL)
        await self._read_once(source)

    async def _filled(self, source: str, id_: str) -> bool:
        filling = await self._store.filling(source)
        if filling is None or filling.fingerprint != fingerprint(id_):
            return False
        return filling.left() > 0

    async def _fetch(self, source: str, id_: str) -> None:
        assert self._origins.export is not None
        exported = await self._origins.export.read(id_, LoggedProgress(source))
        await self._store.fill(source, fingerprint(id_), exported.records, exported.lasts)

    def _exported_id(self, source: str) -> str | None:
        return self._origins.neuronpedia_id(source) if self._origins.export else None
