"""Several gateways, one room: Redis keeps its only log, and every gateway shows what is in it.

One gateway, the room's home, holds the lease and writes. It shows a frame to its own viewers once
Redis has it; the other gateways follow the stream. So viewers only see frames that are in the log,
and gateways cannot disagree. While Redis is gone, a shared room waits, and tells its viewers; a
gateway that knew of no other goes on alone, in a new epoch. When Redis comes back, any gateway with
a copy restores what it lacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from redis.exceptions import RedisError

from axon_gateway import frames
from axon_gateway.errors import Refusal
from axon_gateway.rooms.peers import Peers
from axon_gateway.rooms.presence import Presence
from axon_gateway.rooms.reconciler import Reconciler
from axon_gateway.rooms.replica import Replica, Standing
from axon_gateway.rooms.room import Room
from axon_gateway.rooms.rooms import Rooms
from axon_gateway.rooms.store import WRITE_BYTES, Meta, RoomStore

_log = logging.getLogger(__name__)

#: Seconds between two heartbeats.
_BEAT = 0.35
#: Seconds between the beginnings of two writes: frames of a fast generation share one.
_WRITE_EVERY = 0.01
#: Seconds between two tries while Redis is gone.
_RETRY = 0.5
#: Seconds that a claim waits for frames on their way.
_PATIENCE = 2.0
#: Tries to claim a log that changes meanwhile.
_CLAIMS = 5
#: Redis' failures, and those of the connection to it.
_FAILURES = (RedisError, OSError, TimeoutError)


class RedisSharing:
    """Keeps the rooms of this gateway and their copies at others the same, through Redis.

    `idle` is how many seconds a room without viewers is kept.
    """

    def __init__(self, url: str, idle: float) -> None:
        self.name = secrets.token_hex(6)
        self._store = RoomStore(url, self.name, idle)
        self._replicas: dict[Room, Replica] = {}
        #: Those with frames to write.
        self._written: dict[Replica, None] = {}
        self._to_write = asyncio.Event()
        self._peers = Peers(self.name)
        self._presence = Presence(self._store, self._peers, self._has_gone)
        self._reconciler = Reconciler(self._store, self.name, self._lose_lease, self.changed)
        self._inbox = "0"
        self._tasks: list[asyncio.Task[None]] = []
        self._rooms: Rooms | None = None
        self._closing = False
        #: False from the first failure of Redis to the next success.
        self.available = True

    def start(self, rooms: Rooms) -> None:
        """Begins to share `rooms`."""
        self._rooms = rooms
        for work in (self._write, self._presence.tell_changes, self._beat, self._follow):
            self._tasks.append(asyncio.create_task(self._forever(work)))

    async def close(self) -> None:
        """Writes what is left and signs off."""
        await self.flush()
        self._closing = True
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            # Repeatedly: redis-py may swallow a cancellation that comes while it connects.
            _, pending = await asyncio.wait(pending, timeout=_RETRY)
        with contextlib.suppress(*_FAILURES):
            async with asyncio.timeout(_RETRY if self.available else 0.05):
                await self._presence.tell()
                await self._store.resign(self.name)
        await self._store.close()

    async def flush(self) -> None:
        """Waits briefly until Redis has, and viewers see, what was written so far."""
        with contextlib.suppress(*_FAILURES):
            async with asyncio.timeout(_RETRY if self.available else 0.05):
                for replica in tuple(self._written):
                    await replica.landed()

    # What rooms ask for.

    async def publish(self, room: Room) -> None:
        """Brings a room to Redis, or finds it there. While Redis is gone, it stays here alone."""
        if room not in self._replicas and self.available:
            replica = self._adopt(room, self.name)
            try:
                async with replica.lock:
                    await self._reconciler.reconcile(replica)
            except BaseException as error:
                self._replicas.pop(room, None)
                if not isinstance(error, _FAILURES):
                    raise
                self._lost(error)

    async def claim(self, room: Room) -> None:
        """Makes this gateway the room's home. Refusal if another one generates, or Redis is gone.

        A room that is here alone needs no claim.
        """
        await self.publish(room)
        if (replica := self._replicas.get(room)) is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await replica.landed()
            async with replica.lock:
                await self._claim(replica)
        except _FAILURES as error:
            self._lost(error)
            if room in self._replicas:
                raise _unavailable() from None

    def release(self, room: Room) -> None:
        """Ends the claim. If a frame has ended the generation, Redis knows already."""
        replica = self._replicas.get(room)
        if replica is None:
            if room.published and self.available:
                self._keep(self._publish_late(room))
        elif replica.standing is Standing.HOME and not replica.busy:
            self._keep(self._release(replica))

    async def append(self, room: Room, frame: frames.Frame, begins: bool) -> None:
        """Queues the frame to be written. ConnectionError if another gateway holds the lease."""
        while (replica := self._replicas.get(room)) and replica.full(frame):
            await replica.moved()
        if replica is None:
            room.write(frame, begins)
            return
        replica.put(frame, begins)
        self._written[replica] = None
        self._to_write.set()

    async def stop(self, room: Room) -> None:
        """Asks the room's home to end its generation."""
        try:
            [meta] = await self._store.look([room.id])
            if meta is None or not meta.running:
                raise Refusal("not_running", "no generation is running in this room")
            await self._store.ask(meta.home, f"stop {room.id}")
        except _FAILURES:
            raise _unavailable() from None

    def changed(self, room: Room) -> None:
        """Reports to Redis who is in the room."""
        if replica := self._replicas.get(room):
            self._presence.changed(replica)

    def opened(self, room: Room) -> None:
        """Reports to Redis who may generate."""
        if replica := self._replicas.get(room):
            replica.is_open = room.open
            self.changed(room)

    def showed(self, room: Room) -> None:
        """Reports to Redis where the presenter looks."""
        if replica := self._replicas.get(room):
            replica.view = room.newest_view
            self.changed(room)

    def forget(self, room: Room) -> None:
        """Reports to Redis that nobody is left here."""
        self.changed(room)

    async def load(self, id_: str, rooms: Rooms) -> Room | None:
        """A copy of another gateway's room. Refusal while Redis is gone."""
        # It may have expired here just now: wait until Redis has learnt of that.
        while self.available and any(room.id == id_ for room in self._replicas):  # noqa: ASYNC110
            await asyncio.sleep(_WRITE_EVERY)
        try:
            [meta] = await self._store.look([id_])
            if meta is None:
                return None
            log = await self._reconciler.read(rooms.new_log(), id_, meta)
        except _FAILURES:
            raise _unavailable() from None
        room = rooms.add(id_, log, meta.token_hash)
        replica = self._adopt(room, meta.home)
        room.publish()
        self._presence.learn(replica, meta)
        await self._nudge()
        return room

    # The four loops.

    async def _forever(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeats `work` until the end, with a pause after each failure."""
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
        """Writes frames to Redis. The first one goes at once, those soon after it together."""
        await self._to_write.wait()
        self._to_write.clear()
        began = asyncio.get_running_loop().time()
        try:
            await self._write_once()
        finally:
            if self._written:
                self._to_write.set()
        await asyncio.sleep(began + _WRITE_EVERY - asyncio.get_running_loop().time())

    async def _write_once(self) -> None:
        failed = False
        leaving = {r: entries for r in self._written if (entries := r.leave(WRITE_BYTES))}
        writes = [
            (replica.room.id, replica.room.log, entries) for replica, entries in leaving.items()
        ]
        for replica, (answer, _) in zip(leaving, await self._store.append(writes), strict=True):
            if answer == "appended":
                replica.arrived()
            elif answer == "failed":
                failed = True
            else:
                async with replica.lock:
                    await self._reconciler.reconcile(replica)
        for replica in tuple(self._written):
            if not replica.busy:
                del self._written[replica]
        if failed:
            await asyncio.sleep(_RETRY)

    async def _beat(self) -> None:
        """Sends a heartbeat, learns which gateways live, and checks the rooms."""
        before = self._peers.alive
        counts = await self._store.beat()
        if not self.available:
            self._found()
        self._peers.saw(counts)
        for name in self._peers.buried:
            await self._store.resign(name)
        if others_changed := self._peers.alive != before:
            await self._nudge()
        # A count of 1: Redis has lost what it had, or another gateway took this one for dead.
        everything = others_changed or counts[self.name] == 1
        replicas = [r for r in self._replicas.values() if everything or self._concerns_others(r)]
        metas = await self._store.look([replica.room.id for replica in replicas])
        for replica, meta in zip(replicas, metas, strict=True):
            await self._look_after(replica, meta)
        self._presence.refresh(self._replicas.values())
        await asyncio.sleep(_BEAT)

    async def _follow(self) -> None:
        """Waits for frames and requests from other gateways."""
        cursors = {
            room.id: room.log.last
            for room, replica in self._replicas.items()
            if not (replica.standing is Standing.HOME and (room.running or not self._peers.alive))
        }
        asked, found = await self._store.news(self._inbox, cursors)
        for key, request in asked:
            self._inbox = key
            self._obey(request)
        for room, replica in tuple(self._replicas.items()):
            if (entries := found.get(room.id)) and not room.take(entries):
                async with replica.lock:
                    await self._reconciler.reconcile(replica)

    # The lease.

    async def _claim(self, replica: Replica) -> None:
        room, held = replica.room, replica.standing is Standing.HOME
        replica.standing = Standing.CLAIMING
        try:
            for _ in range(_CLAIMS):
                answer, epoch, since = await self._store.claim(room.id, room.log)
                if answer == "ours":
                    room.turn(epoch, since)
                    replica.home, replica.standing = self.name, Standing.HOME
                    return
                if answer == "busy":
                    message = "a generation is running in this room; stop it first"
                    raise Refusal("busy", message)
                await self._reconciler.reconcile(replica)
            raise _unavailable()
        finally:
            if replica.standing is Standing.CLAIMING and held and replica.home == self.name:
                replica.standing = Standing.HOME
            elif replica.standing is Standing.CLAIMING:
                replica.follow()

    async def _release(self, replica: Replica) -> None:
        with contextlib.suppress(*_FAILURES):
            async with replica.lock:
                # The next generation may have claimed the log meanwhile.
                if not replica.room.running:
                    await self._store.release(replica.room.id, replica.room.log.epoch)

    async def _publish_late(self, room: Room) -> None:
        """Shares a room that was opened while Redis was gone."""
        with contextlib.suppress(Refusal):
            await self.publish(room)

    async def _bury(self, replica: Replica, meta: Meta) -> None:
        """Ends the generation of a dead gateway."""
        room = replica.room
        frame = frames.encode(frames.error(_gateway_lost()), room.log.last + 1)
        if await self._store.bury(room.id, meta.home, room.log, frame):
            _log.warning("room %s: gateway %s was lost in mid-generation", room.id, meta.home)
        await self._reconciler.reconcile(replica)

    async def _look_after(self, replica: Replica, meta: Meta | None) -> None:
        room, log = replica.room, replica.room.log
        async with replica.lock:
            if meta is None or meta.epoch != log.epoch or meta.last < log.last:
                await self._reconciler.reconcile(replica)
                return
            if meta.running and self._peers.dead(meta.home):
                await self._bury(replica, meta)
            elif meta.running and meta.home == self.name and not (room.running or replica.busy):
                await self._store.release(room.id, log.epoch)  # the answer to a claim was lost
        self._presence.learn(replica, meta)

    def _lose_lease(self, replica: Replica) -> None:
        _log.warning("room %s is written by another gateway now", replica.room.id)
        replica.follow()
        replica.room.abandon()

    # What is known.

    def _adopt(self, room: Room, home: str) -> Replica:
        replica = self._replicas[room] = Replica(room, home)
        replica.is_open, replica.view = room.open or None, room.newest_view
        self.changed(room)
        return replica

    def _concerns_others(self, replica: Replica) -> bool:
        """Whether other gateways may change the room."""
        in_use = replica.room.here > 0 or replica.room.running
        return in_use and (bool(self._peers.alive) or replica.home != self.name)

    def _has_gone(self, replica: Replica) -> None:
        """Redis knows that the room has expired here."""
        self._replicas.pop(replica.room, None)
        self._written.pop(replica, None)
        replica.follow()

    def _obey(self, request: str) -> None:
        what, _, id_ = request.partition(" ")
        room = self._rooms.get(id_) if self._rooms is not None else None
        if what == "stop" and room is not None:
            room.abandon()

    async def _nudge(self) -> None:
        """Ends our own wait for news, since there is another room to follow, or another gateway."""
        with contextlib.suppress(*_FAILURES):
            await self._store.ask(self.name, "look")

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def _lost(self, error: Exception) -> None:
        if self.available:
            alone = not self._peers.alive
            what = "rooms stay at this gateway" if alone else "shared rooms wait"
            _log.warning("Redis does not answer; %s until it does: %s", what, error)
            for room, replica in tuple(self._replicas.items()):
                if alone:
                    del self._replicas[room]
                    replica.detach()
                    if not (room.log.ended or room.running):
                        room.write(frames.error(_gateway_lost()), begins=False)
                else:
                    room.tell(_unavailable())
        self.available = False

    def _found(self) -> None:
        _log.info("Redis answers again; shared rooms go on")
        self.available = True
        for room in self._rooms.all() if self._rooms is not None else ():
            if room.published and room not in self._replicas and not room.running:
                self._keep(self._publish_late(room))


def _unavailable() -> Refusal:
    message = "this room waits for Redis, which does not answer; it goes on once Redis does"
    return Refusal("rooms_unavailable", message, None, _RETRY * 4)


def _gateway_lost() -> Refusal:
    message = "the gateway that ran this generation was lost; what it had streamed stays"
    return Refusal("gateway_lost", message, None, 1.0)
