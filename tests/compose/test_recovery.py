"""A service that crashes is restarted, and stored data is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from .conftest import Maker
from .stack import Stack, docker, text, until

pytestmark = pytest.mark.timeout(900)

ASK = {"type": "generate", "prompt": "The capital of France is", "max_tokens": 6, "temperature": 0}
#: Part of the command line of the program in each container.
PROGRAMS = {
    "frontend": "nginx: master",
    "gateway": "axon_gateway",
    "inference": "axon_inference",
    "redis": "redis-server",
}


async def generated(stack: Stack) -> tuple[str, str]:
    """A new room and the text generated in it."""
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{stack.url}/ws") as socket:
        (opened, *_) = await until(socket, "room")
        await socket.send_json(ASK)
        return opened["room"], text(await until(socket, "finished"))


async def replayed(stack: Stack, room: str) -> str:
    """A room's text as a viewer gets it who joins late."""
    url = f"{stack.url}/ws?room={room}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        return text(await until(socket, "finished"))


@pytest.mark.parametrize("service", list(PROGRAMS))
async def test_a_service_recovers_from_a_crash(stack: Stack, service: str) -> None:
    room, told = await generated(stack)
    await asyncio.sleep(1.5)  # Redis writes to disk once a second
    (container,) = stack.containers(service)

    def begun() -> Any:
        return docker("inspect", "--format", "{{.State.StartedAt}}", container)

    before = begun()
    stack.kill_process(container, PROGRAMS[service])
    stack.wait_until(f"{service} starts again", lambda: begun() != before, 60)
    await stack.ready()
    stack.wait_until(f"{service} is healthy", lambda: stack.health(service) == "healthy")
    assert "Paris" in (await generated(stack))[1]
    assert await replayed(stack, room) == told


async def test_down_and_up_keep_the_rooms_in_redis(another: Maker) -> None:
    stack = another()
    stack.up()
    await stack.ready()
    room, told = await generated(stack)
    stack.compose("down")
    assert stack.containers("redis") == []
    stack.up("redis")  # without a gateway, which could restore the room
    stack.wait_until("redis", lambda: stack.health("redis") == "healthy", 60)
    count = ("exec", "-T", "redis", "redis-cli", "--scan", "--pattern", f"*room:{room}*")
    assert stack.compose(*count).stdout.split()
    stack.up()
    await stack.ready()
    assert await replayed(stack, room) == told
