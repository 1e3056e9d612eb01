"""Limits of one client: a refusal has a code, and says when to retry."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time

import pytest
from aiohttp import WSMsgType
from axon_gateway import limits
from axon_gateway.config import Settings

from ...patience import PATIENCE, eventually
from . import harness
from .fake_inference import FakeInference, Script
from .harness import Running, Socket, narrow_connection

LONG = Script(tokens=tuple(f" t{i}" for i in range(300)), delay=0.01)


def limited(settings: Settings, **changes: object) -> Settings:
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


async def close_code(client: Socket) -> int | None:
    assert (await client.raw.receive(PATIENCE)).type is WSMsgType.CLOSE
    return client.raw.close_code


async def test_sockets_of_one_address_are_limited(settings: Settings) -> None:
    async with harness.running(limited(settings, client_sockets=2)) as gateway:
        first = await gateway.connect()
        await first.frame()
        second = await gateway.connect()
        await second.frame()
        third = await gateway.connect()
        refused = await third.frame()
        assert refused["error"] == "too_many_sockets"
        assert refused["retry_after"] > 0
        # 1013 means "try again later": another socket may close.
        assert await close_code(third) == 1013
        await second.close()
        await eventually(lambda: gateway.gateway.limits._sockets.total() == 1)
        assert (await (await gateway.connect()).frame())["type"] == "room"
        await first.close()


async def test_generations_of_one_address_are_limited_over_sockets_and_http_together(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = LONG
    async with harness.running(limited(settings, client_generations=2)) as gateway:
        clients = [await gateway.connect() for _ in range(3)]
        for client in clients[:2]:
            await client.send(prompt="x")
            await client.until("token")
        await clients[2].send(prompt="x")
        refused = (await clients[2].until("error"))[-1]
        assert refused["error"] == "too_many_generations"
        assert refused["retry_after"] > 0
        async with gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "x"}) as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"]
            assert (await answer.json())["error"] == "too_many_generations"
        await clients[0].send(type="stop")
        await clients[0].until("finished")
        # The service may hear of that only after its client.
        await eventually(lambda: inference.seen.running == 1)
        await clients[2].send(prompt="x")
        await clients[2].until("token")
        assert inference.seen.most_at_once == 2


async def test_a_finished_generation_gives_its_permit_back(
    settings: Settings, inference: FakeInference
) -> None:
    async with harness.running(limited(settings, client_generations=1)) as gateway:
        client = await gateway.connect()
        for _ in range(5):
            await client.send(prompt="x")
            assert (await client.until("finished"))[-1]["status"] == "done"
            async with gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "x"}) as a:
                assert a.status == 200
                await a.read()
        await eventually(lambda: not gateway.gateway.limits._generations)


async def test_the_length_of_a_prompt_is_limited(settings: Settings) -> None:
    async with harness.running(limited(settings, max_prompt=10)) as gateway:
        client = await gateway.connect()
        await client.send(prompt="x" * 11)
        refused = (await client.until("error"))[-1]
        assert (refused["error"], refused["field"]) == ("prompt_too_long", "prompt")
        async with gateway.http.get(f"{gateway.url}/api/model") as answer:
            assert (await answer.json())["limits"]["max_prompt_characters"] == 10


async def test_a_client_that_sends_too_fast_is_told_and_slowed_down(settings: Settings) -> None:
    async with harness.running(limited(settings, client_messages=10.0)) as gateway:
        client = await gateway.connect()
        other = await gateway.connect()
        await client.frame()
        began = time.monotonic()
        for _ in range(45):
            await client.send(type="stop")
        errors = [await client.frame() for _ in range(45)]
        kinds = {error["error"] for error in errors}
        assert kinds == {"not_running", "too_fast"}
        assert all(e["retry_after"] > 0 for e in errors if e["error"] == "too_fast")
        assert time.monotonic() - began > 0.5
        await other.send(prompt="x")
        assert (await other.until("finished"))[-1]["status"] == "done"


async def test_an_unfinished_body_is_refused_after_a_while(settings: Settings) -> None:
    async with harness.running(limited(settings, body_timeout=0.3)) as gateway:
        reader, writer = await narrow_connection(gateway.url)
        head = b"POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
        writer.write(head + b'{"prompt": ')
        answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"too_slow"' in answer
        writer.close()


@pytest.fixture
def guarded(settings: Settings) -> Settings:
    return limited(settings, generate_tokens=("teach", "other"), join_tokens=("learn",))


async def test_access_tokens_over_sockets(guarded: Settings) -> None:
    async with harness.running(guarded) as gateway:
        for query in ({}, {"access": "guess"}, {"access": ""}):
            refused = await gateway.connect(**query)
            assert (await refused.frame())["error"] == "no_access"
            # 1008 means that trying again will not help.
            assert await close_code(refused) == 1008
        teacher = await gateway.connect(access="teach")
        room = await teacher.frame()
        await teacher.send(prompt="x")
        assert (await teacher.until("finished"))[-1]["status"] == "done"
        pupil = await gateway.connect(room=room["room"], access="learn")
        assert (await pupil.until("finished"))[-1]["status"] == "done"
        # A token to watch does not allow generating, not even in a new room.
        own = await gateway.connect(access="learn")
        await own.send(prompt="x")
        assert (await own.until("error"))[-1]["error"] == "no_access"


async def test_access_tokens_over_http(guarded: Settings) -> None:
    async with harness.running(guarded) as gateway:
        url = f"{gateway.url}/api/generate"
        for token, status in (("learn", 401), ("teach", 200)):
            headers = {"Authorization": f"Bearer {token}"}
            async with gateway.http.post(url, json={"prompt": "x"}, headers=headers) as answer:
                assert answer.status == status
                await answer.read()
        teacher = await gateway.connect(access="teach")
        room = (await teacher.frame())["room"]
        url = f"{gateway.url}/api/rooms/{room}/recording.jsonl"
        async with gateway.http.get(url) as answer:
            assert (answer.status, (await answer.json())["error"]) == (401, "no_access")
        async with gateway.http.get(url, params={"access": "learn"}) as answer:
            assert answer.status == 200


async def counted(gateway: Running) -> set[str]:
    return set(gateway.gateway.limits._sockets)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ("127.0.0.0/8", "203.0.113.7", "203.0.113.7"),
        # The proxy appends the real address; anything left of it was sent by the client itself.
        ("127.0.0.0/8", "10.9.9.9, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.0/8,203.0.113.0/24", "198.51.100.2, 203.0.113.7", "198.51.100.2"),
        ("127.0.0.0/8", "nonsense", "127.0.0.1"),
        ("127.0.0.0/8", "", "127.0.0.1"),
        ("10.0.0.0/8", "203.0.113.7", "127.0.0.1"),
        ("", "203.0.113.7", "127.0.0.1"),
    ],
)
async def test_the_address_of_a_client_behind_a_proxy(
    settings: Settings, trusted: str, forwarded: str, client: str
) -> None:
    proxies = Settings.from_environment({"AXON_TRUSTED_PROXIES": trusted}).trusted_proxies
    async with harness.running(limited(settings, trusted_proxies=proxies)) as gateway:
        headers = {"X-Forwarded-For": forwarded}
        socket = await gateway.http.ws_connect(f"{gateway.url}/ws", headers=headers)
        assert json.loads((await socket.receive(PATIENCE)).data)["type"] == "room"
        assert await counted(gateway) == {client}
        await socket.close()
        await eventually(lambda: not gateway.gateway.limits._sockets)


async def test_a_pace_allows_bursts_and_recovers() -> None:
    pace = limits.Pace(1000.0)
    assert [pace.wait() for _ in range(2900)] == [0.0] * 2900
    waits = [pace.wait() for _ in range(3000)]
    assert 0 < max(waits) <= 0.001
    await asyncio.sleep(0.05)
    assert pace.wait() == 0


async def test_an_overdrawn_pace_says_how_long_to_wait() -> None:
    pace = limits.Pace(100.0)
    assert pace.spend(250) == 0
    assert 0.4 < pace.spend(100) <= 0.5
    assert 0.9 < pace.spend(50) <= 1.0
