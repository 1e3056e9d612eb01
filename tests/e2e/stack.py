"""The real stack as processes on free ports: redis-server, inference, gateway."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp

from ..integration.gateway import harness
from ..integration.process import Forked, end, forked
from ..patience import eventually
from ..ports import free_port
from .fake_gateway import PAGE

#: Enough to load torch, SAELens and the model on a busy machine. The first test waits for it.
START_SECONDS = 300.0


@dataclass(frozen=True)
class Stack:
    """A running stack; `url` is the page's."""

    url: str

    async def idle(self) -> None:
        """Waits until inference neither runs nor queues anything."""

        async def is_idle() -> bool:
            async with http.get(f"{self.url}/api/model") as answer:
                return bool((await answer.json())["load"] == {"running": 0, "queued": 0})

        async with aiohttp.ClientSession() as http:
            await eventually(is_idle)


@asynccontextmanager
async def process(module: str, **variables: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m module` with these environment variables; at the end a signal ends it cleanly."""
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", module, env=environment)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.terminate()
            try:
                await asyncio.wait_for(running.wait(), 60)
            except TimeoutError:
                running.kill()
                await running.wait()
        assert running.returncode == 0


@contextmanager
def inference(port: int) -> Iterator[Forked]:
    """The service with the bundled model; at the end a signal ends it cleanly."""
    with forked(AXON_GRPC_PORT=port) as running, open(2, "w", closefd=False) as shown:
        log = threading.Thread(target=shutil.copyfileobj, args=(running.stderr, shown))
        log.start()
        try:
            yield running
        finally:
            running.terminate()
            log.join(60)
        assert end(running)[0] == 0


async def ready(url: str, *processes: asyncio.subprocess.Process | Forked) -> None:
    """Waits for /readyz; fails at once if a process has ended."""
    async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as http:
        while True:
            for one in processes:
                assert one.returncode is None, "a service ended while starting: see its output"
            try:
                async with http.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.3)


@asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    """The stack with the bundled model."""
    grpc_port, port = free_port(), free_port()
    async with AsyncExitStack() as parts:
        redis = parts.enter_context(harness.redis_server())
        service = parts.enter_context(inference(grpc_port))
        gateway = await parts.enter_async_context(
            process(
                "axon_gateway",
                AXON_PORT=port,
                AXON_INFERENCE=f"127.0.0.1:{grpc_port}",
                AXON_REDIS_URL=redis.url,
                AXON_PAGE=PAGE,
            )
        )
        url = f"http://127.0.0.1:{port}"
        await ready(url, service, gateway)
        yield Stack(url)
