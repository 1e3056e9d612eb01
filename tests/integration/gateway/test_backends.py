"""Several inference services: different models, replicas, and one that dies during a stream."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from axon.v1 import inference_pb2 as pb
from axon_gateway.backends.backends import Backends
from axon_gateway.config import Settings
from axon_gateway.replication.redis_sharing import RedisSharing

from ...patience import Stopwatch, eventually
from ...ports import free_port
from . import harness
from .fake_inference import Failure, FakeInference, Script
from .harness import Frame, Running, Socket
from .test_outages import InferenceProcess, until_ready


@pytest_asyncio.fixture
async def other() -> AsyncIterator[FakeInference]:
    """A second service, with another model."""
    async with FakeInference(name="other") as service:
        yield service


@contextlib.asynccontextmanager
async def serving(settings: Settings, *targets: str) -> AsyncIterator[Running]:
    """A gateway that has got an answer from all of `targets`."""
    async with harness.running(dataclasses.replace(settings, backends=targets)) as gateway:
        backends = gateway.gateway.backends.all
        await eventually(lambda: all(b.ready and b.last_model for b in backends))
        yield gateway


def at_one(*services: FakeInference) -> str:
    """A single target for several replicas, like a name with several addresses."""
    return "ipv4:" + ",".join(service.address for service in services)


async def generated(client: Socket, **request: Any) -> list[Frame]:
    """The frames of one generation or refusal."""
    await client.send(prompt="x", **request)
    return await client.until("finished", "error")


class TestModels:
    """Two services with different models."""

    @pytest_asyncio.fixture
    async def gateway(
        self, settings: Settings, inference: FakeInference, other: FakeInference
    ) -> AsyncIterator[Running]:
        async with serving(settings, inference.address, other.address) as gateway:
            yield gateway

    @pytest.mark.parametrize(
        ("request_", "model"),
        [
            ({}, "fake"),
            ({"model": None}, "fake"),
            ({"model": "fake"}, "fake"),
            ({"model": "other"}, "other"),
            ({"sources": ["other/1-res"]}, "other"),
            ({"sources": "other/1-res", "model": "other"}, "other"),
        ],
    )
    async def test_a_request_runs_where_its_model_is(
        self, gateway: Running, request_: dict[str, Any], model: str
    ) -> None:
        frames = await generated(await gateway.connect(), **request_)
        [started] = [frame for frame in frames if frame["type"] == "started"]
        assert started["model"] == model
        url = f"{gateway.url}/api/generate"
        async with gateway.http.post(url, json={"prompt": "x", **request_}) as answer:
            assert f'"model":"{model}"' in await answer.text()

    async def test_a_model_that_no_service_has_is_refused(self, gateway: Running) -> None:
        error = (await generated(await gateway.connect(), model="gpt5"))[-1]
        assert (error["error"], error["field"]) == ("unknown_model", "model")
        assert "fake, other" in error["message"]
        error = (await generated(await gateway.connect(), model=3))[-1]
        assert (error["error"], error["field"]) == ("wrong_type", "model")
        url = f"{gateway.url}/api/generate"
        async with gateway.http.post(url, json={"prompt": "x", "model": "gpt5"}) as answer:
            assert answer.status == 400

    async def test_both_are_listed_and_described(
        self, gateway: Running, other: FakeInference
    ) -> None:
        async def described(query: str = "") -> dict[str, Any]:
            async with gateway.http.get(f"{gateway.url}/api/model{query}") as answer:
                found: dict[str, Any] = await answer.json()
                return found

        both = [{"model": "fake", "ready": True}, {"model": "other", "ready": True}]
        assert (await described())["model"] == "fake"
        assert (await described())["models"] == both
        assert (await described("?model=other"))["sources"][0]["id"] == "other/0-res"
        assert (await described("?model=gpt5"))["error"] == "unknown_model"
        await other.stop()
        await eventually(lambda: not gateway.gateway.backends.all[1].ready)
        assert (await described())["models"][1] == {"model": "other", "ready": False}
        async with gateway.http.get(f"{gateway.url}/readyz") as answer:
            assert answer.status == 200

    async def test_a_feature_is_asked_of_the_model_that_has_it(
        self, gateway: Running, inference: FakeInference, other: FakeInference
    ) -> None:
        async with gateway.http.get(f"{gateway.url}/api/features/other/0-res/3") as answer:
            assert (await answer.json())["promoted"][0]["token"] == " Paris"
        assert (len(inference.seen.features), len(other.seen.features)) == (0, 1)

    async def test_a_service_that_has_never_answered_may_have_the_model(
        self, settings: Settings
    ) -> None:
        async with FakeInference() as there:
            missing = f"127.0.0.1:{free_port()}"
            settings = dataclasses.replace(settings, backends=(missing, there.address))
            async with harness.running(settings) as gateway:
                await eventually(lambda: gateway.gateway.backends.all[1].ready)
                client = await gateway.connect()
                error = (await generated(client, model="other"))[-1]
                assert (error["error"], missing in error["message"]) == ("not_ready", True)
                assert (await generated(client))[-1]["status"] == "done"


class TestReplicas:
    """Several services of one model."""

    @pytest.mark.parametrize("listed", [False, True])
    async def test_they_share_the_work(
        self, settings: Settings, inference: FakeInference, listed: bool
    ) -> None:
        inference.script.delay = 0.05
        async with FakeInference(Script(delay=0.05)) as twin:
            targets = (inference.address, twin.address) if listed else (at_one(inference, twin),)
            async with serving(settings, *targets) as gateway:
                await connected(gateway, inference, twin)
                clients = [await gateway.connect() for _ in range(6)]
                await asyncio.gather(*map(generated, clients))
        assert min(len(inference.seen.requests), len(twin.seen.requests)) >= 2

    @pytest.mark.parametrize("listed", [False, True])
    async def test_an_unhealthy_replica_gets_no_requests(
        self, settings: Settings, inference: FakeInference, listed: bool
    ) -> None:
        async with FakeInference() as twin:
            targets = (inference.address, twin.address) if listed else (at_one(inference, twin),)
            async with serving(settings, *targets) as gateway:
                await inference.serving(False)
                client = await gateway.connect()
                inference.seen.requests = [pb.GenerateRequest()]
                while inference.seen.requests:  # until gRPC knows
                    inference.seen.requests.clear()
                    await generated(client)
                    await generated(client)
                twin.seen.requests.clear()
                for _ in range(4):
                    assert (await generated(client))[-1]["type"] == "finished"
        assert (len(inference.seen.requests), len(twin.seen.requests)) == (0, 4)

    @pytest.mark.parametrize(
        "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    )
    async def test_a_request_that_one_replica_refuses_goes_to_another(
        self, settings: Settings, inference: FakeInference, code: grpc.StatusCode
    ) -> None:
        inference.script.refusal = Failure(code, "not here")
        async with FakeInference() as twin, serving(settings, at_one(inference, twin)) as gateway:
            await connected(gateway, inference, twin)
            client = await gateway.connect()
            for _ in range(4):
                assert (await generated(client))[-1]["type"] == "finished"
        assert inference.seen.requests


async def test_before_any_service_has_described_itself_a_connected_one_is_asked() -> None:
    backends = Backends(("127.0.0.1:1", "127.0.0.1:2"), 0)
    assert backends.choose(None) is backends.all[0]
    backends.all[1].ready = True
    assert backends.choose(None) is backends.all[1]
    await backends.close()


async def test_the_gateway_stops_watching_services_before_it_closes_rooms(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watching() -> list[asyncio.Task[Any]]:
        return [t for t in asyncio.all_tasks() if t.get_coro().__qualname__ == "_watch"]

    left: list[asyncio.Task[Any]] = []
    close = RedisSharing.close

    async def see_and_close(sharing: RedisSharing) -> None:
        left.extend(watching())
        await close(sharing)

    monkeypatch.setattr(RedisSharing, "close", see_and_close)
    async with serving(settings, settings.inference):
        assert len(watching()) == 1
    assert not left


async def connected(gateway: Running, *services: FakeInference) -> None:
    """Waits until gRPC uses all `services` by turns; it begins with the one that answers first."""
    if len(gateway.gateway.backends.all) == 1:
        client = await gateway.connect()
        while not all(service.seen.requests for service in services):
            await generated(client)
        await client.close()
    for service in services:
        service.seen.requests.clear()


@pytest.fixture
def processes() -> Iterator[list[InferenceProcess]]:
    """Two services that can be killed."""
    services = [InferenceProcess(free_port()) for _ in range(2)]
    for service in services:
        service.start()
    yield services
    for service in services:
        service.kill()


async def test_a_dead_service_is_named_and_the_next_request_goes_to_a_healthy_one(
    settings: Settings, processes: list[InferenceProcess]
) -> None:
    first, second = (f"127.0.0.1:{process.port}" for process in processes)
    async with serving(settings, first, second) as gateway:
        ours, others = await gateway.connect(), await gateway.connect()
        await ours.send(prompt="x")
        await ours.until("token")
        await others.send(prompt="x")
        await others.until("token")
        # The first service had a stream, so the second one got the other.
        processes[0].kill()
        async with Stopwatch() as watch:
            error = (await ours.until("error"))[-1]
        assert watch.seconds < 1
        assert error["error"] == "backend_lost"
        assert first in error["message"]
        assert second not in error["message"]
        await others.until("token")
        await ours.send(prompt="x")
        assert (await ours.until("token", "error"))[-1]["type"] == "token"


async def test_a_replica_behind_one_name_dies(
    settings: Settings, processes: list[InferenceProcess]
) -> None:
    target = "ipv4:" + ",".join(f"127.0.0.1:{process.port}" for process in processes)
    async with serving(settings, target) as gateway:
        await until_ready(gateway)
        clients = [await gateway.connect() for _ in range(6)]
        # Ready means that one replica answers. Only gRPC itself knows when both do.
        used: set[str] = set()
        while len(used) < 2:
            await clients[0].send(prompt="x")
            used.add((await clients[0].until("token"))[-1]["token"])
            await clients[0].send(type="stop")
            await clients[0].until("finished")
        for client in clients:
            await client.send(prompt="x")
            await client.until("token")
        processes[0].kill()
        ends = await asyncio.gather(*(lost(client) for client in clients))
        gone = [(client, end) for client, end in zip(clients, ends, strict=True) if end]
        assert 0 < len(gone) < len(clients)
        for client, error in gone:
            assert error["error"] == "backend_lost"
            assert f"{target} (fake:{processes[0].port}) broke off" in error["message"]
            await client.send(prompt="x")
            assert (await client.until("token", "error"))[-1]["type"] == "token"


async def lost(client: Socket, seconds: float = 1) -> Frame | None:
    """The error that ends a generation within `seconds`; None if it continues."""
    async with Stopwatch() as watch:
        while watch.seconds < seconds:
            if (frame := await client.frame())["type"] == "error":
                return frame
    return None
