"""Several gateways, one room: Redis keeps its only log, and every gateway shows what is in it.

One gateway, the room's home, holds the lease and writes. It shows a frame to its own viewers once
Redis has it; the other gateways follow the stream. So viewers only see frames that are in the log,
and gateways cannot disagree. While Redis is gone, a shared room waits, and its viewers are told; a
gateway that knew of no other goes on alone, in a new epoch. When Redis comes back, any gateway with
a copy restores what it lacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson

from axon_gateway import frames, requests
from axon_gateway.errors import Refusal, not_running, our_failure
from axon_gateway.replication.hall import Halls
from axon_gateway.replication.leases import Leases, gateway_lost
from axon_gateway.replication.peers import Peers
from axon_gateway.replication.presence import PresencePublisher
from axon_gateway.replication.reconciler import Reconciler
from axon_gateway.replication.replica import Replica, Role
from axon_gateway.replication.store import FAILURES, RETRY, Meta, RoomStore, unavailable
from axon_gateway.replication.writer import Writer
from axon_gateway.requests import Edit, View
from axon_gateway.rooms.hall import Asked, Place
from axon_gateway.rooms.room import Room
from axon_gateway.rooms.rooms import Rooms
from axon_gateway.tasks import Once, Tasks

_log = logging.getLogger(__name__)

#: Seconds between two heartbeats.
_HEARTBEAT = 0.35
#: Seconds between two looks whether Redis knows that a room has expired here.
_POLL = 0.01
#: Tries to record a frame in a log whose home changes meanwhile.
_TRIES = 5
#: Seconds that another gateway has to answer.
_ANSWER = 10.0
#: Seconds that a request for the lease waits for frames on their way.
_PATIENCE = 2.0


class RedisSharing:
    """Keeps the rooms of this gateway and their copies at others the same, through Redis.

    `idle` is how many seconds a room without viewers is kept.
    """

    def __init__(self, url: str, idle: float) -> None:
        self.name = secrets.token_hex(6)
        self._store = RoomStore(url, self.name, idle)
        self._replicas: dict[Room, Replica] = {}
        self._peers = Peers(self.name)
        self._halls = Halls(self._store, self.name, self._peers, self._replicas.values)
        self._presence = PresencePublisher(self._store, self._peers, self._halls, self._has_expired)
        self._reconciler = Reconciler(self._store, self.name, self._presence.mark)
        self._leases = Leases(self._store, self.name, self._reconciler)
        self._writer = Writer(self._store, self._reconcile)
        #: What other gateways were asked, by ticket.
        self._answers: dict[str, asyncio.Future[Any]] = {}
        #: The last request of another gateway that was read.
        self._last_request = "0"
        self._tasks = Tasks()
        #: Rooms on their way to Redis. Nobody may take the lease of one before it is there.
        self._publishing: Once[Room, None] = Once()
        self._rooms: Rooms | None = None
        self._closing = False
        #: False from the first failure of Redis to the next success.
        self.available = True

    def start(self, rooms: Rooms) -> None:
        """Begins to share `rooms`."""
        self._rooms = rooms
        publish = self._presence.publish_changes
        for work in (self._writer.write, publish, self._heartbeat, self._follow, self._halls.work):
            self._tasks.start(self._forever(work))

    async def close(self) -> None:
        """Writes what is left and signs off."""
        await self.flush()
        self._closing = True
        await self._publishing.close()
        # Repeatedly: redis-py may swallow a cancellation that comes while it connects.
        while pending := tuple(self._tasks):
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=RETRY)
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(self._brief()):
                await self._presence.publish()
                await self._store.sign_off(self.name)
        await self._store.close()

    async def flush(self) -> None:
        """Waits briefly until Redis has, and viewers see, what was written so far."""
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(self._brief()):
                await self._writer.flush()

    # What rooms ask for.

    async def publish(self, room: Room) -> None:
        """Brings a room to Redis, or finds it there. While Redis is gone, it stays here alone."""
        await self._publishing.do(room, lambda: self._publish(room))

    async def _publish(self, room: Room) -> None:
        if room in self._replicas or not self.available:
            return
        replica = self._replicas[room] = Replica(room, self.name)
        try:
            async with replica.lock:
                await self._reconciler.reconcile(replica)
        except BaseException as error:
            self._replicas.pop(room, None)
            if not isinstance(error, FAILURES):
                raise
            self._redis_failed(error)
        else:
            self._presence.mark(replica)
            self._halls.published(replica)

    async def follow(self, id_: str, rooms: Rooms) -> Room | None:
        """A copy of another gateway's room. Refusal while Redis is gone."""
        # It may have expired here just now: wait until Redis knows that.
        while self.available and any(room.id == id_ for room in self._replicas):  # noqa: ASYNC110
            await asyncio.sleep(_POLL)
        try:
            [meta] = await self._store.metas([id_])
            if meta is None:
                return None
            log = await self._reconciler.read(rooms.new_log(), id_, meta)
        except FAILURES:
            raise unavailable() from None
        room = rooms.add(id_, log, meta.token_hash)
        replica = self._replicas[room] = Replica(room, meta.home)
        self._presence.mark(replica)
        room.mark_published()
        self._presence.update(replica, meta, room.hall.changes)
        await self._restart_following()
        return room

    async def acquire_lease(self, room: Room) -> None:
        """Makes this gateway the room's home. Refusal if another one generates, or Redis is gone.

        A room that is here alone needs no lease.
        """
        await self.publish(room)
        if (replica := self._replicas.get(room)) is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await replica.flushed()
            await self._leases.acquire(replica)
        except FAILURES as error:
            self._redis_failed(error)
            if room in self._replicas:
                raise unavailable() from None

    def release_lease(self, room: Room) -> None:
        """Ends the lease. If a frame has ended the generation, Redis knows already."""
        replica = self._replicas.get(room)
        if replica is None:
            if room.published and self.available:
                self._tasks.start(self._publish_late(room))
        elif replica.role is Role.HOME and not replica.pending:
            self._tasks.start(self._leases.release(replica))

    async def append(self, room: Room, frame: frames.Frame, begins: bool) -> None:
        """Queues the frame to be written. ConnectionError if another gateway holds the lease."""
        while (replica := self._replicas.get(room)) and replica.full(frame):
            await replica.progress()
        if replica is None:
            room.append(frame, begins)
        else:
            self._writer.append(replica, frame, begins)

    async def stop(self, room: Room) -> None:
        """Asks the room's home to end its generation."""
        try:
            [meta] = await self._store.metas([room.id])
            if meta is None or not meta.running:
                raise not_running()
            await self._store.request(meta.home, f"stop {room.id}")
        except FAILURES:
            raise unavailable() from None

    async def edit(self, room: Room, command: Edit) -> None:
        """Has the room's home edit its generation, and waits for the answer. Raises Refusal."""
        await self._ask_home(room, "edit", command.text)

    async def _ask_home(self, room: Room, what: str, text: str) -> None:
        """Has the gateway that generates do something, and waits for the answer. Raises Refusal."""
        ticket = secrets.token_hex(8)
        answer = self._answers[ticket] = asyncio.get_running_loop().create_future()
        try:
            [meta] = await self._store.metas([room.id])
            if meta is None or not meta.running or meta.home == self.name:
                raise not_running()
            ask = f"{what} {room.id} {self.name} {ticket} {text}"
            await self._store.request(meta.home, ask)
            body = await self._answer_of(meta.home, answer)
        except FAILURES:
            raise unavailable() from None
        finally:
            del self._answers[ticket]
        if body is not None:
            raise Refusal.of(body)

    async def record(self, room: Room, frame: frames.Frame) -> None:
        """Brings a frame into the log that is no generation's. Whoever generates writes it, else
        this gateway, under a lease for it alone."""
        for _ in range(_TRIES):
            if self._records(room):
                await self.append(room, frame, begins=False)
                return
            try:
                await self.acquire_lease(room)
                try:
                    await self.append(room, frame, begins=False)
                    if replica := self._replicas.get(room):
                        await replica.flushed()
                finally:
                    self.release_lease(room)
                return
            except Refusal as refusal:
                if refusal.code != "busy":
                    raise
            with contextlib.suppress(ConnectionError):
                try:
                    await self._ask_home(room, "record", orjson.dumps(frame).decode())
                    return
                except Refusal as refusal:
                    if refusal.code != "not_running":
                        raise
        raise unavailable()

    def _records(self, room: Room) -> bool:
        """Whether this gateway may write into the room's log as it is."""
        replica = self._replicas.get(room)
        return replica is None or (room.running and replica.role is Role.HOME)

    async def open_question(self, room: Room, asked: Asked) -> None:
        """Asks the hall at all gateways. Refusal if a question is open."""
        if replica := self._replicas.get(room):
            await self._halls.open(replica, asked)
        else:
            room.open_here(asked)

    def cast(self, room: Room) -> None:
        """Brings new votes to Redis soon."""
        if room in self._replicas:
            self._halls.cast()
        else:
            room.count_here()

    async def close_question(self, room: Room, asked: Asked) -> Mapping[str, int]:
        """Ends a vote at all gateways; returns the votes by choice."""
        if replica := self._replicas.get(room):
            return await self._halls.close(replica, asked)
        return room.close_here(asked)

    async def join_line(self, room: Room, place: Place) -> Place:
        """Adds a place to the line of all gateways. Refusal if that is full."""
        if replica := self._replicas.get(room):
            return await self._halls.join(replica, place)
        return room.join_here(place)

    async def leave_line(self, room: Room, place: str) -> None:
        """Takes a place out of the line of all gateways."""
        room.leave_here(place)
        if replica := self._replicas.get(room):
            await self._halls.leave(replica, place)

    async def _answer_of(self, home: str, answer: asyncio.Future[Any]) -> Any:
        """What a gateway has answered. Refusal if it is dead, or takes too long."""
        deadline = asyncio.get_running_loop().time() + _ANSWER
        while not answer.done():
            late = asyncio.get_running_loop().time() >= deadline
            if late or self._peers.is_dead(home):
                message = "the gateway that runs this generation does not answer"
                raise Refusal("gateway_lost", message, None, RETRY * 4)
            await asyncio.wait([answer], timeout=_HEARTBEAT)
        return answer.result()

    def publish_presence(
        self, room: Room, is_open: bool | None = None, view: View | None = None
    ) -> None:
        """Publishes who is in the room, soon, and what else is given."""
        if replica := self._replicas.get(room):
            if is_open is not None:
                replica.unpublished_open = is_open
            if view is not None:
                replica.unpublished_view = view
            self._presence.mark(replica)

    # The loops; the writer and the publisher of presence have one each.

    async def _forever(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeats `work` until the end, with a pause after each failure."""
        while not self._closing:
            try:
                await work()
            except FAILURES as error:
                self._redis_failed(error)
                await asyncio.sleep(RETRY)
            except Exception:
                _log.exception("sharing rooms failed")
                await asyncio.sleep(RETRY)

    async def _heartbeat(self) -> None:
        """Says that this gateway lives, sees which others live, and checks the rooms."""
        before = self._peers.alive
        counts = await self._store.heartbeat()
        if not self.available:
            self._redis_answers()
        self._peers.update(counts)
        for name in self._peers.dead:
            await self._store.sign_off(name)
        if others_changed := self._peers.alive != before:
            await self._restart_following()
        # A count of 1: Redis has lost what it had, or another gateway took this one for dead.
        everything = others_changed or counts[self.name] == 1
        replicas = [r for r in self._replicas.values() if everything or self._concerns_others(r)]
        changes = [replica.room.hall.changes for replica in replicas]
        metas = await self._store.metas([replica.room.id for replica in replicas])
        for replica, meta, hall in zip(replicas, metas, changes, strict=True):
            await self._check(replica, meta, hall)
        self._presence.refresh(self._replicas.values())
        await asyncio.sleep(_HEARTBEAT)

    async def _follow(self) -> None:
        """Waits for frames and requests from other gateways."""
        offsets = {
            room.id: room.log.last
            for room, replica in self._replicas.items()
            if not (replica.role is Role.HOME and (room.running or not self._peers.alive))
        }
        asked, found = await self._store.read_news(self._last_request, offsets)
        for key, request in asked:
            self._last_request = key
            self._answer(request)
        for room, replica in tuple(self._replicas.items()):
            if (entries := found.get(room.id)) and not room.append_entries(entries):
                await self._reconcile(replica)

    async def _restart_following(self) -> None:
        """Ends our own wait for news, since there is another room to follow, or another gateway."""
        with contextlib.suppress(*FAILURES):
            await self._store.request(self.name, "look")

    def _answer(self, request: str) -> None:
        what, _, rest = request.partition(" ")
        match what:
            case "stop" if room := self._room(rest):
                room.cancel_generation()
            case "edit" | "record":
                self._tasks.start(self._do_here(what, *rest.split(" ", 3)))
            case "answer":
                ticket, _, body = rest.partition(" ")
                answer = self._answers.get(ticket)
                if answer is not None and not answer.done():
                    answer.set_result(orjson.loads(body))

    def _room(self, id_: str) -> Room | None:
        return self._rooms.get(id_) if self._rooms is not None else None

    async def _do_here(self, what: str, id_: str, asker: str, ticket: str, text: str) -> None:
        """Edits a generation of this gateway, or records a frame, for another one that asked."""
        body: dict[str, object] | None = None
        try:
            if (room := self._room(id_)) is None:
                raise not_running()
            if what == "edit":
                await room.edit_here(requests.edit(orjson.loads(text)))
            elif self._records(room):
                await self.append(room, orjson.loads(text), begins=False)
            else:
                raise not_running()
        except Refusal as refusal:
            body = refusal.body()
        except Exception:
            _log.exception("room %s: what another gateway asked for failed", id_)
            body = our_failure().body()
        with contextlib.suppress(*FAILURES):
            await self._store.request(asker, f"answer {ticket} {orjson.dumps(body).decode()}")

    # One room.

    async def _check(self, replica: Replica, meta: Meta | None, changes: int) -> None:
        room, log = replica.room, replica.room.log
        if meta is None or meta.epoch != log.epoch or meta.last < log.last:
            await self._reconcile(replica)
            return
        async with replica.lock:
            if lost := meta.running and self._peers.is_dead(meta.home):
                await self._leases.end_lost(replica, meta.home)
            elif meta.running and meta.home == self.name and not (room.running or replica.pending):
                # The answer to a request for the lease was lost.
                await self._store.release_lease(room.id, log.epoch)
        self._presence.update(replica, meta, changes)
        await self._halls.tidy(replica, meta)
        if lost:
            await self._reconcile(replica)

    async def _reconcile(self, replica: Replica) -> None:
        """Makes a copy and Redis' log agree. If the room must not be shared, it stays here."""
        try:
            async with replica.lock:
                await self._reconciler.reconcile(replica)
        except Refusal as refusal:
            self._presence.forget(replica)
            self._continue_alone(replica)
            replica.room.notify(refusal)

    async def _publish_late(self, room: Room) -> None:
        """Shares a room that was opened while Redis was gone."""
        with contextlib.suppress(Refusal):
            await self.publish(room)

    def _continue_alone(self, replica: Replica) -> None:
        room = replica.room
        self._forget(replica)
        replica.continue_alone()
        room.hall.alone(room.line.here)
        room.hall_changed()
        if not (room.log.ended or room.running):
            room.append(frames.error(gateway_lost()), begins=False)

    def _has_expired(self, replica: Replica) -> None:
        """Redis knows that the room has expired here."""
        self._forget(replica)
        replica.become_follower()

    def _forget(self, replica: Replica) -> None:
        self._replicas.pop(replica.room, None)
        self._writer.forget(replica)

    def _concerns_others(self, replica: Replica) -> bool:
        """Whether other gateways may change the room."""
        in_use = replica.room.local_viewers > 0 or replica.room.running
        return in_use and (bool(self._peers.alive) or replica.home != self.name)

    # Redis.

    def _redis_failed(self, error: Exception) -> None:
        if self.available:
            alone = not self._peers.alive
            what = "rooms stay at this gateway" if alone else "shared rooms wait"
            _log.warning("Redis does not answer; %s until it does: %s", what, error)
            for replica in tuple(self._replicas.values()):
                if alone:
                    self._continue_alone(replica)
                else:
                    replica.room.notify(unavailable())
        self.available = False

    def _redis_answers(self) -> None:
        _log.info("Redis answers again; shared rooms go on")
        self.available = True
        for room in self._rooms.all() if self._rooms is not None else ():
            if room.published and room not in self._replicas and not room.running:
                self._tasks.start(self._publish_late(room))

    def _brief(self) -> float:
        """Seconds for what is worth a short wait."""
        return RETRY if self.available else 0.05
