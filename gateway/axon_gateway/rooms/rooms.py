"""All rooms of this process: opening, entering, leaving, expiry."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterable

from axon_gateway.clients import Client
from axon_gateway.errors import Refusal
from axon_gateway.frames import Emit
from axon_gateway.generations.generation import Generation
from axon_gateway.requests import Generate
from axon_gateway.rooms.budget import Budget
from axon_gateway.rooms.epochs import START, Offset, new_epoch
from axon_gateway.rooms.log import RoomLog
from axon_gateway.rooms.room import Room, fingerprint
from axon_gateway.rooms.sharing import Sharing
from axon_gateway.rooms.viewer import Viewer
from axon_gateway.tasks import Once

#: Letters of a room's id: none that is easily misheard, or misread from a projector.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_ID_LENGTH = 6
#: Seconds after which to try again if all rooms are in use.
_RETRY_FULL = 30.0

#: Makes a generation that emits frames for whoever asked. Raises Refusal.
StartGeneration = Callable[[Generate, Emit, Client | None], Generation]


class Rooms:
    """All rooms of this process. Those that are kept are bounded in number and bytes.

    A room is kept from its first generation on, or once it is shared. `log_bytes` bounds one log,
    `total_bytes` all of them. `grace` is how many seconds a generation goes on without viewers,
    `idle` how many a kept room without viewers stays.
    """

    def __init__(
        self,
        start: StartGeneration,
        limit: int,
        log_bytes: int,
        total_bytes: int,
        grace: float,
        idle: float,
        sharing: Sharing,
    ) -> None:
        self.start = start
        self.sharing = sharing
        self._limit = limit
        self._log_bytes = log_bytes
        self._budget = Budget(total_bytes)
        self._grace = grace
        self._idle = max(idle, grace)
        self._rooms: dict[str, Room] = {}
        #: Those that are kept, by the address that opened them.
        self._kept: Counter[str] = Counter()
        self._admitted: set[Room] = set()
        #: When each room without viewers was left, and its timer; the one left first comes first.
        self._empty: dict[Room, tuple[float, asyncio.TimerHandle]] = {}
        self._loading = Once[str, Room | None]()

    def __len__(self) -> int:
        return len(self._admitted)

    def all(self) -> Iterable[Room]:
        """Every room that is here now."""
        return tuple(self._rooms.values())

    def get(self, id_: str) -> Room | None:
        """A room that is here."""
        return self._rooms.get(id_)

    def open(self, client: Client | None = None) -> tuple[Room, Viewer]:
        """A new room and its presenter."""
        id_ = _new_id()
        while id_ in self._rooms:
            id_ = _new_id()
        token = secrets.token_urlsafe(16)
        log = RoomLog(self._log_bytes, self._budget, new_epoch())
        room = self._add(id_, log, fingerprint(token), client.address if client else "")
        return room, self._let_in(room, None, START, client, token)

    def new_log(self) -> RoomLog:
        """An empty log, which counts towards the bytes of all."""
        return RoomLog(self._log_bytes, self._budget)

    def add(self, id_: str, log: RoomLog, token_hash: str) -> Room:
        """A copy of a room that another gateway has opened. Refusal when all are in use."""
        room = self._add(id_, log, token_hash, "")
        try:
            self.admit(room)
        except Refusal:
            self._drop(room)
            raise
        return room

    def admit(self, room: Room) -> None:
        """Counts a room among those that are kept. Refusal when all are in use."""
        if room in self._admitted:
            return
        # No address may have more than half of them. Copies of other gateways' rooms have none.
        greedy = bool(room.address) and self._kept[room.address] >= max(1, self._limit // 2)
        if greedy or len(self._admitted) >= self._limit:
            self._make_space(room.address, own=greedy)
        self._admitted.add(room)
        self._kept[room.address] += 1

    async def enter(
        self,
        id_: str,
        token: str | None,
        offset: Offset = START,
        client: Client | None = None,
    ) -> tuple[Room, Viewer]:
        """An existing room and a place in it. Refusal if it does not exist."""
        room = await self.find(id_)
        return room, self._let_in(room, token, offset, client)

    async def find(self, id_: str) -> Room:
        """An existing room, of this gateway or another. Refusal if it does not exist."""
        room = self._rooms.get(id_) or await self._load(id_)
        if room is None:
            raise Refusal("unknown_room", "this room does not exist or has expired", "room")
        # A room just loaded is empty, so it may have made space for another one meanwhile.
        return await self.find(id_) if room.expired else room

    def leave(self, room: Room, viewer: Viewer) -> None:
        """The viewer's socket is gone; after the last one, the timer starts."""
        room.leave(viewer)
        if room.local_viewers == 0 and self._rooms.get(room.id) is room:
            self._start_timer(room)

    async def close(self) -> None:
        """Ends all rooms."""
        await self._loading.close()
        for _, timer in self._empty.values():
            timer.cancel()
        await asyncio.gather(*(room.close() for room in self._rooms.values()))

    def _add(self, id_: str, log: RoomLog, token_hash: str, address: str) -> Room:
        room = self._rooms[id_] = Room(id_, log, self, token_hash, address)
        # The client may leave before it enters.
        self._start_timer(room)
        return room

    def _let_in(
        self,
        room: Room,
        token: str | None,
        offset: Offset,
        client: Client | None,
        new_token: str | None = None,
    ) -> Viewer:
        if room in self._empty:
            self._empty.pop(room)[1].cancel()
        return room.enter(token, offset, client, new_token)

    async def _load(self, id_: str) -> Room | None:
        """A room of another gateway."""
        if not _is_id(id_):
            return None
        return await self._loading.do(id_, lambda: self.sharing.follow(id_, self))

    def _start_timer(self, room: Room) -> None:
        """Starts the timer of a room without viewers at this gateway."""
        self._set_timer(room, asyncio.get_running_loop().time(), self._grace)

    def _set_timer(self, room: Room, left_at: float, seconds: float) -> None:
        if room in self._empty:
            self._empty[room][1].cancel()
        timer = asyncio.get_running_loop().call_later(seconds, self._check_empty, room)
        self._empty[room] = left_at, timer

    def _check_empty(self, room: Room) -> None:
        """The timer of an empty room has run out: expires the room, or sets the timer anew."""
        left_at, _ = self._empty[room]
        empty = asyncio.get_running_loop().time() - left_at
        watched = room.running and room.viewers > 0  # by those at other gateways
        if not watched:
            room.cancel_generation()
            if empty >= self._idle or room not in self._admitted:
                self._expire(room)
                return
        rest = self._grace if watched else self._idle - empty
        self._set_timer(room, left_at, max(rest, 0.01))

    def _make_space(self, address: str, own: bool) -> None:
        """Expires an empty room for `address`: one of its `own`, or of the address with most."""
        idle = [
            room
            for room in self._empty
            if room in self._admitted and not room.running and (room.address == address or not own)
        ]
        room = max(idle, key=lambda room: self._kept[room.address], default=None)
        if room is None or self._kept[room.address] < self._kept[address]:
            message = "all rooms that you may have are in use; try again later"
            raise Refusal("too_many_rooms", message, retry_after=_RETRY_FULL)
        self._expire(room)

    def _expire(self, room: Room) -> None:
        self._drop(room)
        room.cancel_generation()
        self.sharing.publish_presence(room)

    def _drop(self, room: Room) -> None:
        del self._rooms[room.id]
        room.expired = True
        if room in self._empty:
            self._empty.pop(room)[1].cancel()
        if room in self._admitted:
            self._admitted.discard(room)
            self._kept[room.address] -= 1
            if not self._kept[room.address]:
                del self._kept[room.address]
        room.log.close()


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def _is_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and all(letter in _ALPHABET for letter in text)
