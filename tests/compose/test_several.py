"""`--scale inference=2 --scale gateway=2`: one room, work for both, nobody missed."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

import aiohttp
import axon
import pytest

from .conftest import Maker
from .stack import Frame, Stack, docker, text, until

pytestmark = pytest.mark.timeout(900)

ASK = {"type": "generate", "prompt": "Once upon a time", "max_tokens": 400, "temperature": 1}
VIEWERS = 12


@pytest.fixture
def scaled(another: Maker) -> Stack:
    """Scaled while it runs: a replica that joins must be found."""
    stack = another()
    stack.up()
    asyncio.run(stack.ready())
    stack.up("--scale", "inference=2", "--scale", "gateway=2", "--no-recreate", "--wait")
    return stack


def healthy(container: str) -> bool:
    return docker("inspect", "--format", "{{.State.Health.Status}}", container).strip() == "healthy"


def viewers(stack: Stack) -> list[int]:
    """How many viewers each gateway has."""
    found = []
    for container in stack.containers("gateway"):
        fetch = (
            "from urllib.request import urlopen\n"
            "print(urlopen('http://127.0.0.1:8000/metrics').read().decode())"
        )
        metrics = docker("exec", container, "python", "-c", fetch)
        (value,) = re.findall(r"^axon_viewers (\S+)", metrics, re.MULTILINE)
        found.append(int(float(value)))
    return found


def running(stack: Stack) -> list[int]:
    """How many generations each inference service runs."""
    ask = "import axon;print(axon.Client('127.0.0.1:50051').model().load.running)"
    return [
        int(docker("exec", container, "python", "-c", ask))
        for container in stack.containers("inference")
    ]


def test_two_gateways_show_one_room_and_two_services_share_the_work(scaled: Stack) -> None:
    asyncio.run(_one_room(scaled))
    asyncio.run(_shared_work(scaled))
    _grpc_in_turns(scaled)


async def _one_room(stack: Stack) -> None:
    await stack.ready()
    async with AsyncExitStack() as open_, aiohttp.ClientSession() as http:

        async def join(query: str = "") -> aiohttp.ClientWebSocketResponse:
            return await open_.enter_async_context(http.ws_connect(f"{stack.url}/ws{query}"))

        presenter = await join()
        (opened, *_) = await until(presenter, "room")
        sockets = [presenter]
        for _ in range(VIEWERS):
            sockets.append(await join(f"?room={opened['room']}"))
            await until(sockets[-1], "room")
        # nginx takes turns, so both gateways have some.
        assert len(viewers(stack)) == 2
        assert all(count >= 2 for count in viewers(stack)), viewers(stack)
        await presenter.send_json({**ASK, "max_tokens": 40})
        seen = await asyncio.gather(*(until(socket, "finished") for socket in sockets))
        assert text(seen[0])
        assert {text(frames) for frames in seen} == {text(seen[0])}
        late = await join(f"?room={opened['room']}")
        assert text(await until(late, "finished")) == text(seen[0])


async def _shared_work(stack: Stack) -> None:
    async with aiohttp.ClientSession() as http:

        async def generate() -> list[Frame]:
            async with http.ws_connect(f"{stack.url}/ws") as socket:
                await until(socket, "room")
                await socket.send_json(ASK)
                return await until(socket, "finished", 120)

        tasks = [asyncio.create_task(generate()) for _ in range(12)]
        busy: set[int] = set()
        while len(busy) < 2 and not all(task.done() for task in tasks):
            loads = await asyncio.to_thread(running, stack)
            busy |= {number for number, load in enumerate(loads) if load}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert busy == {0, 1}


def _grpc_in_turns(stack: Stack) -> None:
    """Each call of one connection goes to another service: nginx looks at calls."""
    with axon.Client(stack.grpc) as client:
        streams = [client.generate("Once upon a time", max_tokens=2000) for _ in range(6)]
        for stream in streams:
            assert isinstance(next(stream), axon.Queued | axon.Started)
        loads = running(stack)
        for stream in streams:
            stream.cancel()
    assert all(load >= 1 for load in loads), loads


def test_a_gateway_that_goes_takes_no_room_with_it(scaled: Stack) -> None:
    asyncio.run(_gateway_goes(scaled))


async def _gateway_goes(stack: Stack) -> None:
    await stack.ready()
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{stack.url}/ws") as socket:
            (opened, *_) = await until(socket, "room")
            await socket.send_json({**ASK, "max_tokens": 20})
            told = text(await until(socket, "finished"))
        await asyncio.sleep(1)  # what the home has told is in Redis within moments
        for victim in stack.containers("gateway"):
            docker("stop", "--time", "5", victim)
            # The rest answers at once, and goes on where the room was.
            url = f"{stack.url}/ws?room={opened['room']}"
            async with http.ws_connect(url) as socket:
                assert text(await until(socket, "finished")) == told
            docker("start", victim)
            stack.wait_until("it is back", lambda one=victim: healthy(one), 60)
