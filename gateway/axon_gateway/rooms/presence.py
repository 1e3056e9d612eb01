"""Tells other gateways who is in a room and where its presenter looks, and learns the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from axon_gateway.rooms.peers import Peers
from axon_gateway.rooms.replica import Replica, Standing
from axon_gateway.rooms.sharing import Known
from axon_gateway.rooms.store import Meta, RoomStore, Told

#: Seconds between two reports.
_EVERY = 0.05
#: Seconds after which an unchanged room is reported again, since its keys would expire.
_REFRESH = 600.0


class Presence:
    """Reports the rooms here to Redis; calls `gone` with those that have expired."""

    def __init__(self, store: RoomStore, peers: Peers, gone: Callable[[Replica], None]) -> None:
        self._store = store
        self._peers = peers
        self._gone = gone
        self._changed: dict[Replica, None] = {}
        self._wake = asyncio.Event()

    def changed(self, replica: Replica) -> None:
        """A room has changes to report."""
        self._changed[replica] = None
        self._wake.set()

    def refresh(self, replicas: Iterable[Replica]) -> None:
        """Marks rooms for a report that had none for long, or whose log has been trimmed."""
        now = asyncio.get_running_loop().time()
        for replica in replicas:
            room = replica.room
            trimmed = replica.standing is Standing.HOME and replica.first != room.log.first
            if room.here and (trimmed or now - replica.told > _REFRESH):
                self.changed(replica)

    async def tell_changes(self) -> None:
        """Waits until there are changes, and reports them; not too often."""
        await self._wake.wait()
        self._wake.clear()
        await self.tell()
        await asyncio.sleep(_EVERY)

    async def tell(self) -> None:
        """Reports what has changed."""
        replicas, self._changed = list(self._changed), {}
        told = [_told(replica) for replica in replicas]
        try:
            answers = await self._store.tell(told)
        except BaseException:
            self._changed |= dict.fromkeys(replicas)
            self._wake.set()
            raise
        for replica, what, found in zip(replicas, told, answers, strict=True):
            if what.gone:
                self._gone(replica)
            elif found:
                _has_told(replica, what)

    def learn(self, replica: Replica, meta: Meta) -> None:
        """Takes over what other gateways have reported."""
        others = self._peers.alive
        replica.home = meta.home
        replica.room.learn(
            Known(
                open=meta.open if replica.is_open is None else replica.is_open,
                viewers=sum(count for name, count in meta.viewers.items() if name in others),
                presenting=not others.isdisjoint(meta.presenting),
                view=meta.view if replica.view is None else None,
            )
        )


def _told(replica: Replica) -> Told:
    room = replica.room
    return Told(
        id=room.id,
        viewers=room.here,
        presenting=room.presenting_here,
        is_open=replica.is_open,
        view=replica.view,
        gone=room.gone,
        epoch=room.log.epoch,
        first=room.log.first,
        head_last=room.log.head_last,
    )


def _has_told(replica: Replica, what: Told) -> None:
    replica.told = asyncio.get_running_loop().time()
    replica.first = what.first
    if what.is_open == replica.is_open:
        replica.is_open = None
    if what.view is replica.view:
        replica.view = None
