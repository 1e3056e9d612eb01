"""`Replica`: this gateway's copy of a shared room, its part in it, and what it has to write."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import deque

from axon_gateway.frames import Frame, encode
from axon_gateway.requests import View
from axon_gateway.rooms.epochs import new_epoch
from axon_gateway.rooms.log import Entry
from axon_gateway.rooms.room import Room

_log = logging.getLogger(__name__)

#: Frames that wait for Redis before the generation that makes them waits, too.
_MOST_QUEUED = 256
#: Frames that end a generation. They never wait: their generation is over.
_ENDING = ("finished", "error")


class LeaseLost(ConnectionError):
    """Another gateway holds the room's lease, so this one can write nothing more."""


class Role(enum.Enum):
    """What a gateway may do in a room."""

    #: It reads what the home writes.
    FOLLOWER = enum.auto()
    #: It has asked for the lease, and writes nothing until it has it.
    CANDIDATE = enum.auto()
    #: It holds the lease, as far as it knows, and alone writes.
    HOME = enum.auto()


class Replica:
    """One copy of a shared room: follower, candidate or home.

    A frame is queued, gets its number when it is sent to Redis, and comes into the log, and so to
    viewers, once Redis has it. Viewers never see a frame that Redis does not have.
    """

    def __init__(self, room: Room, home: str) -> None:
        self.room = room
        self.role = Role.FOLLOWER
        #: The gateway with the lease, as far as this one knows.
        self.home = home
        #: One question to Redis about this room at a time.
        self.lock = asyncio.Lock()
        #: Changed here and not published yet.
        self.unpublished_open: bool | None = room.open or None
        self.unpublished_view: View | None = room.newest_view
        #: When presence was last published, and the oldest frame kept at that time.
        self.published_at = 0.0
        self.published_first = 1
        #: Of the question and of the line in Redis, as far as this gateway's part is in them.
        self.opened = ""
        self.lined = ""
        self._queued: deque[tuple[Frame, bool]] = deque()
        self._sent: list[Entry] = []
        #: Set whenever frames have come into the log, or never will.
        self._progress = asyncio.Event()

    @property
    def pending(self) -> bool:
        """Whether frames are queued, or sent and not confirmed."""
        return bool(self._queued or self._sent)

    def full(self, frame: Frame) -> bool:
        """Whether the frame has to wait until earlier ones have come into the log."""
        return len(self._queued) >= _MOST_QUEUED and frame["type"] not in _ENDING

    async def progress(self) -> None:
        """Returns once frames have come into the log, or never will."""
        self._progress.clear()
        await self._progress.wait()

    async def flushed(self) -> None:
        """Returns once all frames have come into the log, or never will."""
        while self.pending:
            await self.progress()

    def enqueue(self, frame: Frame, begins: bool) -> None:
        """Queues a frame to be written. LeaseLost if this is not the home."""
        if self.role is Role.FOLLOWER:
            raise LeaseLost(f"room {self.room.id} is written by another gateway")
        self._queued.append((frame, begins))

    def next_entries(self, max_bytes: int) -> list[Entry]:
        """The next frames to send, numbered; the same ones again until they are confirmed."""
        log = self.room.log
        if self.role is Role.HOME and not self._sent:
            seq = log.last
            while self._queued and max_bytes > 0:
                frame, begins = self._queued.popleft()
                seq += 1
                encoded = encode(frame, seq)
                max_bytes -= len(encoded)
                self._sent.append(Entry(seq, encoded, begins, log.epoch, log.epochs.since))
        return self._sent

    def confirm(self) -> None:
        """Redis has what was sent: it comes into the log."""
        entries, self._sent = self._sent, []
        self.room.append_entries(entries)
        self._progress.set()

    def become_follower(self) -> None:
        """Drops the frames that are not written yet."""
        self.role = Role.FOLLOWER
        self._queued.clear()
        self._sent = []
        self._progress.set()

    def lose_lease(self) -> None:
        """Another gateway holds the lease: ends the generation here."""
        _log.warning("room %s is written by another gateway now", self.room.id)
        self.become_follower()
        self.room.cancel_generation()

    def continue_alone(self) -> None:
        """The room goes on in memory, in a new epoch, without Redis and other gateways.

        What was sent may have come to Redis, so it stays in the epoch in which it was sent.
        """
        queued, self._queued = self._queued, deque()
        self.confirm()
        self.room.begin_epoch(new_epoch(), self.room.log.last + 1)
        for frame, begins in queued:
            self.room.append(frame, begins)
        self.become_follower()
