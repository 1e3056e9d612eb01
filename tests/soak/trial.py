"""The soak: viewers watch, presenters generate, and one process after another is killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from . import stack as stacks
from .audience import Measures, Presenter, Viewer, client, reached
from .checker import Frame, Ledger, Reader
from .stack import Service, Stack

Say = Callable[[str], None]

#: Seconds between a kill and the restart.
_DOWN = 2.0
#: Seconds after the restart within which all viewers must be served again.
LONGEST_RECOVERY = 30.0
#: The least number of seconds between a recovery and the next kill.
_BREATH = 2.0
#: One viewer in this many is lazy.
_LAZY = 7
#: Seconds for all generations to end after the last kill.
_REST = 60.0
#: After this many seconds without a frame no more are expected.
_QUIET = 2.0


@dataclass(frozen=True)
class Plan:
    """The settings of a soak. `tokens` and `delay` (seconds between tokens) are of a generation."""

    seconds: float = 600.0
    every: float = 20.0
    viewers: int = 200
    generating: int = 8
    tokens: int = 40
    delay: float = 0.1
    seed: int = 0


@dataclass
class Kill:
    """One killed process, and how long it took until all viewers were served again."""

    name: str
    at: float
    #: Sockets that broke.
    broken: int = 0
    #: Seconds until all viewers of those sockets, except lazy ones, were in their rooms again.
    back: float | None = None
    #: Seconds until tokens came in every room again.
    tokens: float | None = None
    #: Rooms in which a viewer was told that the room waits; only for a kill of Redis.
    told: set[str] = field(default_factory=set)
    rooms: set[str] = field(default_factory=set)


@dataclass
class Outcome:
    """Everything that the report is made from."""

    plan: Plan
    seconds: float
    measures: Measures
    ledger: Ledger
    readers: list[Reader]
    kills: list[Kill]
    tracebacks: list[str]


async def run(plan: Plan, say: Say = lambda line: None) -> Outcome:
    """Runs a soak in a temporary folder."""
    random.seed(plan.seed)
    with tempfile.TemporaryDirectory(prefix="axon-soak-") as folder:
        async with stacks.running(Path(folder), plan.tokens, plan.delay) as stack, client() as http:
            return await _Trial(plan, stack, http, say).run()


class _Trial:
    def __init__(self, plan: Plan, stack: Stack, http: aiohttp.ClientSession, say: Say) -> None:
        self._plan = plan
        self._stack = stack
        self._http = http
        self._say = say
        self._measures = Measures()
        self._ledger = Ledger()
        self._kills: list[Kill] = []
        self._presenters: list[Presenter] = []
        self._viewers: list[Viewer] = []

    async def run(self) -> Outcome:
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            watching = await self._gather(tasks)
            stop = asyncio.Event()
            presenting = [tasks.create_task(one.present(stop)) for one in self._presenters]
            await self._kill_by_turns(time.monotonic() + self._plan.seconds)
            stop.set()
            # A viewer that is not done by then fails the comparison below.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REST):
                    await asyncio.gather(*presenting)
                    await self._rest()
            seconds = time.monotonic() - began
            await self._compare()
            for task in watching:
                task.cancel()
        readers = [one.reader for one in self._all() if one.reader is not None]
        for reader in readers:
            reader.end()
        found = self._stack.tracebacks()
        return Outcome(
            self._plan, seconds, self._measures, self._ledger, readers, self._kills, found
        )

    def _all(self) -> list[Viewer]:
        return [*self._presenters, *self._viewers]

    def _urls(self, number: int) -> list[str]:
        urls = [gateway.url for gateway in self._stack.gateways]
        return urls if number % 2 else urls[::-1]

    async def _gather(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Presenters open their rooms and viewers join them, half of them at each gateway."""
        rooms = self._plan.generating
        self._presenters = [
            Presenter(f"presenter {n}", self._urls(n), self._http, self._measures, self._ledger)
            for n in range(rooms)
        ]
        watching = [tasks.create_task(one.watch()) for one in self._presenters]
        async with asyncio.timeout(_REST):
            await asyncio.gather(*(one.has_room.wait() for one in self._presenters))
        for number in range(self._plan.viewers):
            one = Viewer(
                f"viewer {number}", self._urls(number // rooms), self._http, self._measures
            )
            one.lazy, one.faithful = number % _LAZY == 0, number % 2 == 0
            of = self._presenters[number % rooms].reader
            assert of is not None
            one.reader = Reader(one.name, of.room, self._ledger)
            self._viewers.append(one)
            watching.append(tasks.create_task(one.watch()))
        async with asyncio.timeout(_REST):
            await asyncio.gather(*(one.inside.wait() for one in self._all()))
        self._say(f"{len(self._viewers)} viewers and {rooms} presenters are in their rooms")
        return watching

    async def _kill_by_turns(self, until: float) -> None:
        turns = [*self._stack.gateways, self._stack.redis]
        turn = time.monotonic() + self._plan.every
        while turn + self._plan.every <= until or len(self._kills) < len(turns):
            await asyncio.sleep(max(0.0, turn - time.monotonic()))
            await self._kill(turns[len(self._kills) % len(turns)])
            turn = max(turn + self._plan.every, time.monotonic() + _BREATH)
        await asyncio.sleep(max(0.0, until - time.monotonic()))

    async def _kill(self, service: Service) -> None:
        """Kills a service, restarts it, and waits until all viewers are served again."""
        watch = _Recovery(self._all(), service)
        self._measures.on_frame = [watch.note]
        await service.kill()
        self._kills.append(watch.kill)
        await asyncio.sleep(_DOWN)
        await service.start()
        await reached(watch.over, LONGEST_RECOVERY)
        self._measures.on_frame = []
        kill = watch.kill
        self._say(
            f"{kill.name} killed: {kill.broken} sockets broken, all back after "
            f"{_in_words(kill.back)}, tokens in all rooms after {_in_words(kill.tokens)}"
        )

    async def _rest(self) -> None:
        """Waits until every viewer is in its room and no frame has come for a while."""
        before, since = -1, time.monotonic()
        while time.monotonic() - since < _QUIET or not all(v.inside.is_set() for v in self._all()):
            if before != self._measures.delivered:
                before, since = self._measures.delivered, time.monotonic()
            await asyncio.sleep(0.05)

    async def _compare(self) -> None:
        """Compares what each viewer holds with what a viewer gets that joins only now."""
        late: dict[str, Reader] = {}
        for number, presenter in enumerate(self._presenters):
            assert presenter.reader is not None
            room = presenter.reader.room
            one = Viewer(f"late {number}", self._urls(number), self._http, Measures())
            one.reader = late[room] = Reader(one.name, room, self._ledger)
            task = asyncio.create_task(one.watch())
            before = -1
            while before < late[room].last or late[room].last == 0:
                before = late[room].last
                await asyncio.sleep(0.5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for viewer in self._all():
            if viewer.reader is not None:
                viewer.reader.compare(late[viewer.reader.room])


class _Recovery:
    """Measures the time from a kill until all viewers are served again."""

    def __init__(self, viewers: list[Viewer], service: Service) -> None:
        self.kill = Kill(service.name, time.monotonic())
        self._time = time.time()
        self._redis = service.name == "redis"
        broken = [one for one in viewers if one.url == service.url and one.socket]
        self.kill.broken = len(broken)
        self._away = {one.name for one in broken if not one.lazy}
        self.kill.rooms = {one.reader.room for one in viewers if one.reader}
        self._silent = set(self.kill.rooms)

    def over(self) -> bool:
        """Whether all viewers are served again; notes how long that took."""
        now = time.monotonic() - self.kill.at
        if self.kill.back is None and not self._away:
            self.kill.back = now if self.kill.broken else 0.0
        if self.kill.tokens is None and not self._silent:
            self.kill.tokens = now
        return self.kill.back is not None and self.kill.tokens is not None

    def note(self, viewer: Viewer, frame: Frame) -> None:
        """Called with each frame that a viewer gets."""
        assert viewer.reader is not None
        room = viewer.reader.room
        if viewer.opened > self._time:
            self._away.discard(viewer.name)
        if self._redis and (frame["type"] == "error" or frame.get("waiting")):
            self.kill.told.add(room)
        if frame["type"] == "token" and frame["time"] > self._time:
            self._silent.discard(room)


def _in_words(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"
