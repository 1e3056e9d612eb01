"""Two gateways, one Redis: a room is the same at both, whichever of the three goes away."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from axon_gateway.config import Settings

from . import harness
from .fake_inference import FakeInference, Script
from .harness import Frame, RedisServer, Running, Socket, eventually
from .test_process import address, start

LONG = Script(tokens=tuple(f" t{i}" for i in range(400)), delay=0.01)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with harness.redis_server() as server:
        yield server


@dataclass
class Pair:
    """Two gateways with one Redis."""

    a: Running
    b: Running


@pytest.fixture
def shared(settings: Settings, redis: RedisServer) -> Settings:
    return dataclasses.replace(settings, redis_url=redis.url, room_grace=1.0)


@pytest_asyncio.fixture
async def pair(shared: Settings) -> AsyncIterator[Pair]:
    async with harness.running(shared) as a, harness.running(shared) as b:
        await asyncio.sleep(0.6)  # they have met by then
        yield Pair(a, b)


async def opened(gateway: Running) -> tuple[Socket, Frame]:
    presenter = await gateway.connect()
    return presenter, await presenter.frame()


async def joined(gateway: Running, room: Frame, **query: str) -> Socket:
    """A viewer at another gateway, once the room has come to Redis."""
    deadline = time.monotonic() + 5
    while True:
        viewer = await gateway.connect(room=room["room"], **query)
        first = await viewer.frame()
        if first["type"] == "room":
            return viewer
        assert first["error"] == "unknown_room"
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def logged(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame["type"] not in ("room", "labels")]


async def test_viewers_elsewhere_see_what_those_here_see(
    pair: Pair, inference: FakeInference
) -> None:
    inference.script = dataclasses.replace(LONG, tokens=LONG.tokens[:60])
    presenter, room = await opened(pair.a)
    early = await joined(pair.b, room)
    await presenter.send(prompt="x")
    here = await presenter.until("token")
    late = await joined(pair.b, room)
    here += await presenter.until("finished")
    for viewer in (early, late):
        there = await viewer.until("finished")
        assert [f for f in logged(there) if f["seq"]] == logged(here)
    assert len(inference.seen.requests) == 1


async def test_the_number_of_viewers_is_that_of_all_gateways(pair: Pair) -> None:
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    while (await presenter.until("room"))[-1]["viewers"] != 2:
        pass
    another = await pair.b.connect(room=room["room"])
    while (await presenter.until("room"))[-1]["viewers"] != 3:
        pass
    while (await viewer.until("room"))[-1]["viewers"] != 3:
        pass
    await another.close()
    await viewer.close()
    while (await presenter.until("room"))[-1]["viewers"] != 1:
        pass


async def test_presenting_and_stopping_from_the_other_gateway(
    pair: Pair, inference: FakeInference
) -> None:
    inference.script = LONG
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["token"])
    await presenter.send(prompt="x")
    await same.until("token")
    await same.send(prompt="y")
    assert (await same.until("error"))[-1]["error"] == "busy"
    await same.send(type="stop")
    assert (await same.until("finished"))[-1]["status"] == "stopped"
    await eventually(lambda: inference.seen.running == 0)
    await presenter.until("finished")
    # And the other way round: the room's log goes on, wherever it is written.
    inference.script = Script()
    await same.send(prompt="y")
    assert (await same.until("finished"))[-1]["status"] == "done"
    frames = await presenter.until("finished")
    assert [f["prompt"] for f in frames if f["type"] == "started"] == ["y"]
    await presenter.send(prompt="z")
    assert (await presenter.until("finished"))[-1]["status"] == "done"
    assert [f["prompt"] for f in await same.until("started") if "prompt" in f] == ["z"]


async def test_opening_to_all_reaches_the_other_gateway(
    pair: Pair, inference: FakeInference
) -> None:
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.send(type="open", open=True)
    while not (await viewer.until("room"))[-1]["open"]:
        pass
    await viewer.send(prompt="x")
    assert (await viewer.until("finished"))[-1]["status"] == "done"
    assert (await presenter.until("finished"))[-1]["status"] == "done"


async def test_those_who_watch_elsewhere_keep_a_generation_alive(
    pair: Pair, inference: FakeInference
) -> None:
    inference.script = LONG
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    while (await presenter.until("room"))[-1]["viewers"] != 2:
        pass
    await presenter.send(prompt="x")
    await presenter.until("token")
    await presenter.close()
    # Longer than the grace period.
    assert (await viewer.until("finished", seconds=10))[-1]["status"] == "done"


async def test_a_room_outlives_the_gateway_that_opened_it(shared: Settings) -> None:
    async with harness.running(shared) as first:
        presenter, room = await opened(first)
        await presenter.send(prompt="x")
        seen = logged(await presenter.until("finished"))
        await presenter.close()
    async with harness.running(shared) as second:
        again = await joined(second, room, token=room["token"])
        assert [f for f in logged(await again.until("finished")) if f["seq"]] == seen
        await again.send(prompt="x")
        assert (await again.until("finished"))[-1]["status"] == "done"


@contextlib.asynccontextmanager
async def process(settings: Settings) -> AsyncIterator[Running]:
    """A gateway in a process of its own, `kill`ed in the end at the latest."""
    running = await start(settings, AXON_ROOM_GRACE="1")
    url = await address(running)
    try:
        async with aiohttp.ClientSession() as http:
            gateway = Running(None, url, http)  # type: ignore[arg-type]
            gateway.kill = lambda: running.send_signal(signal.SIGKILL)  # type: ignore[attr-defined]
            yield gateway
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.communicate()


async def test_a_gateway_killed_in_mid_generation(
    shared: Settings, inference: FakeInference
) -> None:
    inference.script = LONG
    async with process(shared) as a, process(shared) as b:
        presenter, room = await opened(a)
        viewer = await joined(b, room)
        await asyncio.sleep(0.6)
        await presenter.send(prompt="x")
        seen = await viewer.until("token")
        mine = await presenter.until("token")
        while len(mine) < 40:
            mine += await presenter.until("token")
        a.kill()  # type: ignore[attr-defined]
        killed = time.monotonic()
        rest = await viewer.until("error", seconds=5)
        assert time.monotonic() - killed < 2
        assert rest[-1]["error"] == "gateway_lost"
        seen = logged(seen + rest)
        # What was streamed is there for whoever comes now; it is what the viewer saw.
        late = await joined(b, room)
        assert [f for f in logged(await late.until("error")) if f["seq"]] == seen
        # The presenter saw as much or a little more, comes back, and is told too.
        back = await b.connect(
            room=room["room"], token=room["token"], **{"from": str(presenter.last + 1)}
        )
        back.last = (await anything(back))["seq"]
        assert (await back.until("error"))[-1]["error"] == "gateway_lost"
        # The next Generate works, and all see it under the numbers that follow.
        inference.script = Script()
        await back.send(prompt="again")
        assert (await back.until("finished"))[-1]["status"] == "done"
        assert (await viewer.until("finished"))[-1]["status"] == "done"


async def anything(socket: Socket) -> Frame:
    """The first frame of a log that may stand anywhere."""
    frame = await socket.raw.receive_json(timeout=5)
    assert frame["type"] == "room"
    return dict(frame)


async def test_a_gateway_that_comes_back_from_the_dead_gives_way(
    shared: Settings, inference: FakeInference
) -> None:
    inference.script = LONG
    async with harness.running(shared) as b:
        running = await start(shared)
        url = await address(running)
        async with aiohttp.ClientSession() as http:
            a = Running(None, url, http)  # type: ignore[arg-type]
            presenter, room = await opened(a)
            viewer = await joined(b, room, token=room["token"])
            await asyncio.sleep(0.6)
            await presenter.send(prompt="x")
            await viewer.until("token")
            running.send_signal(signal.SIGSTOP)
            assert (await viewer.until("error"))[-1]["error"] == "gateway_lost"
            inference.script = Script()
            await viewer.send(prompt="y")
            await viewer.until("finished")
            running.send_signal(signal.SIGCONT)
            # It must not go on with a log that has gone on elsewhere.
            errors = []
            while (message := await presenter.raw.receive(5)).type is aiohttp.WSMsgType.TEXT:
                errors.append(message.json().get("error"))
            assert "room_moved" in errors
            assert message.type is aiohttp.WSMsgType.CLOSE
            again = await joined(a, room)
            frames = logged(await again.until("finished"))
            assert [f["prompt"] for f in frames if f["type"] == "started"] == ["x", "y"]
        running.terminate()
        await running.communicate()


async def test_redis_killed_and_back_empty(
    pair: Pair, inference: FakeInference, redis: RedisServer
) -> None:
    inference.script = LONG
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.send(prompt="x")
    here = await presenter.until("token")
    there = await viewer.until("token")
    redis.kill()
    # Those at the generation's own gateway see it go on; the others are told.
    told = await viewer.until("error")
    assert told[-1]["error"] == "rooms_unavailable"
    assert told[-1]["retry_after"] > 0
    there += told[:-1]
    here += [frame for _ in range(20) for frame in await presenter.until("token")]
    # So are those who want to come in where the room is not; where it is, they may.
    _, other = await opened(pair.a)
    refused = await pair.b.connect(room=other["room"])
    assert (await refused.frame())["error"] == "rooms_unavailable"
    late = await pair.a.connect(room=room["room"])
    assert (await late.frame())["type"] == "room"
    redis.start()
    here += await presenter.until("finished", seconds=10)
    there += await viewer.until("finished", seconds=10)
    assert logged(there) == logged(here)
    # Everything works again, also with what was opened while Redis was gone.
    await joined(pair.b, other)
    await presenter.send(prompt="y")
    await viewer.until("started")


async def test_generating_while_redis_is_gone(
    pair: Pair, inference: FakeInference, redis: RedisServer
) -> None:
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["token"])
    redis.kill()
    await same.until("error")
    # Only one of both gateways may go on with the log: the one that last did.
    await same.send(prompt="y")
    assert (await same.until("error"))[-1]["error"] == "rooms_unavailable"
    await presenter.send(prompt="x")
    assert (await presenter.until("finished"))[-1]["status"] == "done"
    redis.start()
    frames = await same.until("finished", seconds=10)
    assert [f["prompt"] for f in frames if f["type"] == "started"] == ["x"]
