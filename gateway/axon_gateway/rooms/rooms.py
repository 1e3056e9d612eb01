"""All rooms of this process: opening, entering, leaving, expiry."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from typing import Protocol

from axon_gateway.errors import Refusal
from axon_gateway.limits import Client
from axon_gateway.rooms.log import RoomLog
from axon_gateway.rooms.room import Room, StartGeneration, fingerprint
from axon_gateway.rooms.sharing import Alone, Sharing
from axon_gateway.rooms.viewer import Viewer

#: Letters of a room's id: nothing that is misread aloud or from a projector.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_ID_LENGTH = 6
#: Seconds until somebody else is to be let in where all rooms are in use.
_RETRY_FULL = 30.0


class Loading(Sharing, Protocol):
    """`Sharing` that also finds rooms which other gateways have opened."""

    async def load(self, id_: str, rooms: Rooms) -> Room | None:
        """A copy of a room made by `rooms.admit`; None if there is no such room anywhere."""


class Nowhere(Alone):
    """There are no rooms but those here."""

    async def load(self, id_: str, rooms: Rooms) -> Room | None:
        """There never is one."""
        return None


class Rooms:
    """All rooms of this process, bounded in number; empty ones expire.

    `grace` is how many seconds a generation goes on without viewers, `idle` how many an empty room
    is kept.
    """

    def __init__(
        self,
        start: StartGeneration,
        limit: int,
        log_bytes: int,
        grace: float,
        idle: float,
        sharing: Loading | None = None,
    ) -> None:
        self._start = start
        self._limit = limit
        self._log_bytes = log_bytes
        self._grace = grace
        self._idle = max(idle, grace)
        self._sharing = sharing or Nowhere()
        self._rooms: dict[str, Room] = {}
        #: Timers of the empty rooms, the one empty longest first.
        self._expiring: dict[str, list[asyncio.TimerHandle]] = {}
        self._loading: dict[str, asyncio.Task[Room | None]] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def all(self) -> Iterable[Room]:
        """Every room that is here now."""
        return tuple(self._rooms.values())

    def get(self, id_: str) -> Room | None:
        """A room that is here."""
        return self._rooms.get(id_)

    def open(self, client: Client | None = None) -> tuple[Room, Viewer]:
        """A new room and its presenter. Refusal when all rooms are in use."""
        id_ = _new_id()
        while id_ in self._rooms:
            id_ = _new_id()
        token = secrets.token_urlsafe(16)
        room = self.admit(id_, fingerprint(token))
        return room, room.enter(None, 0, client, new_token=token)

    def admit(self, id_: str, token_hash: str) -> Room:
        """Makes place for a room and adds it. Refusal when all are in use."""
        if len(self._rooms) >= self._limit:
            self._make_space()
        log = RoomLog(self._log_bytes)
        room = self._rooms[id_] = Room(id_, log, self._start, self._sharing, token_hash)
        return room

    async def enter(
        self, id_: str, token: str | None, after: int, client: Client | None = None
    ) -> tuple[Room, Viewer]:
        """An existing room and a place in it. Refusal if it does not exist."""
        room = await self.find(id_)
        for timer in self._expiring.pop(id_, ()):
            timer.cancel()
        return room, room.enter(token, after, client)

    async def find(self, id_: str) -> Room:
        """An existing room, of this gateway or another. Refusal if it does not exist."""
        room = self._rooms.get(id_) or await self._load(id_)
        if room is None:
            raise Refusal("unknown_room", "this room does not exist or has expired", "room")
        return room

    def leave(self, room: Room, viewer: Viewer) -> None:
        """The viewer's socket is gone; the last one's starts the clocks."""
        room.leave(viewer)
        if room.here == 0 and self._rooms.get(room.id) is room:
            self._watch(room)

    def drop(self, room: Room) -> None:
        """Forgets a room that goes on elsewhere, or nowhere."""
        if self._rooms.get(room.id) is room:
            for timer in self._expiring.pop(room.id, ()):
                timer.cancel()
            del self._rooms[room.id]

    async def close(self) -> None:
        """Ends all rooms."""
        for timers in self._expiring.values():
            for timer in timers:
                timer.cancel()
        await asyncio.gather(*(room.close() for room in self._rooms.values()))

    async def _load(self, id_: str) -> Room | None:
        """Fetches a room from another gateway, once for all who ask meanwhile."""
        if not _is_id(id_):
            return None
        task = self._loading.get(id_)
        if task is None:
            task = self._loading[id_] = asyncio.create_task(self._sharing.load(id_, self))
            task.add_done_callback(lambda done: self._loaded(id_, done))
        room = await asyncio.shield(task)
        if room is not None and room.here == 0 and id_ not in self._expiring:
            # Should nobody enter it after all, it must not stay for ever.
            self._watch(room)
        return room

    def _loaded(self, id_: str, task: asyncio.Task[Room | None]) -> None:
        del self._loading[id_]
        if not task.cancelled():
            # Fetched even if nobody waits any more: asyncio complains of errors never looked at.
            task.exception()

    def _watch(self, room: Room) -> None:
        """Starts the clocks of a room without viewers at this gateway."""
        loop = asyncio.get_running_loop()
        self._expiring[room.id] = [
            loop.call_later(self._grace, self._grace_over, room),
            loop.call_later(self._idle, self._idle_over, room),
        ]

    def _grace_over(self, room: Room) -> None:
        if room.viewers == 0:
            room.abandon()
        elif room.running:
            # They watch at other gateways. As long as one does, this is asked again.
            loop = asyncio.get_running_loop()
            self._expiring[room.id].append(loop.call_later(self._grace, self._grace_over, room))

    def _idle_over(self, room: Room) -> None:
        if room.running and room.viewers:
            self._watch(room)
        else:
            self._expire(room.id)

    def _make_space(self) -> None:
        for id_ in self._expiring:
            if not self._rooms[id_].running:
                self._expire(id_)
                return
        message = f"all {self._limit} rooms are in use; try again later"
        raise Refusal("too_many_rooms", message, retry_after=_RETRY_FULL)

    def _expire(self, id_: str) -> None:
        room = self._rooms[id_]
        self.drop(room)
        room.abandon()
        self._sharing.changed(room)


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def _is_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and all(letter in _ALPHABET for letter in text)
