"""Wakes a room's viewers together: in rounds, and not too often for what may wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

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


class Delay:
    """Does `work` after a while, once for all who want it until then.

    The while is `seconds`, in large rooms viewers / `rate`: a crowd that enters would otherwise
    cost frames by the square of its size.
    """

    def __init__(
        self,
        viewers: Collection[Viewer],
        seconds: float,
        rate: float,
        work: Callable[[], None],
    ) -> None:
        self._viewers = viewers
        self._seconds = seconds
        self._rate = rate
        self._work = work
        self._timer: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """Does it after the while, which begins with the first call."""
        if self._timer is None:
            seconds = max(self._seconds, len(self._viewers) / self._rate)
            self._timer = asyncio.get_running_loop().call_later(seconds, self.now)

    def now(self) -> None:
        """Does it at once."""
        self.cancel()
        self._work()

    def cancel(self) -> None:
        """Does not do it."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
