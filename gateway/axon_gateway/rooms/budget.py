"""The bytes that the logs of all rooms may keep together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axon_gateway.rooms.log import RoomLog


class Budget:
    """The bytes that all logs together may keep. The oldest generation of all is dropped first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._logs: set[RoomLog] = set()
        self.bytes = 0

    def join(self, log: RoomLog) -> None:
        """Counts what `log` keeps from now on."""
        self._logs.add(log)

    def leave(self, log: RoomLog) -> None:
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
