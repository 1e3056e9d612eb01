"""The maps of all inference services: read when a service comes up, and kept for all who ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from axon_gateway.backends.backends import Backends
from axon_gateway.backends.upstream import Upstream
from axon_gateway.errors import Refusal
from axon_gateway.labels.labels import Labels
from axon_gateway.labels.table import LabelTable
from axon_gateway.maps.drawing import Drawn, Parts, draw
from axon_gateway.tasks import Tasks, cancel

#: Seconds after which names are looked at again: labels may have come.
_AGAIN = 10.0


@dataclass(slots=True)
class State:
    """What there is of one service's map."""

    #: While it is made: what is being done, and the share of it that is done.
    stage: str = "waiting for the service"
    done: float = 0.0
    #: Why there is none; empty otherwise.
    why_none: str = ""
    drawn: Drawn | None = None
    parts: Parts | None = None
    #: Labels known when it was drawn, and when that was.
    labels: int = -1
    looked: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    reading: asyncio.Task[None] | None = None


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

    async def of(self, model: str | None) -> State:
        """What there is of a model's map, its districts named by the labels known now. Raises
        Refusal for a model that no service has."""
        backend = self._backends.choose(model)
        if backend not in self._states:
            self.look(backend)
        state = self._states[backend]
        if state.parts is not None:
            await self._draw(state, state.parts)
        return state

    async def close(self) -> None:
        """Stops reading."""
        await cancel(self._tasks)

    async def _read(self, backend: Upstream, state: State) -> None:
        try:
            await self._follow(backend, state)
        except Refusal as refusal:
            # A service that has gone will come back; its map stays until it says another hash.
            if refusal.code == "no_map":
                state.drawn = state.parts = None
                state.why_none = refusal.message
            elif state.drawn is None:
                state.stage, state.done = "waiting for the service", 0.0

    async def _follow(self, backend: Upstream, state: State) -> None:
        parts: Parts | None = None
        async for part in backend.map():
            match part.WhichOneof("part"):
                case "progress":
                    # Its weights are others than those of the map that was there.
                    state.drawn = state.parts = None
                    state.why_none = ""
                    state.stage, state.done = part.progress.stage, part.progress.done
                case "started" if state.parts and state.parts.started == part.started:
                    return
                case "started":
                    state.drawn = state.parts = None
                    state.why_none = ""
                    parts = Parts(part.started)
                case _ if parts:
                    parts.add(part)
        if parts:
            state.labels = -1
            await self._draw(state, parts)
            state.parts = parts

    async def _draw(self, state: State, parts: Parts) -> None:
        """Draws a map, unless it is drawn with all labels that are known."""
        async with state.lock:
            now = asyncio.get_running_loop().time()
            if state.drawn and now < state.looked + _AGAIN:
                return
            sources = [source.id for source in parts.started.sources]
            found = await asyncio.gather(*map(self._tables, sources))
            known = sum(table.labels for tables in found for table in tables)
            state.looked = now
            if state.drawn and known == state.labels:
                return
            tables = dict(zip(sources, found, strict=True))

            def labels(source: str, width: int) -> list[str | None]:
                some = tables[source]
                return [next(filter(None, (t.label(i) for t in some)), None) for i in range(width)]

            # In a thread, since it takes a second for a large map.
            state.drawn = await asyncio.to_thread(draw, parts, labels)
            state.labels = known

    async def _tables(self, source: str) -> tuple[LabelTable, ...]:
        try:
            return await self._labels.tables(source)
        except Refusal:  # without labels, names are provisional
            return ()
