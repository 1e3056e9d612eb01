"""The maps of all inference services: read when a service comes up, and kept for all who ask."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from axon import AxonError
from axon.feature_map import Collector, FeatureMap, MapProgress

from axon_gateway.backends.backends import Backends
from axon_gateway.backends.upstream import Upstream
from axon_gateway.errors import Refusal
from axon_gateway.labels.labels import Labels
from axon_gateway.labels.table import LabelTable
from axon_gateway.maps.drawing import Drawn, draw
from axon_gateway.tasks import Tasks, cancel

#: Seconds after which names are looked at again: labels may have come.
_AGAIN = 10.0
_WAITING = "waiting for the service"


@dataclass(slots=True)
class State:
    """What there is of one service's map."""

    #: While it is made: what is being done, and the share of it that is done.
    stage: str = _WAITING
    done: float = 0.0
    #: Why there is none; empty otherwise.
    why_none: str = ""
    drawn: Drawn | None = None
    found: FeatureMap | None = None
    #: Labels known when it was drawn, and when that was.
    labels: int = -1
    looked: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """There is another map now, or none."""
        self.drawn = self.found = None
        self.why_none = ""


class Maps:
    """The map of each service."""

    def __init__(self, backends: Backends, labels: Labels) -> None:
        self._backends, self._labels = backends, labels
        self._states: dict[Upstream, State] = {}
        self._tasks = Tasks()

    def look(self, backend: Upstream) -> None:
        """A service has come up, perhaps with other weights: reads its map unless it is known."""
        state = self._states.setdefault(backend, State())
        if state.reading is None or state.reading.done():
            state.reading = self._tasks.start(self._read(backend, state))

    def of(self, model: str | None) -> State:
        """What there is of a model's map. Raises Refusal for a model that no service has."""
        backend = self._backends.choose(model)
        state = self._states.setdefault(backend, State())
        if state.found is not None:
            # Labels may have come; who asks next sees the better names.
            self._tasks.start(self._draw(state, state.found))
        elif not state.why_none:
            self.look(backend)
        return state

    async def close(self) -> None:
        """Stops reading."""
        await cancel(self._tasks)

    async def _read(self, backend: Upstream, state: State) -> None:
        try:
            await self._follow(backend, state)
        except (Refusal, AxonError) as error:
            # A service that has gone will come back; its map stays until it says another hash.
            if isinstance(error, Refusal) and error.code == "no_map":
                state.forget()
                state.why_none = error.message
            elif state.drawn is None:
                state.stage, state.done = _WAITING, 0.0

    async def _follow(self, backend: Upstream, state: State) -> None:
        collector = Collector()
        async with contextlib.aclosing(backend.map()) as parts:
            async for part in parts:
                match collector.add(part):
                    case FeatureMap(hash=hash_) if state.found and state.found.hash == hash_:
                        return
                    case FeatureMap():
                        state.forget()
                    case MapProgress(stage, done):
                        # A map that was there may be one of other weights.
                        state.forget()
                        state.stage, state.done = stage, done
        await self._draw(state, collector.map)
        state.found = collector.map

    async def _draw(self, state: State, found: FeatureMap) -> None:
        """Draws a map, unless it is drawn with all labels that are known."""
        async with state.lock:
            now = asyncio.get_running_loop().time()
            if state.drawn and (now < state.looked + _AGAIN or state.found is not found):
                return
            sources = [source.id for source in found.sources]
            tables = dict(
                zip(sources, await asyncio.gather(*map(self._tables, sources)), strict=True)
            )
            known = sum(table.labels for some in tables.values() for table in some)
            state.looked = now
            if state.drawn and known == state.labels:
                return

            def labels(source: str, width: int) -> list[str | None]:
                some = tables[source]
                return [next(filter(None, (t.label(i) for t in some)), None) for i in range(width)]

            # In a thread, since it takes seconds for a large map.
            state.drawn = await asyncio.to_thread(draw, found, labels)
            state.labels = known

    async def _tables(self, source: str) -> tuple[LabelTable, ...]:
        try:
            return await self._labels.tables(source)
        except Refusal:  # without labels, names are provisional
            return ()
