"""What is behind the gateway goes away and comes back: inference killed, Redis killed."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from axon_gateway.config import Settings

from . import harness
from .fake_inference import Failure, FakeInference, Script
from .harness import RedisServer, Running

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of one's own, to be killed."""
    with harness.redis_server() as server:
        yield server


class InferenceProcess:
    """The fake service in a process of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        module = "tests.integration.gateway.fake_inference"
        self._process = subprocess.Popen([sys.executable, "-m", module, str(self.port)], cwd=ROOT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def process() -> Iterator[InferenceProcess]:
    """An inference service that can be killed."""
    service = InferenceProcess(harness.free_port())
    service.start()
    yield service
    service.kill()


async def until_ready(gateway: Running, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while True:
        async with gateway.http.get(f"{gateway.url}/readyz") as answer:
            if answer.status == 200:
                return
        assert time.monotonic() < deadline, "never ready"
        await asyncio.sleep(0.05)


async def test_inference_killed_in_mid_stream(
    settings: Settings, process: InferenceProcess
) -> None:
    address = f"127.0.0.1:{process.port}"
    async with harness.running(dataclasses.replace(settings, inference=address)) as gateway:
        await until_ready(gateway)
        socket = await gateway.connect()
        await socket.send(prompt="x")
        await socket.until("token")
        process.kill()
        error = (await socket.until("error", seconds=1))[-1]
        assert error["error"] == "backend_lost"
        assert address in error["message"]
        await socket.send(prompt="x")
        refused = (await socket.until("error", seconds=3))[-1]
        assert refused["error"] == "not_ready"
        process.start()
        await until_ready(gateway)
        await socket.send(prompt="x")
        assert (await socket.until("token"))[-1]["step"] == 0


async def test_a_stream_that_ends_too_early_is_an_error(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.cut_off = True
    socket = await gateway.connect()
    await socket.send(prompt="x")
    assert (await socket.until("error"))[-1]["error"] == "backend_lost"


async def test_a_stream_cancelled_by_inference_is_an_error(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.failure = Failure(grpc.StatusCode.CANCELLED, "shutting down")
    socket = await gateway.connect()
    await socket.send(prompt="x")
    assert (await socket.until("error"))[-1]["error"] == "backend_lost"
    inference.script = Script()
    await socket.send(prompt="x")
    assert (await socket.until("finished"))[-1]["status"] == "done"


async def test_tokens_flow_without_redis_and_labels_come_back_with_it(
    settings: Settings, inference: FakeInference, redis: RedisServer
) -> None:
    async with harness.running(dataclasses.replace(settings, redis_url=redis.url)) as gateway:
        socket = await gateway.connect()
        await socket.send(prompt="x")
        await socket.until("finished")
        redis.kill()
        # Features whose labels are not in the gateway's memory yet.
        inference.script = Script(prompt=("<bos>",) * 20)
        began = time.monotonic()
        await socket.send(prompt="x")
        frames = await socket.until("finished")
        assert time.monotonic() - began < 2
        assert frames[-1]["status"] == "done"
        prompt = next(frame for frame in frames if frame["type"] == "prompt")
        labels = [f["label"] for token in prompt["tokens"] for f in token["features"]]
        assert None in labels, "nothing was missing: the test proves nothing"
        async with gateway.http.get(f"{gateway.url}/api/features/fake/0-res/50") as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "labels_unavailable")
        redis.start()
        # It came back empty: the files have to be loaded again.
        deadline = time.monotonic() + 10
        while True:
            async with gateway.http.get(f"{gateway.url}/api/features/fake/0-res/50") as answer:
                if answer.status == 200:
                    assert (await answer.json())["label"] == "label 50 of fake/0-res"
                    break
            assert time.monotonic() < deadline, "labels never came back"
            await asyncio.sleep(0.1)


async def test_the_gateway_starts_before_everything_else(
    settings: Settings, redis: RedisServer
) -> None:
    inference = FakeInference()
    port = harness.free_port()
    settings = dataclasses.replace(settings, inference=f"127.0.0.1:{port}", redis_url=redis.url)
    async with harness.running(settings) as gateway:
        socket = await gateway.connect()
        await socket.frame()
        await socket.send(prompt="x")
        assert (await socket.frame())["error"] == "not_ready"
        await inference.start(port)
        try:
            await until_ready(gateway)
            await socket.send(prompt="x")
            assert (await socket.until("finished"))[-1]["status"] == "done"
        finally:
            await inference.stop()
