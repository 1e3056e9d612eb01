"""The gateway as a process: signals, a port in use, bad settings."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest
from axon_gateway.config import Settings

from ...patience import PATIENCE, eventually
from . import harness
from .fake_inference import FakeInference, Script
from .harness import RawSocket, Running


async def start(settings: Settings, **variables: str) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "AXON_PORT": "0",
        "AXON_INFERENCE": settings.inference,
        "AXON_REDIS_URL": settings.redis_url,
        "AXON_LABELS": str(settings.labels),
        **variables,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "axon_gateway",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def address(process: asyncio.subprocess.Process, pattern: str = r"listening on (\S+)") -> str:
    """The address, or another part, in the next line of the log that matches `pattern`."""
    assert process.stderr
    while line := (await asyncio.wait_for(process.stderr.readline(), PATIENCE)).decode():
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"the gateway did not log {pattern}")


class Process(Running):
    """A gateway as a process, and a client for it."""

    def __init__(
        self, running: asyncio.subprocess.Process, url: str, http: aiohttp.ClientSession
    ) -> None:
        super().__init__(None, url, http)  # type: ignore[arg-type]
        self.running = running

    async def is_told_to_stop(self) -> None:
        """Sends SIGTERM, and waits until the gateway says that it stops."""
        self.running.terminate()
        await address(self.running, r"(stopping)$")

    async def ends_well(self) -> None:
        """Waits until the process exits; checks that it exits with 0 and logged no exception."""
        _, errors = await asyncio.wait_for(self.running.communicate(), PATIENCE)
        assert self.running.returncode == 0, errors
        assert b"Traceback" not in errors


@contextlib.asynccontextmanager
async def process(settings: Settings, drain: str = "20") -> AsyncIterator[Process]:
    """A gateway as a process, which is killed in the end if it still runs."""
    running = await start(settings, AXON_DRAIN_SECONDS=drain, AXON_ROOM_GRACE="1")
    try:
        url = await address(running)
        async with aiohttp.ClientSession() as http:
            yield Process(running, url, http)
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_closes_sockets_and_leaves_no_traceback(
    settings: Settings, signal_: signal.Signals
) -> None:
    async with process(settings) as gateway:
        client = await gateway.connect()
        await client.send(prompt="x")
        await client.until("finished")
        gateway.running.send_signal(signal_)
        await client.until_it_stops()
        await gateway.ends_well()


async def test_a_stalled_viewer_does_not_delay_the_end(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = Script(tokens=("x" * 8000,) * 400, delay=0.001)
    async with process(settings, drain="100") as gateway:
        presenter = await gateway.connect()
        stalled = await RawSocket.connect(gateway.url, (await presenter.frame())["room"])
        await presenter.send(prompt="x")
        await presenter.until("finished")
        # The viewer's buffers are full, and it answers nothing, not even a close frame.
        gateway.running.terminate()
        await gateway.ends_well()
        stalled.close()


async def test_a_stalled_http_client_does_not_delay_the_end(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = Script(tokens=("x" * 8000,) * 400, delay=0.001)
    async with process(settings, drain="1") as gateway:
        _, writer = await harness.narrow_connection(gateway.url)
        body = b'{"prompt": "x"}'
        head = b"POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        await eventually(lambda: bool(inference.runs))
        [run] = inference.runs.values()
        steps = -1
        while steps != run.steps:  # until all buffers are full
            steps = run.steps
            await asyncio.sleep(0.3)
        gateway.running.terminate()
        await gateway.ends_well()
        writer.close()


async def test_a_port_in_use_is_one_clear_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = await start(settings, AXON_PORT=str(port))
        _, errors = await asyncio.wait_for(running.communicate(), PATIENCE)
    assert running.returncode == 1
    assert errors.decode().splitlines() == [
        f"axon_gateway: 127.0.0.1:{port} is in use by another program; set AXON_PORT to a free port"
    ]


async def test_with_on_failure_wait_it_stays_until_a_signal(settings: Settings) -> None:
    running = await start(settings, AXON_MAX_ROOMS="many", AXON_ON_FAILURE="wait")
    assert running.stderr
    line = await asyncio.wait_for(running.stderr.readline(), PATIENCE)
    assert line.startswith(b"axon_gateway: AXON_MAX_ROOMS='many' cannot be used")
    await asyncio.sleep(0.3)
    assert running.returncode is None
    running.terminate()
    _, rest = await asyncio.wait_for(running.communicate(), PATIENCE)
    assert (running.returncode, rest) == (1, b"")


async def test_a_bad_setting_is_one_clear_line(settings: Settings) -> None:
    running = await start(settings, AXON_MAX_ROOMS="many")
    _, errors = await asyncio.wait_for(running.communicate(), PATIENCE)
    assert running.returncode == 1
    [line] = errors.decode().splitlines()
    assert line.startswith("axon_gateway: AXON_MAX_ROOMS='many' cannot be used")
