"""The right to write a room's log: acquired, released, and taken from a gateway that was lost."""

from __future__ import annotations

import contextlib
import logging

from axon_gateway import frames
from axon_gateway.errors import Refusal
from axon_gateway.replication.reconciler import Reconciler
from axon_gateway.replication.replica import Replica, Role
from axon_gateway.replication.store import FAILURES, RoomStore, unavailable

_log = logging.getLogger(__name__)

#: Tries to acquire the lease of a log that changes meanwhile.
_TRIES = 5


class Leases:
    """The leases of this gateway."""

    def __init__(self, store: RoomStore, gateway: str, reconciler: Reconciler) -> None:
        self._store = store
        self._gateway = gateway
        self._reconciler = reconciler

    async def acquire(self, replica: Replica) -> None:
        """Makes this gateway the room's home. Refusal if another one generates there."""
        async with replica.lock:
            held = replica.role is Role.HOME
            replica.role = Role.CANDIDATE
            try:
                await self._acquire(replica)
            finally:
                if replica.role is Role.CANDIDATE and held and replica.home == self._gateway:
                    replica.role = Role.HOME
                elif replica.role is Role.CANDIDATE:
                    replica.become_follower()

    async def release(self, replica: Replica) -> None:
        """Says that this gateway generates no longer in the room."""
        with contextlib.suppress(*FAILURES):
            async with replica.lock:
                # The next generation may have acquired the lease meanwhile.
                if not replica.room.running:
                    await self._store.release_lease(replica.room.id, replica.room.log.epoch)

    async def end_lost(self, replica: Replica, gateway: str) -> None:
        """Ends the generation of a gateway that was lost. The caller holds the replica's lock."""
        room = replica.room
        frame = frames.encode(frames.error(gateway_lost()), room.log.last + 1)
        if await self._store.end_lost(room.id, gateway, room.log, frame):
            _log.warning("room %s: gateway %s was lost in mid-generation", room.id, gateway)

    async def _acquire(self, replica: Replica) -> None:
        room = replica.room
        for _ in range(_TRIES):
            answer, epoch, since = await self._store.acquire_lease(
                room.id, room.token_hash, room.log
            )
            if answer == "ours":
                room.begin_epoch(epoch, since)
                replica.home, replica.role = self._gateway, Role.HOME
                return
            if answer == "busy":
                message = "a generation is running in this room; stop it first"
                raise Refusal("busy", message)
            await self._reconciler.reconcile(replica)
        raise unavailable()


def gateway_lost() -> Refusal:
    """What viewers are told of a generation whose gateway was lost."""
    message = "the gateway that ran this generation was lost; what it had streamed stays"
    return Refusal("gateway_lost", message, None, 1.0)
