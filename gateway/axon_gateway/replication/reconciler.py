"""Makes a gateway's copy of a room and Redis' log agree again after either has missed something."""

from __future__ import annotations

import logging
from collections.abc import Callable

from axon_gateway.errors import Refusal
from axon_gateway.replication.replica import Replica, Role
from axon_gateway.replication.store import Meta, RoomStore
from axon_gateway.rooms.log import RoomLog
from axon_gateway.rooms.room import Room

_log = logging.getLogger(__name__)


class Reconciler:
    """Compares copies with what Redis has. The caller holds the replica's lock.

    `restored` is called after Redis may have been given a room anew.
    """

    def __init__(self, store: RoomStore, gateway: str, restored: Callable[[Replica], None]) -> None:
        self._store = store
        self._gateway = gateway
        self._restored = restored

    async def reconcile(self, replica: Replica) -> None:
        """Makes a copy and Redis' log agree.

        If one of them is the beginning of the other, it is given the rest. Otherwise Redis' log
        counts, and viewers here read it from its start. Refusal if Redis has another room of this
        name.
        """
        room = replica.room
        while not room.expired:
            [meta] = await self._store.metas([room.id])
            if meta is not None and meta.token_hash != room.token_hash:
                _log.error("room %s: another room has this name; it is not shared", room.id)
                message = "another room has this name; open a new one"
                raise Refusal("rooms_unavailable", message)
            if meta is None or _continues(room.log, meta):
                if await self._restore(replica, meta):
                    return
                continue
            replica.home = meta.home
            if replica.role is Role.HOME and meta.home != self._gateway:
                replica.lose_lease()
            same = (meta.epoch, meta.last) == (room.log.epoch, room.log.last)
            if not (same or await self._read_on(room, meta)):
                room.replace_log(await self.read(room.log.fresh(), room.id, meta))
            return

    async def read(self, log: RoomLog, id_: str, meta: Meta) -> RoomLog:
        """Fills an empty log with what Redis has of a room."""
        after = 0
        try:
            while entries := await self._store.entries(id_, after):
                for entry in entries:
                    log.load_entry(entry)
                after = entries[-1].seq
        except BaseException:
            log.close()
            raise
        if log.epoch < meta.epoch:
            log.epochs.begin(meta.epoch, meta.since)
        return log

    async def _read_on(self, room: Room, meta: Meta) -> bool:
        """Reads what follows this copy; False if it has frames that Redis' log does not have."""
        if meta.epoch < room.log.epoch or (
            meta.epoch > room.log.epoch and room.log.last >= meta.since
        ):
            return False
        while room.log.last < meta.last:
            entries = await self._store.entries(room.id, room.log.last)
            if not entries or not room.append_entries(entries):
                return False
        room.begin_epoch(meta.epoch, meta.since)
        return True

    async def _restore(self, replica: Replica, meta: Meta | None) -> bool:
        """Gives Redis what it lacks; False if it has changed meanwhile."""
        room, ours = replica.room, replica.home == self._gateway
        restored = await self._store.restore(
            room.id,
            room.token_hash,
            meta,
            room.log,
            is_open=room.open,
            home=replica.home,
            running=not room.log.ended or (ours and room.running),
        )
        self._restored(replica)
        return restored


def _continues(log: RoomLog, meta: Meta) -> bool:
    """Whether a copy has all that Redis has, and more."""
    ahead = (meta.epoch, meta.last) != (log.epoch, log.last)
    return ahead and log.extends(meta.epoch, meta.last)
