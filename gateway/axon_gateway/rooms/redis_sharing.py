"""Several gateways, one room: every gateway keeps a copy of the rooms that it serves viewers of.

The gateway that generates (the room's home) appends to its own copy first and tells its viewers; a
writer brings that to Redis beside it, many frames at a time. The writer is one more reader of the
room's log, so it keeps nothing of its own, and while Redis is gone all goes on for those who are
connected. Other gateways follow the stream. A gateway by itself follows nothing: it pays for one
beat every half second, and for a write while it generates.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from axon_gateway import frames
from axon_gateway.errors import Refusal
from axon_gateway.requests import View
from axon_gateway.rooms.log import Entry
from axon_gateway.rooms.room import Room
from axon_gateway.rooms.rooms import Rooms
from axon_gateway.rooms.sharing import Known
from axon_gateway.rooms.store import Meta, RoomStore, Save

_log = logging.getLogger(__name__)

#: Seconds between two signs of life, and without one until a gateway counts as lost: together what
#: viewers wait at most to be told.
_BEAT = 0.4
_DEAD = 1.2
#: Seconds between two writes: at 50 a second, many frames share one.
_WRITE_EVERY = 0.02
#: Bytes of frames in one write of a room.
_WRITE_BYTES = 256 * 1024
#: Seconds between two tries while Redis is gone.
_RETRY = 0.5
#: Seconds after which a room's keys are written again though nothing has changed.
_REFRESH = 600.0
#: Redis' failures, and those of the connection to it.
_FAILURES = (RedisError, OSError, TimeoutError)


@dataclass(slots=True)
class _Copy:
    """What is known of a room's place among its copies."""

    #: The gateway that writes into the log, as far as is known here.
    home: str
    #: The last frame that Redis has.
    written: int = 0
    #: Changed here, and not told yet.
    is_open: bool | None = None
    view: View | None = None
    told: float = 0.0


