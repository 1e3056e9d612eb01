"""Wakes a room's viewers together, in rounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from axon_gateway import metrics
from axon_gateway.rooms.viewer import Viewer

#: After a round, frames gather for this share of the time it took. A round is mostly one system
#: call per viewer, however many frames that carries.
_GATHER = 0.25
#: A shorter rest is left out, since the loop's timers count in milliseconds.
_SHORTEST_REST = 0.001


class Rounds:
    """Wakes all of `viewers`, who may come and go, whenever there is something to read."""

    def __init__(self, viewers: Collection[Viewer]) -> None:
        self._viewers = viewers
        #: Whether a frame has come since the last round, and when the first such frame came.
        self._due = False
        self._kept_at = 0.0
        #: When the next round may begin.
        self._rested_at = 0.0

    def soon(self) -> None:
        """A frame has come: wakes all viewers soon, once for all frames that come together."""
        if self._due:
            return
        self._due = True
        self._kept_at = time.perf_counter()
        loop, rest = asyncio.get_running_loop(), self._rested_at - self._kept_at
        if rest < _SHORTEST_REST:
            loop.call_soon(self.now)
        else:
            loop.call_later(rest, self.now)

    def now(self) -> None:
        """Wakes all viewers at once."""
        began = time.perf_counter()
        for viewer in self._viewers:
            viewer.wake()
        ended = time.perf_counter()
        self._rested_at = ended + _GATHER * (ended - began)
        if self._due and self._viewers:
            # Once for all viewers: to read the clock for each would cost as much as waking it.
            metrics.EVENT_TO_SOCKET.observe(ended - self._kept_at)
        self._due = False
