"""Two gateways, one Redis and an inference service, each a process that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from ..integration.gateway import harness
from ..integration.gateway.fake_inference import SOURCES, WIDTH
from ..ports import free_port

_ROOT = Path(__file__).resolve().parents[2]
#: Seconds that a service may take to start on a busy machine.
_PATIENCE = 60.0


class Service:
    """A process that is started, killed and started again with the same settings."""

    def __init__(self, name: str, command: list[str], port: int, log: Path, **env: object) -> None:
        self.name = name
        self.port = port
        self.log = log
        self._command = command
        self._environment = {**os.environ, **{key: str(value) for key, value in env.items()}}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The address of its HTTP server, if it has one."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns when it listens."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=_ROOT, env=self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert self._process.returncode is None, (
                    f"{self.name} ended: {self.log.read_text()}"
                )
                assert time.monotonic() < deadline, f"{self.name} does not listen"
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    async def kill(self) -> None:
        """Sends SIGKILL, so that it cannot send or clean up anything."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None


class Stack:
    """All four processes; two of them are `gateways`."""

    def __init__(self, folder: Path, tokens: int, delay: float) -> None:
        module = "tests.integration.gateway.fake_inference"
        python = [sys.executable, "-m"]
        port = free_port()
        command = [*python, module, str(port), str(tokens), str(delay)]
        self.inference = Service("inference", command, port, folder / "inference.log")
        port = free_port()
        redis = [harness.redis_executable(), "--port", str(port), "--bind", "127.0.0.1"]
        # Redis writes to disk, as in compose.yaml, so that rooms survive a kill.
        redis += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        redis += ["--dir", str(folder), "--loglevel", "warning"]
        self.redis = Service("redis", redis, port, folder / "redis.log")
        for source in SOURCES:
            labels = {index: f"label {index} of {source}" for index in range(0, WIDTH, 2)}
            harness.write_labels(folder / "labels", source, labels)
        self.gateways = tuple(
            Service(
                f"gateway {name}",
                [*python, "axon_gateway"],
                port := free_port(),
                folder / f"gateway-{name}.log",
                AXON_PORT=port,
                AXON_INFERENCE=f"127.0.0.1:{self.inference.port}",
                AXON_REDIS_URL=f"redis://127.0.0.1:{self.redis.port}/0",
                AXON_LABELS=folder / "labels",
                AXON_NEURONPEDIA_EXPORT="",
                AXON_NEURONPEDIA_API="",
                AXON_CLIENT_GENERATIONS=1000,  # all viewers have one address
                AXON_LOG_LEVEL="warning",
            )
            for name in "AB"
        )

    @property
    def services(self) -> tuple[Service, ...]:
        """Every process."""
        return (self.inference, self.redis, *self.gateways)

    def tracebacks(self) -> list[str]:
        """The names of the services whose logs hold a traceback."""
        logs = {service.name: service.log.read_text() for service in self.services}
        return [name for name, text in logs.items() if "Traceback" in text]


@asynccontextmanager
async def running(folder: Path, tokens: int, delay: float) -> AsyncIterator[Stack]:
    """A ready stack; all its processes are killed in the end."""
    stack = Stack(folder, tokens, delay)
    async with AsyncExitStack() as ends:
        for service in stack.services:
            ends.push_async_callback(service.kill)
            await service.start()
        for gateway in stack.gateways:
            await _ready(gateway.url)
        yield stack


async def _ready(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    async with aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return
            assert time.monotonic() < deadline, "the gateway did not become ready"
            await asyncio.sleep(0.1)
