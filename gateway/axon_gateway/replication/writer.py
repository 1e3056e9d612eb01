"""Writes the frames of the rooms whose home this gateway is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from axon_gateway.frames import Frame
from axon_gateway.replication.replica import Replica
from axon_gateway.replication.store import RETRY, WRITE_BYTES, RoomStore

#: Seconds between the beginnings of two writes: frames of a fast generation share one.
_EVERY = 0.01


class Writer:
    """Collects frames, and writes those of all rooms together.

    `reconcile` is called with a replica whose log in Redis is not what this gateway expects.
    """

    def __init__(self, store: RoomStore, reconcile: Callable[[Replica], Awaitable[None]]) -> None:
        self._store = store
        self._reconcile = reconcile
        #: Those with frames to write.
        self._pending: dict[Replica, None] = {}
        self._wake = asyncio.Event()

    def append(self, replica: Replica, frame: Frame, begins: bool) -> None:
        """Queues the frame. LeaseLost if another gateway holds the lease."""
        replica.enqueue(frame, begins)
        self._pending[replica] = None
        self._wake.set()

    def forget(self, replica: Replica) -> None:
        """The room is here no longer."""
        self._pending.pop(replica, None)

    async def flush(self) -> None:
        """Returns once Redis has all frames queued so far, or never will."""
        for replica in tuple(self._pending):
            await replica.flushed()

    async def write(self) -> None:
        """Waits for frames, and writes them: the first at once, those soon after it together."""
        await self._wake.wait()
        self._wake.clear()
        began = asyncio.get_running_loop().time()
        try:
            await self._write()
        finally:
            if self._pending:
                self._wake.set()
        await asyncio.sleep(began + _EVERY - asyncio.get_running_loop().time())

    async def _write(self) -> None:
        failed = False
        batches = {r: entries for r in self._pending if (entries := r.next_entries(WRITE_BYTES))}
        writes = [(r.room.id, r.room.log, entries) for r, entries in batches.items()]
        for replica, answer in zip(batches, await self._store.append(writes), strict=True):
            if answer == "appended":
                replica.confirm()
            elif answer == "failed":
                failed = True
            else:
                await self._reconcile(replica)
        for replica in tuple(self._pending):
            if not replica.pending:
                del self._pending[replica]
        if failed:
            await asyncio.sleep(RETRY)
