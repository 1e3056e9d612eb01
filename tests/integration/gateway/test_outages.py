"""Services behind the gateway fail and come back: inference and Redis are killed."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from axon_gateway.backends import upstream
from axon_gateway.config import Settings

from ...patience import Stopwatch, eventually
from ...ports import free_port
from . import harness
from .fake_inference import Failure, FakeInference, Script
from .fake_neuronpedia import FakeNeuronpedia
from .harness import RedisServer, Running

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A separate Redis, which the test may kill."""
    with harness.redis_server() as server:
        yield server


class InferenceProcess:
    """The fake inference service as a process."""

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
    service = InferenceProcess(free_port())
    service.start()
    yield service
    service.kill()


async def until_ready(gateway: Running) -> None:
    async def ready() -> bool:
        async with gateway.http.get(f"{gateway.url}/readyz") as answer:
            return answer.status == 200

    await eventually(ready)


async def test_inference_killed_during_a_stream(
    settings: Settings, process: InferenceProcess
) -> None:
    address = f"127.0.0.1:{process.port}"
    async with harness.running(dataclasses.replace(settings, inference=address)) as gateway:
        await until_ready(gateway)
        client = await gateway.connect()
        await client.send(prompt="x")
        await client.until("token")
        process.kill()
        async with Stopwatch() as watch:
            error = (await client.until("error"))[-1]
        assert watch.seconds < 1
        assert error["error"] == "backend_lost"
        assert address in error["message"]
        async with Stopwatch() as watch:
            await client.send(prompt="x")
            refused = (await client.until("error"))[-1]
        assert watch.seconds < 3
        assert refused["error"] == "not_ready"
        process.start()
        await until_ready(gateway)
        await client.send(prompt="x")
        assert (await client.until("token"))[-1]["step"] == 0


async def test_a_service_that_never_answers_is_not_ready(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_SHORT", 0.2)
    # The kernel accepts connections to this port, but no program reads from them.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with harness.running(dataclasses.replace(settings, inference=address)) as gateway:
            for path in ("readyz", "api/model"):
                async with gateway.http.get(f"{gateway.url}/{path}") as answer:
                    assert (answer.status, (await answer.json())["error"]) == (503, "not_ready")


async def test_a_stream_that_ends_too_early_is_an_error(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.cut_off = True
    client = await gateway.connect()
    await client.send(prompt="x")
    error = (await client.until("error"))[-1]
    assert error["error"] == "backend_lost"
    assert f"(fake:{inference.port}) broke off" in error["message"]


async def test_a_stream_cancelled_by_inference_is_an_error(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.failure = Failure(grpc.StatusCode.CANCELLED, "shutting down")
    client = await gateway.connect()
    await client.send(prompt="x")
    assert (await client.until("error"))[-1]["error"] == "backend_lost"
    inference.script = Script()
    await client.send(prompt="x")
    assert (await client.until("finished"))[-1]["status"] == "done"


async def test_tokens_flow_without_redis_and_labels_come_back_with_it(
    settings: Settings, redis: RedisServer
) -> None:
    exported = {index: f"exported {index}" for index in range(64)}
    async with FakeNeuronpedia(exported, source="fake/0-res") as fake:
        settings = dataclasses.replace(
            settings,
            labels=None,
            redis_url=redis.url,
            neuronpedia_export=fake.export,
            neuronpedia_api="",
        )
        redis.kill()
        async with harness.running(settings) as gateway:
            await until_ready(gateway)
            client = await gateway.connect()
            async with Stopwatch() as watch:
                await client.send(prompt="x")
                frames = await client.until("finished")
            assert watch.seconds < 5
            assert frames[-1]["status"] == "done"
            features = [
                f for frame in frames if frame["type"] == "token" for f in frame["features"]
            ]
            assert features
            assert not any("label" in feature for feature in features)
            assert await label(gateway, 50) == (503, "labels_unavailable")
            redis.start()

            async def came_back() -> bool:
                return await label(gateway, 50) == (200, "exported 50")

            await eventually(came_back)


async def label(gateway: Running, index: int) -> tuple[int, str | None]:
    """The status of the answer about a feature, and its label or the error's code."""
    async with gateway.http.get(f"{gateway.url}/api/features/fake/0-res/{index}") as answer:
        found = await answer.json()
        return answer.status, found.get("label", found.get("error"))


async def test_labels_in_memory_need_no_redis(settings: Settings, redis: RedisServer) -> None:
    async with harness.running(dataclasses.replace(settings, redis_url=redis.url)) as gateway:
        assert await label(gateway, 50) == (200, "label 50 of fake/0-res")
        redis.kill()
        assert await label(gateway, 51) == (200, "label 51 of fake/0-res")


async def test_the_gateway_starts_before_everything_else(
    settings: Settings, redis: RedisServer
) -> None:
    inference = FakeInference()
    port = free_port()
    settings = dataclasses.replace(settings, inference=f"127.0.0.1:{port}", redis_url=redis.url)
    async with harness.running(settings) as gateway:
        client = await gateway.connect()
        await client.frame()
        await client.send(prompt="x")
        assert (await client.frame())["error"] == "not_ready"
        await inference.start(port)
        try:
            await until_ready(gateway)
            await client.send(prompt="x")
            assert (await client.until("finished"))[-1]["status"] == "done"
        finally:
            await inference.stop()
