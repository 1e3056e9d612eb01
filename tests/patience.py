"""How tests wait: for a condition itself, as long as a busy machine may need."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

#: Seconds that a test waits for what has to come, on a busy machine.
PATIENCE = 30.0


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Waits until `condition` is true."""
    deadline = time.monotonic() + PATIENCE
    while not (await found if isinstance(found := condition(), Awaitable) else found):
        assert time.monotonic() < deadline, "the condition did not become true"
        await asyncio.sleep(0.01)


def wait_for_port(port: int) -> None:
    """Waits until something listens on a port."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.02)


def starved(pid: int) -> float:
    """Seconds in which the first thread of a process wanted a core and had none; 0 where the system
    does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


class Stopwatch:
    """Counts seconds without those in which this process waited for a core, to assert what an idle
    machine does on a busy one. It runs inside its `async with` block."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def _count(self) -> None:
        wall, busy = time.monotonic(), time.process_time()
        while True:
            await asyncio.sleep(0.01)
            wall_before, busy_before = wall, busy
            wall, busy = time.monotonic(), time.process_time()
            # A timer is at most a few milliseconds late unless the process works or waits.
            self.seconds += max(min(wall - wall_before, 0.02), busy - busy_before)

    async def __aenter__(self) -> Stopwatch:
        self._counting = asyncio.create_task(self._count())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._counting.cancel()
