"""All rooms of this process: opening, entering, leaving, expiry."""

from __future__ import annotations

import asyncio
import secrets

from axon_gateway.errors import Refusal
from axon_gateway.log import RoomLog
from axon_gateway.room import Room, StartGeneration, Viewer

#: Letters of a room's id: nothing that is misread aloud or from a projector.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_ID_LENGTH = 6


class Rooms:
    """All rooms of this process, bounded in number; empty ones expire.

    `grace` is how many seconds a generation goes on without viewers, `idle` how many an empty room
    is kept.
    """

    def __init__(
        self, start: StartGeneration, limit: int, log_bytes: int, grace: float, idle: float
    ) -> None:
        self._start = start
        self._limit = limit
        self._log_bytes = log_bytes
        self._grace = grace
        self._idle = idle
        self._rooms: dict[str, Room] = {}
        #: Timers of the empty rooms, the one empty longest first.
        self._expiring: dict[str, list[asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def open(self) -> tuple[Room, Viewer]:
        """A new room and its presenter. Refusal when all rooms are in use."""
        if len(self._rooms) >= self._limit:
            self._make_space()
        id_ = _new_id()
        while id_ in self._rooms:
            id_ = _new_id()
        room = self._rooms[id_] = Room(id_, RoomLog(self._log_bytes), self._start)
        return room, room.enter(None, 0, opener=True)

    def enter(self, id_: str, token: str | None, after: int) -> tuple[Room, Viewer]:
        """An existing room and a place in it. Refusal if it does not exist."""
        room = self._rooms.get(id_)
        if room is None:
            raise Refusal("unknown_room", "this room does not exist or has expired", "room")
        for timer in self._expiring.pop(id_, ()):
            timer.cancel()
        return room, room.enter(token, after)

    def leave(self, room: Room, viewer: Viewer) -> None:
        """The viewer's socket is gone; the last one's starts the clocks."""
        room.leave(viewer)
        if room.viewers == 0 and room.id in self._rooms:
            loop = asyncio.get_running_loop()
            self._expiring[room.id] = [
                loop.call_later(self._grace, room.abandon),
                loop.call_later(max(self._idle, self._grace), self._expire, room.id),
            ]

    async def close(self) -> None:
        """Ends all rooms."""
        for timers in self._expiring.values():
            for timer in timers:
                timer.cancel()
        await asyncio.gather(*(room.close() for room in self._rooms.values()))
        self._rooms.clear()

    def _make_space(self) -> None:
        for id_ in self._expiring:
            if not self._rooms[id_].running:
                self._expire(id_)
                return
        raise Refusal("too_many_rooms", f"all {self._limit} rooms are in use; try again later")

    def _expire(self, id_: str) -> None:
        for timer in self._expiring.pop(id_, ()):
            timer.cancel()
        self._rooms.pop(id_).abandon()


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
