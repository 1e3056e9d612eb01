"""`Replica`: this gateway's copy of a shared room, its part in it, and what it has to write."""

from __future__ import annotations

import asyncio
import enum
from collections import deque

from axon_gateway.frames import Frame, encode
from axon_gateway.requests import View
from axon_gateway.rooms.log import Entry, new_epoch
from axon_gateway.rooms.room import Room

#: Frames that wait for Redis before the generation that makes them waits, too.
_WAITING = 256
#: Frames that end a generation. They never wait: their generation is over.
_ENDING = ("finished", "error")


class LeaseLost(ConnectionError):
    """Another gateway holds the room's lease, so this one can write nothing more."""


class Standing(enum.Enum):
    """What a gateway may do in a room."""

    #: It reads what the home writes.
    FOLLOWER = enum.auto()
    #: It has asked for the lease, and writes nothing until it has it.
    CLAIMING = enum.auto()
    #: It holds the lease, as far as it knows, and alone writes.
    HOME = enum.auto()


class Replica:
    """One copy of a shared room: follower, claiming or home.

    A frame waits, gets its number when it leaves for Redis, and comes into the log, and so to
    viewers, once Redis has it. Viewers never see a frame that Redis does not have.
    """

    def __init__(self, room: Room, home: str) -> None:
        self.room = room
        self.standing = Standing.FOLLOWER
        #: The gateway with the lease, as far as this one knows.
        self.home = home
        #: One question to Redis about this room at a time.
        self.lock = asyncio.Lock()
        #: Changed here and not told yet.
        self.is_open: bool | None = None
        self.view: View | None = None
        #: When the room was last reported to Redis, and the oldest frame kept by that report.
        self.told = 0.0
        self.first = 1
        self._waiting: deque[tuple[Frame, bool]] = deque()
        self._leaving: list[Entry] = []
        #: Set whenever frames have come into the log, or never will.
        self._moved = asyncio.Event()

    def full(self, frame: Frame) -> bool:
        """Whether the frame has to wait until earlier ones have moved."""
        return len(self._waiting) >= _WAITING and frame["type"] not in _ENDING

    async def moved(self) -> None:
        """Returns once frames have come into the log, or never will."""
        self._moved.clear()
        await self._moved.wait()

    def put(self, frame: Frame, begins: bool) -> None:
        """Queues a frame to be written. LeaseLost if this is not the home."""
        if self.standing is Standing.FOLLOWER:
            raise LeaseLost(f"room {self.room.id} is written by another gateway")
        self._waiting.append((frame, begins))

    def detach(self) -> None:
        """Redis is gone and there is no other gateway: the room goes on in memory, in a new epoch.

        What was on its way may have come to Redis, so it stays in the epoch in which it left.
        """
        waiting, self._waiting = self._waiting, deque()
        self.arrived()
        self.room.turn(new_epoch(), self.room.log.last + 1)
        for frame, begins in waiting:
            self.room.write(frame, begins)
        self.follow()

    def leave(self, max_bytes: int) -> list[Entry]:
        """The next frames to write, numbered; the same ones again until they have arrived."""
        log = self.room.log
        if self.standing is Standing.HOME and not self._leaving:
            seq = log.last
            while self._waiting and max_bytes > 0:
                frame, begins = self._waiting.popleft()
                seq += 1
                encoded = encode(frame, seq)
                max_bytes -= len(encoded)
                self._leaving.append(Entry(seq, encoded, begins, log.epoch, log.since))
        return self._leaving

    def arrived(self) -> None:
        """Redis has what was leaving: it comes into the log."""
        entries, self._leaving = self._leaving, []
        self.room.take(entries)
        self._moved.set()

    @property
    def busy(self) -> bool:
        """Whether frames wait or are on their way."""
        return bool(self._waiting or self._leaving)

    async def landed(self) -> None:
        """Returns once all frames have arrived, or never will."""
        while self.busy:
            await self.moved()

    def follow(self) -> None:
        """Another gateway holds the lease. Frames that are not written yet are dropped."""
        self.standing = Standing.FOLLOWER
        self._waiting.clear()
        self._leaving = []
        self._moved.set()