class RedisSharing:
    """Keeps the rooms of this gateway and their copies in others alike, through Redis.

    `idle` is how many seconds a room without viewers is kept.
    """

    def __init__(self, url: str, idle: float) -> None:
        self.name = secrets.token_hex(6)
        self._store = RoomStore(url, self.name, idle, _DEAD)
        self._copies: dict[Room, _Copy] = {}
        #: In the order in which they are to be written.
        self._changed: dict[Room, None] = {}
        self._wake = asyncio.Event()
        self._alive: set[str] = set()
        #: Nobody is declared dead before: those alive need time to come back, as we did.
        self._trust_at = 0.0
        self._inbox = "0"
        self._tasks: list[asyncio.Task[None]] = []
        self._rooms: Rooms | None = None
        self._closing = False
        #: False from the first failure of Redis to the next success.
        self.available = True

    def start(self, rooms: Rooms) -> None:
        """Begins to share `rooms`."""
        self._rooms = rooms
        for work in (self._write, self._live, self._follow):
            self._tasks.append(asyncio.create_task(self._forever(work)))

    async def close(self) -> None:
        """Writes what is left and takes leave."""
        self._closing = True
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            # Not once: redis-py may swallow a cancellation that comes while it connects.
            _, pending = await asyncio.wait(pending, timeout=_RETRY)
        with contextlib.suppress(*_FAILURES):
            async with asyncio.timeout(_RETRY if self.available else 0.05):
                while self._changed:
                    await self._write_once()
                await self._store.resign()
        await self._store.close()

    # What rooms ask for.

    def changed(self, room: Room) -> None:
        """Has the writer look at the room."""
        if room.dissolved:
            return
        if room not in self._copies:
            self._copies[room] = _Copy(self.name)
        self._changed[room] = None
        self._wake.set()

    def opened(self, room: Room) -> None:
        """Has the writer tell who may generate."""
        self.changed(room)
        if room in self._copies:
            self._copies[room].is_open = room.open

    def showed(self, room: Room) -> None:
        """Has the writer tell where the presenter looks."""
        self.changed(room)
        if room in self._copies:
            self._copies[room].view = room.newest_view

    async def claim(self, room: Room) -> None:
        """Makes this gateway the room's home. Refusal if another one generates, or may do so."""
        copy = self._copies[room]
        if copy.home == self.name and (self._by_itself or not self.available):
            return
        try:
            answer, newest = await self._store.claim(room.id)
            if answer == "busy":
                message = "a generation is running in this room; stop it first"
                raise Refusal("busy", message)
            while answer == "ours" and room.log.last < newest:
                missed = await self._store.entries(room.id, room.log.last)
                if not missed:
                    break
                room.copy(missed)
        except _FAILURES:
            if copy.home != self.name:
                raise _unavailable() from None
            return
        copy.home = self.name
        copy.written = newest

    async def stop(self, room: Room) -> None:
        """Has the room's home end its generation."""
        try:
            [meta] = await self._store.metas([room.id])
            if meta is None or not meta.running:
                raise Refusal("not_running", "no generation is running in this room")
            await self._store.ask(meta.home, f"stop {room.id}")
        except _FAILURES:
            raise _unavailable() from None

    async def load(self, id_: str, rooms: Rooms) -> Room | None:
        """A copy of another gateway's room. Refusal while Redis is gone."""
        # It may have expired here just now: then Redis is to know that first, a write or two later.
        while self.available and any(room.id == id_ for room in self._copies):  # noqa: ASYNC110
            await asyncio.sleep(_WRITE_EVERY)
        try:
            [meta] = await self._store.metas([id_])
            if meta is None:
                return None
            entries: list[Entry] = []
            while some := await self._store.entries(id_, entries[-1].seq if entries else 0):
                entries += some
        except _FAILURES:
            raise _unavailable() from None
        room = rooms.admit(id_, meta.token_hash)
        room.copy(entries)
        self._copies[room] = copy = _Copy(meta.home, written=room.log.last)
        self._learn(room, copy, meta)
        await self._nudge()
        return room

    # The three loops.

    async def _forever(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does `work` again and again, with a pause where Redis fails."""
        while not self._closing:
            try:
                await work()
            except _FAILURES as error:
                self._lost(error)
                await asyncio.sleep(_RETRY)
            except Exception:
                _log.exception("sharing rooms failed")
                await asyncio.sleep(_RETRY)

    async def _write(self) -> None:
        await self._wake.wait()
        self._wake.clear()
        await self._write_once()
        if self._changed:
            self._wake.set()
        await asyncio.sleep(_WRITE_EVERY)

    async def _write_once(self) -> None:
        rooms = list(self._changed)
        self._changed.clear()
        saves = [self._save(room, self._copies[room]) for room in rooms]
        try:
            answers = await self._store.save(saves)
        except BaseException:
            self._changed |= dict.fromkeys(rooms)
            self._wake.set()
            raise
        for room, save, answer in zip(rooms, saves, answers, strict=True):
            self._saved(room, self._copies[room], save, answer)

    def _save(self, room: Room, copy: _Copy) -> Save:
        ours = copy.home == self.name
        entries = room.log.entries(copy.written, _WRITE_BYTES) if ours else []
        last = entries[-1].seq if entries else max(copy.written, room.log.last)
        return Save(
            id=room.id,
            token_hash=room.token_hash,
            is_open=copy.is_open,
            viewers=room.here,
            presenting=room.presenting_here,
            view=copy.view,
            # As long as frames are missing there, nobody else may go on with the log.
            running=room.running or last < room.log.last,
            first=room.log.first,
            create=ours or self._may_bury(copy.home),
            gone=self._is_gone(room),
            entries=entries,
        )

    def _saved(self, room: Room, copy: _Copy, save: Save, answer: str) -> None:
        now = asyncio.get_running_loop().time()
        copy.told = now
        if answer == "moved":
            self._disown(room)
        elif answer == "created":
            # Redis did not have it, or not any more: all of it is to be written.
            copy.home, copy.written, copy.is_open = self.name, 0, room.open or None
            copy.view = room.newest_view
            self.changed(room)
        elif answer == "saved":
            if save.is_open == room.open:
                copy.is_open = None
            if save.view is copy.view:
                copy.view = None
            if save.entries:
                copy.written = max(copy.written, save.entries[-1].seq)
                if copy.written < room.log.last:
                    self.changed(room)
        elif answer == "foreign":
            _log.error("room %s is another room elsewhere; this one is not shared", room.id)
        if save.gone and room not in self._changed:
            self._copies.pop(room, None)

    async def _live(self) -> None:
        """One beat: says that we live, learns who else does, and what has become of the rooms."""
        alive = await self._store.beat()
        if not self.available:
            self._found()
        self._alive, before = alive, self._alive
        if alive != before:
            await self._nudge()
        rooms = [room for room, copy in self._copies.items() if self._concerns_others(copy)]
        if rooms:
            for room, meta in zip(
                rooms, await self._store.metas([room.id for room in rooms]), strict=True
            ):
                await self._look_after(room, meta)
        self._refresh()
        await asyncio.sleep(_BEAT)

    async def _look_after(self, room: Room, meta: Meta | None) -> None:
        copy = self._copies.get(room)
        if copy is None:
            return
        if meta is None:
            self.changed(room)  # Redis has lost it
            return
        if meta.running and self._may_bury(meta.home):
            await self._bury(room, meta)
        elif not room.running:
            self._learn(room, copy, meta)
        else:
            self._learn_viewers(room, copy, meta)

    async def _bury(self, room: Room, meta: Meta) -> None:
        while missed := await self._store.entries(room.id, room.log.last):
            room.copy(missed)
        seq = room.log.last + 1
        frame = frames.encode(frames.error(_gateway_lost()), seq)
        if await self._store.bury(room.id, meta.home, seq, frame):
            _log.warning("room %s: gateway %s was lost in mid-generation", room.id, meta.home)
        room.copy(await self._store.entries(room.id, room.log.last))
        copy = self._copies[room]
        copy.written = room.log.last

    async def _follow(self) -> None:
        """Waits for frames of rooms that others may write into, and for what they ask of us."""
        cursors = {} if self._by_itself else self._foreign()
        asked, found = await self._store.news(self._inbox, cursors)
        for key, request in asked:
            self._inbox = key
            self._obey(request)
        for room in tuple(self._copies):
            copy = self._copies[room]
            if (entries := found.get(room.id)) and not (copy.home == self.name and room.running):
                room.copy(entries)
                copy.written = max(copy.written, room.log.last)

    # What is known.

    @property
    def _by_itself(self) -> bool:
        return self._alive <= {self.name}

    def _foreign(self) -> dict[str, int]:
        """The rooms that another gateway may write into, and their newest frame here."""
        return {
            room.id: room.log.last
            for room, copy in self._copies.items()
            if not (copy.home == self.name and room.running)
        }

    def _concerns_others(self, copy: _Copy) -> bool:
        return not self._by_itself or copy.home != self.name

    def _may_bury(self, gateway: str) -> bool:
        now = asyncio.get_running_loop().time()
        known = self.name in self._alive and now >= self._trust_at
        return known and gateway not in self._alive

    def _learn(self, room: Room, copy: _Copy, meta: Meta) -> None:
        copy.home = meta.home
        if copy.home == self.name and copy.written < room.log.last:
            self.changed(room)
        self._learn_viewers(room, copy, meta)

    def _learn_viewers(self, room: Room, copy: _Copy, meta: Meta) -> None:
        others = self._alive - {self.name}
        room.learn(
            Known(
                open=meta.open if copy.is_open is None else copy.is_open,
                viewers=sum(count for name, count in meta.viewers.items() if name in others),
                presenting=not others.isdisjoint(meta.presenting),
                view=meta.view if copy.view is None else None,
            )
        )

    def _is_gone(self, room: Room) -> bool:
        return self._rooms is not None and self._rooms.get(room.id) is not room

    def _refresh(self) -> None:
        now = asyncio.get_running_loop().time()
        for room, copy in tuple(self._copies.items()):
            if room.here and now - copy.told > _REFRESH:
                self.changed(room)

    def _obey(self, request: str) -> None:
        what, _, id_ = request.partition(" ")
        room = self._rooms.get(id_) if self._rooms is not None else None
        if what == "stop" and room is not None:
            room.abandon()

    async def _nudge(self) -> None:
        """Ends our own wait for news: there is another room to follow, or another gateway."""
        with contextlib.suppress(*_FAILURES):
            await self._store.ask(self.name, "look")

    def _disown(self, room: Room) -> None:
        """Another gateway took the room over while this one seemed dead: its copy counts."""
        _log.warning("room %s goes on at another gateway", room.id)
        if self._rooms is not None:
            self._rooms.drop(room)
        self._copies.pop(room, None)
        self._changed.pop(room, None)
        room.dissolve(
            Refusal("room_moved", "this room goes on at another gateway; connect again", None, 1.0)
        )

    def _lost(self, error: Exception) -> None:
        if self.available:
            _log.warning("Redis does not answer, rooms are not shared until it does: %s", error)
            for room, copy in self._copies.items():
                if copy.home != self.name:
                    room.tell(_unavailable())
        self.available = False

    def _found(self) -> None:
        _log.info("Redis answers again, rooms are shared")
        self.available = True
        self._trust_at = asyncio.get_running_loop().time() + 2 * _DEAD
        for room in tuple(self._copies):
            self.changed(room)


def _unavailable() -> Refusal:
    message = "Redis does not answer: what other gateways hold of rooms follows when it is back"
    return Refusal("rooms_unavailable", message, None, _RETRY * 4)


def _gateway_lost() -> Refusal:
    message = "the gateway that ran this generation was lost; what it had streamed stays"
    return Refusal("gateway_lost", message, None, 1.0)
