"""Start services, show their logs together, and stop them in order with all their children.

Honcho and similar process managers do not fit. They stop all services at once; we stop gateway,
inference, Redis in this order, so that no service loses one that it needs. They do not wait for
readiness, and they leave children running when they are killed.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from axon_dev import guard
from axon_dev.logs import follow
from axon_dev.paths import ROOT

TAIL_LINES = 15


@dataclass(frozen=True)
class Service:
    """A program to run.

    After SIGTERM it has `grace_s` seconds to end. The output of a `quiet` service is shown only
    when it ends without being told to.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    grace_s: float = 10.0
    quiet: bool = False


@dataclass
class Running:
    """A started service and the last lines it printed."""

    service: Service
    process: asyncio.subprocess.Process
    tail: deque[str]
    log: asyncio.Task[None]

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


class Supervisor:
    """Runs services. Use it with `async with`: leaving it stops them, the last started first.

    `show` is called with a service's name and each line that it prints.
    """

    def __init__(self, show: Callable[[str, str], None]) -> None:
        self._show = show
        self._running: list[Running] = []
        self._ended: asyncio.Queue[Running] = asyncio.Queue()
        self._watchers: list[asyncio.Task[None]] = []
        self._hurry = asyncio.Event()
        self._guard = subprocess.Popen(
            [sys.executable, "-IS", str(Path(guard.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # out of reach of the terminal's Ctrl-C and hang-up
        )

    async def __aenter__(self) -> "Supervisor":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        self._guard.communicate()

    async def start(self, service: Service) -> Running:
        """Start a service in its own process group, so that Ctrl-C reaches only the runner."""
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *service.command,
                cwd=ROOT,
                env=service.environment,
                stdin=asyncio.subprocess.DEVNULL,
                # Not asyncio's own pipe: its wait() may also wait for grandchildren that hold the
                # pipe open.
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._tell_guard("+", process.pid)
        tail: deque[str] = deque(maxlen=TAIL_LINES)

        def line(text: str) -> None:
            tail.append(text)
            if not service.quiet:
                self._show(service.name, text)

        running = Running(service, process, tail, asyncio.create_task(follow(read_end, line)))
        self._running.append(running)
        self._watchers.append(asyncio.create_task(self._watch(running)))
        return running

    async def first_end(self) -> Running:
        """Wait for the first service that ends."""
        return await self._ended.get()

    def hurry(self) -> None:
        """Kill services at once instead of waiting for their grace periods."""
        self._hurry.set()

    async def stop(self) -> None:
        """Stop all services, the last started first."""
        while self._running:
            running = self._running.pop()
            await self._end(running)
            self._tell_guard("-", running.process.pid)
        for watcher in self._watchers:
            watcher.cancel()

    async def _end(self, running: Running) -> None:
        process = running.process
        with suppress(ProcessLookupError):
            process.terminate()
        waits = {asyncio.ensure_future(process.wait()), asyncio.ensure_future(self._hurry.wait())}
        await asyncio.wait(
            waits, timeout=running.service.grace_s, return_when=asyncio.FIRST_COMPLETED
        )
        for wait in waits:
            wait.cancel()
        if process.returncode is None:
            self._show(running.service.name, "does not stop; killing it")
        # The whole group: this includes children that the service started and did not stop.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.wait({running.log}, timeout=1)
        running.log.cancel()

    async def _watch(self, running: Running) -> None:
        await running.process.wait()
        await asyncio.wait({running.log}, timeout=1)  # reads its last lines
        self._ended.put_nowait(running)

    def _tell_guard(self, sign: str, group: int) -> None:
        assert self._guard.stdin is not None
        with suppress(BrokenPipeError):  # the guard was killed; stop() works without it
            self._guard.stdin.write(f"{sign}{group}\n")
            self._guard.stdin.flush()
