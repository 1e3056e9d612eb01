"""Edits that have to reach another process: the replica, or the gateway, that runs a generation."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import grpc
import grpc.aio
import pytest
from axon.v1 import inference_pb2 as pb
from axon_gateway.backends import replicas
from axon_gateway.config import Settings

from ... import certificates
from ...patience import eventually
from .fake_inference import SOURCES, WIDTH, FakeInference, Script
from .harness import Frame, Running, Socket, running
from .test_backends import at_one, connected, serving
from .test_edits import SILENCE, SILENCED, of
from .test_process import process
from .test_several_gateways import (
    Pair,
    joined,
    know_each_other,
    opened,
    pair,
    redis,
    shared,
)

__all__ = ["pair", "redis", "shared"]

LONG = Script(tokens=(" t",) * 10_000, delay=0.01)


def silence(feature: int) -> list[dict[str, Any]]:
    return [{**SILENCE, "feature": feature}]


async def generating(gateway: Running, count: int) -> list[Socket]:
    """Clients, each with a running generation in a room of its own."""
    clients = [await gateway.connect() for _ in range(count)]
    for client in clients:
        await client.send(type="generate", prompt="x")
        await client.until("token")
    return clients


async def edited(client: Socket, feature: int) -> Frame:
    await client.send(type="edit", edits=silence(feature))
    return (await client.until("edited", "error"))[-1]


@contextlib.asynccontextmanager
async def two(
    settings: Settings, secure: grpc.ServerCredentials | None = None
) -> AsyncIterator[tuple[Running, FakeInference, FakeInference]]:
    """A gateway with two replicas behind one target."""
    first, second = FakeInference(), FakeInference()
    await first.start(secure=secure)
    await second.start(secure=secure)
    try:
        async with serving(settings, at_one(first, second)) as gateway:
            await connected(gateway, first, second)
            first.script = second.script = LONG
            yield gateway, first, second
    finally:
        await first.stop()
        await second.stop()


async def assert_each_reaches_its_own(
    gateway: Running, first: FakeInference, second: FakeInference
) -> None:
    clients = await generating(gateway, 6)
    assert min(len(first.runs), len(second.runs)) >= 2
    for round_ in range(3):
        # Each time with another one first: taking turns would else meet the right one each time.
        clients = [*clients[1:], clients[0]]
        answers = await asyncio.gather(
            *(edited(client, 8 * round_ + n) for n, client in enumerate(clients))
        )
        for n, answer in enumerate(answers):
            assert (answer["type"], answer["edits"][0]["feature"]) == ("edited", 8 * round_ + n)
    for service in (first, second):
        # A replica never takes an edit that is not its own.
        assert {edit.generation for edit in service.seen.edits} == service.runs.keys()
        assert len(service.seen.edits) == 3 * len(service.runs)


async def test_an_edit_reaches_the_replica_that_runs_the_generation(settings: Settings) -> None:
    async with two(settings) as (gateway, first, second):
        await assert_each_reaches_its_own(gateway, first, second)


async def test_it_does_over_tls(settings: Settings, tmp_path: Path) -> None:
    made = certificates.make(tmp_path, "DNS:axon.lab.example")
    secure = grpc.ssl_server_credentials([(made.key.read_bytes(), made.cert.read_bytes())])
    settings = dataclasses.replace(
        settings, backend_tls=str(made.ca), backend_tls_name="axon.lab.example"
    )
    async with two(settings, secure) as (gateway, first, second):
        await assert_each_reaches_its_own(gateway, first, second)


async def test_a_replica_that_drains_is_reached(settings: Settings) -> None:
    async with two(settings) as (gateway, first, second):
        clients = await generating(gateway, 4)
        for service in (first, second):
            await service.serving(False)
        await eventually(lambda: not gateway.gateway.backends.all[0].ready)
        for n, client in enumerate(clients):
            assert (await edited(client, n))["type"] == "edited"


async def test_a_refusal_of_the_right_replica_is_told(settings: Settings) -> None:
    async with two(settings) as (gateway, _, _):
        for client in await generating(gateway, 4):
            error = await edited(client, WIDTH)
            assert (error["error"], error["field"]) == ("out_of_range", "edits[0].feature")


async def test_a_replica_that_dies_before_it_answers_is_told_to_all(settings: Settings) -> None:
    async with two(settings) as (gateway, first, second):
        [client] = await generating(gateway, 1)
        service = first if first.runs else second
        [room] = [room for room in gateway.gateway.rooms.all() if room.running]
        viewer = await gateway.connect(room=room.id)
        await viewer.until("token")
        service.edits_hang = True
        await client.send(type="edit", edits=silence(1))
        await eventually(lambda: bool(service.seen.edits))
        await service.stop()
        errors = [(await client.until("error"))[-1]["error"] for _ in range(2)]
        # That the generation broke off is in the log; that the edit failed is for the client alone.
        assert errors == ["backend_lost"] * 2
        assert [f["error"] for f in of(await viewer.until("error"), "error")] == ["backend_lost"]
        # The other replica goes on.
        await client.send(type="generate", prompt="x")
        await client.until("token")
        assert (await edited(client, 2))["type"] == "edited"


async def test_a_replica_that_is_gone_is_asked_no_longer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(settings) as (gateway, first, second):
        [upstream] = gateway.gateway.backends.all

        async def asked() -> set[str]:
            with pytest.raises(grpc.aio.AioRpcError):
                await upstream._replicas.edit(pb.EditRequest(generation="nobody"))
            return set(upstream._replicas._channels)

        both = {f"ipv4:{service.address}" for service in (first, second)}
        assert await asked() == both
        # Its name does not have it any more, but it may drain: it is asked until it is gone.
        listed = {f"ipv4:{second.address}": ()}
        monkeypatch.setattr(replicas, "_addresses", AsyncMock(return_value=listed))
        assert await asked() == both
        await first.stop()

        async def is_asked_no_longer() -> bool:
            return await asked() == set(listed)

        # A call that meets its end may break off.
        await eventually(is_asked_no_longer)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("ipv4:10.0.0.1:1,10.0.0.2:2", {"ipv4:10.0.0.1:1": (), "ipv4:10.0.0.2:2": ()}),
        ("ipv6:[::1]:1", {"ipv6:[::1]:1": ()}),
        ("unix:/run/axon.sock", {"unix:/run/axon.sock": ()}),
        ("dns:///name.invalid:1", {}),
    ],
)
async def test_targets_have_addresses(target: str, expected: dict[str, object]) -> None:
    assert await replicas._addresses(target) == expected


@pytest.mark.parametrize(
    "target", ["localhost:5", "dns:localhost:5", "dns:///localhost:5", "dns://8.8.8.8/localhost:5"]
)
async def test_a_name_has_addresses_whose_certificates_are_for_the_name(target: str) -> None:
    found = await replicas._addresses(target)
    assert "ipv4:127.0.0.1:5" in found
    assert set(found.values()) == {(("grpc.ssl_target_name_override", "localhost"),)}


async def test_an_edit_from_another_gateway(pair: Pair, inference: FakeInference) -> None:
    inference.script = LONG
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    await same.send(type="edit", edits=[SILENCE])
    assert (await same.until("error"))[-1]["error"] == "not_running"
    await presenter.send(type="generate", prompt="x")
    await same.until("token")
    await same.send(type="edit", edits=[SILENCE])
    told = (await same.until("edited"))[-1]
    assert told["edits"] == [SILENCED]
    assert (await presenter.until("edited"))[-1] == told
    # A refusal goes to the one who asked alone.
    await same.send(type="edit", edits=silence(WIDTH))
    error = (await same.until("error"))[-1]
    assert (error["error"], error["field"]) == ("out_of_range", "edits[0].feature")
    await same.send(type="edit", branch=4, edits=[])
    assert (await same.until("error"))[-1]["field"] == "branch"
    await same.send(
        type="edit", edits=[{"source": SOURCES[1], "feature": 9, "set": 2, "unit": "max"}]
    )
    assert (await same.until("edited"))[-1]["edits"][0]["set"] == 9
    await same.send(type="stop")
    assert not of(await presenter.until("finished"), "error")
    await same.until("finished")
    await same.send(type="edit", edits=[SILENCE])
    assert (await same.until("error"))[-1]["error"] == "not_running"


async def test_edits_from_two_gateways_end_with_one_in_force(
    pair: Pair, inference: FakeInference
) -> None:
    inference.script = dataclasses.replace(LONG, delay=0.005)
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    await presenter.send(type="generate", prompt="x")
    await presenter.until("token")
    await same.until("token")
    for feature in range(16):
        await presenter.send(type="edit", edits=silence(feature))
        await same.send(type="edit", edits=silence(32 + feature))
    frames: list[Frame] = []
    while len(of(frames, "edited")) < 32:
        frames += await presenter.until("edited")
    told = [frame["edits"][0]["feature"] for frame in of(frames, "edited")]
    # Those of one person come in their order.
    assert [feature for feature in told if feature < 32] == list(range(16))
    assert [feature for feature in told if feature >= 32] == list(range(32, 48))
    [run] = inference.runs.values()
    assert run.branches[0].edits[0].feature == told[-1]


async def test_edits_outlive_their_gateway(shared: Settings, inference: FakeInference) -> None:
    inference.script = LONG
    async with process(shared) as a, running(shared) as b:
        presenter, room = await opened(a)
        same = await joined(b, room, token=room["presenter_token"])
        await know_each_other(presenter, same)
        await presenter.send(type="generate", prompt="x", edits=[SILENCE])
        seen = await same.until("token")
        await presenter.send(type="edit", edits=silence(5))
        seen += await same.until("edited")
        # The gateway dies with an edit under way.
        inference.edits_hang = True
        await same.send(type="edit", edits=silence(6))
        await eventually(lambda: len(inference.seen.edits) == 2)
        a.running.kill()
        errors = [(await same.until("error"))[-1] for _ in range(2)]
        # One is in the log, for all; the other one answers the edit.
        assert [error["error"] for error in errors] == ["gateway_lost"] * 2
        assert sum(error["message"].startswith("the gateway that runs") for error in errors) == 1
        late = await joined(b, room)
        log = await late.until("error")
        assert of(log, "started")[0]["branches"][0]["edits"] == [SILENCED]
        assert of(log, "edited") == of(seen, "edited")
        # The room goes on at the other gateway.
        inference.edits_hang = False
        await same.send(type="generate", prompt="again")
        await same.until("token")
        await same.send(type="edit", edits=silence(7))
        assert (await late.until("edited"))[-1]["edits"][0]["feature"] == 7


async def test_a_gateway_that_does_not_answer_is_told_in_time(
    pair: Pair, inference: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axon_gateway.replication.redis_sharing._ANSWER", 0.3)
    inference.script = LONG
    inference.edits_hang = True
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    await presenter.send(type="generate", prompt="x")
    await same.until("token")
    await same.send(type="edit", edits=[SILENCE])
    error = (await same.until("error"))[-1]
    assert (error["error"], error["retry_after"] > 0) == ("gateway_lost", True)
