"""The bytes that the logs of all rooms may keep together."""

from __future__ import annotations

from typing import Protocol


class Bounded(Protocol):
    """What the budget needs of a log."""

    @property
    def size(self) -> int:
        """Bytes kept."""

    @property
    def oldest(self) -> float:
        """The number of the oldest generation that may be dropped; infinite if none may."""

    def drop_oldest(self) -> bool:
        """Drops the oldest generation; False if it still runs."""

    def shrink(self) -> bool:
        """Drops a part of what is kept; False if there is nothing to drop."""


class Budget:
    """The bytes that all logs together may keep. The oldest generation of all is dropped first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._logs: set[Bounded] = set()
        self.bytes = 0

    def join(self, log: Bounded) -> None:
        """Counts what `log` keeps from now on."""
        self._logs.add(log)

    def leave(self, log: Bounded) -> None:
        """Stops counting the log."""
        if log in self._logs:
            self._logs.discard(log)
            self.bytes -= log.size

    def changed(self, difference: int) -> None:
        """One of the logs has grown, or shrunk, by so many bytes."""
        self.bytes += difference
        if difference > 0:
            while self.bytes > self._max_bytes and self._free():
                pass

    def _free(self) -> bool:
        """Drops the oldest generation that has ended, else a part of the largest log."""
        if not self._logs:
            return False
        oldest = min(self._logs, key=lambda log: log.oldest)
        if oldest.drop_oldest():
            return True
        return max(self._logs, key=lambda log: log.size).shrink()
