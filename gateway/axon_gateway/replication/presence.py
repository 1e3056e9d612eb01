"""Publishes who is in the rooms here and where presenters look, and takes over what others say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from axon_gateway.replication.hall import Halls
from axon_gateway.replication.peers import Peers
from axon_gateway.replication.replica import Replica, Role
from axon_gateway.replication.store import Meta, PresenceReport, RoomStore
from axon_gateway.rooms.sharing import Presence

#: Seconds between two reports.
_EVERY = 0.05
#: Seconds after which an unchanged room is reported again, since its keys would expire.
_REFRESH = 600.0


class PresencePublisher:
    """Reports the rooms here to Redis; calls `expired` once Redis knows that one has expired."""

    def __init__(
        self, store: RoomStore, peers: Peers, halls: Halls, expired: Callable[[Replica], None]
    ) -> None:
        self._store = store
        self._peers = peers
        self._halls = halls
        self._expired = expired
        self._changed: dict[Replica, None] = {}
        self._wake = asyncio.Event()

    def mark(self, replica: Replica) -> None:
        """A room has changes to report."""
        self._changed[replica] = None
        self._wake.set()

    def forget(self, replica: Replica) -> None:
        """The room is not shared any more."""
        self._changed.pop(replica, None)

    def refresh(self, replicas: Iterable[Replica]) -> None:
        """Marks rooms that were not reported for long, or whose log has been trimmed."""
        now = asyncio.get_running_loop().time()
        for replica in replicas:
            room = replica.room
            trimmed = replica.role is Role.HOME and replica.published_first != room.log.first
            if room.local_viewers and (trimmed or now - replica.published_at > _REFRESH):
                self.mark(replica)

    async def publish_changes(self) -> None:
        """Waits until there are changes, and reports them; not too often."""
        await self._wake.wait()
        self._wake.clear()
        await self.publish()
        await asyncio.sleep(_EVERY)

    async def publish(self) -> None:
        """Reports what has changed."""
        replicas, self._changed = list(self._changed), {}
        reports = [_report(replica) for replica in replicas]
        try:
            answers = await self._store.publish_presence(reports)
        except BaseException:
            self._changed |= dict.fromkeys(replicas)
            self._wake.set()
            raise
        for replica, report, found in zip(replicas, reports, answers, strict=True):
            if report.expired:
                self._expired(replica)
            elif found:
                _confirm(replica, report)

    def update(self, replica: Replica, meta: Meta, changes: int) -> None:
        """Takes over what other gateways have published; `changes` are those of the hall when Redis
        was asked."""
        others = self._peers.alive
        is_open, view = replica.unpublished_open, replica.unpublished_view
        replica.home = meta.home
        replica.room.update_presence(
            Presence(
                open=meta.open if is_open is None else is_open,
                viewers=sum(count for name, count in meta.viewers.items() if name in others),
                presenting=not others.isdisjoint(meta.presenting),
                view=meta.view if view is None else None,
            )
        )
        self._halls.update(replica, meta, changes)


def _report(replica: Replica) -> PresenceReport:
    room = replica.room
    return PresenceReport(
        id=room.id,
        viewers=room.local_viewers,
        presenting=room.local_presenter,
        is_open=replica.unpublished_open,
        view=replica.unpublished_view,
        expired=room.expired,
        epoch=room.log.epoch,
        first=room.log.first,
        head_last=room.log.head_last,
    )


def _confirm(replica: Replica, report: PresenceReport) -> None:
    replica.published_at = asyncio.get_running_loop().time()
    replica.published_first = report.first
    if report.is_open == replica.unpublished_open:
        replica.unpublished_open = None
    if report.view is replica.unpublished_view:
        replica.unpublished_view = None
