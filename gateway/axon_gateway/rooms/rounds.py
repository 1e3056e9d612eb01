"""A room's viewers are woken together, a round at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from axon_gateway import metrics
from axon_gateway.rooms.viewer import Viewer

#: After a round, frames gather for this share of the time it took: a round is mostly one system
#: call a viewer, whatever that carries.
_GATHER = 0.25
#: A shorter rest is none: the loop's timers count in milliseconds.
_SHORTEST_REST = 0.001


class Rounds:
    """Wakes all of `viewers`, who may come and go, whenever there is something to read."""

    def __init__(self, viewers: Collection[Viewer]) -> None:
        self._viewers = viewers
        #: A frame was kept that nobody has been woken for, and when the oldest of those was.
        self._due = False
        self._kept_at = 0.0
        #: When the next round may begin.
        self._rested_at = 0.0

    def soon(self) -> None:
        """A frame was kept: has all viewers read on, once for all that come in one go."""
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
        """Has all viewers look at once."""
        began = time.perf_counter()
        for viewer in self._viewers:
            viewer.wake()
        ended = time.perf_counter()
        self._rested_at = ended + _GATHER * (ended - began)
        if self._due and self._viewers:
            # Once for all of them: a look at the clock for each would cost as much as telling them.
            metrics.EVENT_TO_SOCKET.observe(ended - self._kept_at)
        self._due = False
