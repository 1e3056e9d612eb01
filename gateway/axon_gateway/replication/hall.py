"""The halls of shared rooms: Redis brings together what each gateway knows of its own sockets.

Redis counts the votes, and orders the line. Every gateway keeps the votes and the places of its own
sockets. If Redis has lost a question or a line, each gateway gives its own part again: it sees from
`opened` and `lined` that they are others than those it has given them to.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping

from axon_gateway.errors import Refusal
from axon_gateway.replication.peers import Peers
from axon_gateway.replication.replica import Replica
from axon_gateway.replication.store import FAILURES, Meta, RoomStore, unavailable
from axon_gateway.rooms.hall import Asked, Place

#: Seconds between two casts of votes.
_EVERY = 0.03


class Halls:
    """The halls of the rooms that this gateway shares; `replicas` lists them."""

    def __init__(
        self,
        store: RoomStore,
        gateway: str,
        peers: Peers,
        replicas: Callable[[], Iterable[Replica]],
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._peers = peers
        self._replicas = replicas
        #: Set while a question may be open.
        self._voting = asyncio.Event()
        #: Rooms whose question or line Redis has lost.
        self._lost: dict[Replica, None] = {}

    async def open(self, replica: Replica, asked: Asked) -> None:
        """Asks the hall. Refusal if a question is open, or Redis is gone."""
        try:
            await self._store.open_question(replica.room.id, asked)
        except FAILURES:
            raise unavailable() from None
        replica.room.open_here(asked)
        self._voting.set()

    def cast(self) -> None:
        """Votes have come."""
        self._voting.set()

    async def close(self, replica: Replica, asked: Asked) -> Mapping[str, int]:
        """Ends a vote; returns the votes by choice."""
        room = replica.room
        try:
            await self._store.cast([(room.id, asked, room.hall.take_unsent())])
            counts = await self._store.close_question(room.id, asked)
        except FAILURES:
            room.hall.unsent = dict(room.hall.votes)
            raise unavailable() from None
        room.hall.close()
        room.hall_changed()
        return counts

    async def join(self, replica: Replica, place: Place) -> Place:
        """Adds a place to the line. Refusal if that is full, or Redis is gone."""
        try:
            place, lined = await self._store.join_line(replica.room.id, place)
        except FAILURES:
            raise unavailable() from None
        replica.lined = replica.lined or lined
        replica.room.hall.join(place)
        replica.room.hall_changed()
        return place

    async def leave(self, replica: Replica, place: str) -> None:
        """Takes a place out of the line."""
        # If it fails, the next look at the room sees that nobody stands there.
        with contextlib.suppress(*FAILURES):
            await self._store.leave_line(replica.room.id, [place])
        replica.room.leave_here(place)

    def update(self, replica: Replica, meta: Meta, changes: int) -> None:
        """Takes over what all gateways know; `changes` are those of the hall when Redis was asked:
        what was changed here since is newer."""
        hall, told = replica.room.hall, meta.hall
        if changes != hall.changes:
            return
        # A gateway that is not known yet may well live.
        line = tuple(place for place in told.line if not self._peers.is_dead(place.gateway))
        asked, counts = told.asked, told.counts
        if hall.asked is not None and asked is None and told.closed != hall.asked.id:
            asked, counts = hall.asked, hall.counts
            self._lost[replica] = None
        if told.lined != replica.lined and (missing := self._missing(replica, line)):
            line = (*line, *missing)
            self._lost[replica] = None
        else:
            replica.lined = told.lined
        if (asked, counts, line) != (hall.asked, hall.counts, hall.line):
            hall.update(asked, counts, line)
            replica.room.hall_changed()
        if told.opened != replica.opened:
            replica.opened = told.opened
            hall.unsent = dict(hall.votes)
        if hall.asked is not None or self._lost:
            self._voting.set()

    async def tidy(self, replica: Replica, meta: Meta) -> None:
        """Takes places out of the line at which nobody stands any more."""
        room = replica.room
        gone = [
            place.id
            for place in meta.hall.line
            if (place.gateway == self._gateway and place.id not in room.line.here)
            or self._peers.is_dead(place.gateway)
        ]
        if gone:
            await self._store.leave_line(room.id, gone)

    def published(self, replica: Replica) -> None:
        """Redis has got the room from this gateway, and maybe knows nothing of its hall."""
        if replica.room.hall.asked is not None or replica.room.line.here:
            self._lost[replica] = None
            self._voting.set()

    async def work(self) -> None:
        """Brings votes to Redis and takes over all votes, while a question is open; gives Redis
        again what it has lost."""
        await self._voting.wait()
        lost, self._lost = list(self._lost), {}
        try:
            while lost:
                await self._restore(lost[-1])
                lost.pop()
        except BaseException:
            self._lost |= dict.fromkeys(lost)
            raise
        await self._cast()
        await asyncio.sleep(_EVERY)

    async def _cast(self) -> None:
        open_ = [
            (replica, asked)
            for replica in self._replicas()
            if (asked := replica.room.hall.asked) is not None
        ]
        if not open_:
            self._voting.clear()
            return
        sent = [
            (replica, asked, replica.room.hall.take_unsent(), replica.room.hall.changes)
            for replica, asked in open_
            if self._peers.alive or replica.room.hall.unsent
        ]
        try:
            metas = await self._store.cast(
                [(r.room.id, asked, votes) for r, asked, votes, _ in sent]
            )
        except BaseException:
            for replica, asked, votes, _ in sent:
                if replica.room.hall.asked == asked:
                    replica.room.hall.unsent = votes | replica.room.hall.unsent
            raise
        for (replica, _, _, changes), meta in zip(sent, metas, strict=True):
            if meta is not None:
                self.update(replica, meta, changes)

    async def _restore(self, replica: Replica) -> None:
        """Gives Redis the open question and this gateway's places again. Its votes follow."""
        room = replica.room
        with contextlib.suppress(Refusal):
            if (asked := room.hall.asked) is not None:
                await self._store.open_question(room.id, asked)
                if room.hall.asked == asked:
                    room.hall.unsent = dict(room.hall.votes)
            for place in self._missing(replica, ()):
                await self._store.join_line(room.id, place)

    def _missing(self, replica: Replica, line: tuple[Place, ...]) -> tuple[Place, ...]:
        """Places here that a line lacks."""
        there = {place.id for place in line}
        room = replica.room
        return tuple(p for p in room.hall.line if p.id in room.line.here and p.id not in there)
