"""`--scale inference=2 --scale gateway=2`: gateways share rooms, services share the work."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

import aiohttp
import axon
import pytest

from .conftest import Maker
from .stack import Stack, docker, text, until

pytestmark = pytest.mark.timeout(900)

ASK = {"type": "generate", "prompt": "Once upon a time", "max_tokens": 40}
VIEWERS = 12


@pytest.fixture
def scaled(another: Maker) -> Stack:
    """A stack that was scaled while it ran, so that it must find new replicas."""
    stack = another()
    stack.up()
    asyncio.run(stack.ready())
    stack.up("--scale", "inference=2", "--scale", "gateway=2", "--no-recreate", "--wait")
    return stack


def healthy(container: str) -> bool:
    return docker("inspect", "--format", "{{.State.Health.Status}}", container).strip() == "healthy"


def metric(stack: Stack, service: str, port: int, name: str) -> list[float]:
    """A metric of each container of a service, summed over its labels."""
    fetch = (
        "from urllib.request import urlopen\n"
        f"print(urlopen('http://127.0.0.1:{port}/metrics').read().decode())"
    )
    found = []
    for container in stack.containers(service):
        text = docker("exec", container, "python", "-c", fetch)
        values = re.findall(rf"^{name}(?:{{.*}})? (\S+)", text, re.MULTILINE)
        found.append(sum(map(float, values)))
    return found


def viewers(stack: Stack) -> list[float]:
    return metric(stack, "gateway", 8000, "axon_viewers")


def generated(stack: Stack) -> list[float]:
    """How many generations each inference service has finished."""
    return metric(stack, "inference", 9464, "axon_inference_generations_total")


def test_two_gateways_show_one_room_and_two_services_share_the_work(scaled: Stack) -> None:
    asyncio.run(_one_room(scaled))
    asyncio.run(_shared_work(scaled))
    _grpc_spread(scaled)


async def _one_room(stack: Stack) -> None:
    await stack.ready()
    async with AsyncExitStack() as open_, aiohttp.ClientSession() as http:

        async def join(query: str = "") -> aiohttp.ClientWebSocketResponse:
            return await open_.enter_async_context(http.ws_connect(f"{stack.url}/ws{query}"))

        presenter = await join()
        (opened, *_) = await until(presenter, "room")
        await presenter.send_json({"type": "share"})
        while not (await until(presenter, "room"))[-1]["published"]:
            pass
        sockets = [presenter]
        for _ in range(VIEWERS):
            sockets.append(await join(f"?room={opened['room']}"))
            await until(sockets[-1], "room")
        # nginx chooses a gateway at random for each socket, so each gateway has some.
        assert len(viewers(stack)) == 2
        assert all(count >= 2 for count in viewers(stack)), viewers(stack)
        await presenter.send_json(ASK)
        seen = await asyncio.gather(*(until(socket, "finished") for socket in sockets))
        assert text(seen[0])
        assert {text(frames) for frames in seen} == {text(seen[0])}
        late = await join(f"?room={opened['room']}")
        assert text(await until(late, "finished")) == text(seen[0])


async def _shared_work(stack: Stack) -> None:
    before = generated(stack)
    async with aiohttp.ClientSession() as http:
        for _ in range(6):
            async with http.ws_connect(f"{stack.url}/ws") as socket:
                await until(socket, "room")
                await socket.send_json(ASK)
                await until(socket, "finished")
    after = generated(stack)
    assert len(after) == 2
    assert all(now > then for then, now in zip(before, after, strict=True)), (before, after)


def _grpc_spread(stack: Stack) -> None:
    """Calls over one connection reach every service: nginx chooses at random for each call."""
    before = generated(stack)
    with axon.Client(stack.grpc) as client:
        for _ in range(16):
            list(client.generate("Once upon a time", max_tokens=2))
    after = generated(stack)
    ended = [now - then for then, now in zip(before, after, strict=True)]
    assert sum(ended) == 16
    assert min(ended) > 0, ended  # all calls reach the same service once in 32,768 runs


def test_rooms_survive_the_end_of_a_gateway(scaled: Stack) -> None:
    asyncio.run(_gateway_goes(scaled))


async def _gateway_goes(stack: Stack) -> None:
    await stack.ready()
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{stack.url}/ws") as socket:
            (opened, *_) = await until(socket, "room")
            await socket.send_json({**ASK, "max_tokens": 20})
            told = text(await until(socket, "finished"))
        await asyncio.sleep(1)  # the room's gateway writes its log to Redis meanwhile
        for victim in stack.containers("gateway"):
            docker("stop", "--time", "5", victim)
            # The other gateway serves the room at once, with everything in it.
            url = f"{stack.url}/ws?room={opened['room']}"
            async with http.ws_connect(url) as socket:
                assert text(await until(socket, "finished")) == told
            docker("start", victim)
            stack.wait_until("it is back", lambda one=victim: healthy(one), 60)
