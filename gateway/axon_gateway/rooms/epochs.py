"""Offsets in a log: an epoch and a sequence number.

An epoch begins at frame `since`. Two logs that both know an epoch have the same frames before it,
and the same frames in it. A reader whose epoch a log does not know reads that log from its start.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import NamedTuple

#: Epochs that a log remembers. A reader that comes back from an older one reads the log anew.
_MOST = 16


class Offset(NamedTuple):
    """Where a reader goes on: the frame it wants next, and the epoch in which it has read so far.

    The epoch of a reader that knows no epochs is None.
    """

    epoch: int | None
    seq: int


#: A reader that has read nothing.
START = Offset(None, 1)


def new_epoch() -> int:
    """A number larger than that of every earlier epoch: microseconds since 1970."""
    return time.time_ns() // 1000


class Epochs:
    """The epochs that a log knows; 0 stands for none."""

    def __init__(self, epoch: int) -> None:
        #: Each with the number of its first frame; the newest one is last.
        self._known = [(epoch, 1)]

    @property
    def current(self) -> int:
        """The epoch in which the log is written now."""
        return self._known[-1][0]

    @property
    def since(self) -> int:
        """The number of that epoch's first frame."""
        return self._known[-1][1]

    def begin(self, epoch: int, since: int) -> None:
        """Another epoch begins at frame `since`."""
        if epoch != self.current:
            known = [] if self.current == 0 else self._known
            self._known = [*known, (epoch, since)][-_MOST:]

    def of(self, seq: int) -> tuple[int, int]:
        """The epoch in which a frame was written, and the number of that epoch's first frame."""
        return self._known[max(bisect_right([since for _, since in self._known], seq) - 1, 0)]

    def end(self, epoch: int, last: int) -> int | None:
        """The number after an epoch's last frame, in a log that ends with frame `last`.

        None if the epoch is not known.
        """
        for index, (known, _) in enumerate(self._known):
            if known == epoch:
                following = self._known[index + 1 : index + 2]
                return following[0][1] if following else last + 1
        return None
