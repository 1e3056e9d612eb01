"""SIGTERM while generations run: they may end within a time limit; else their viewers are told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from axon_gateway.config import Settings

from ...patience import PATIENCE, eventually
from . import harness
from .fake_inference import FakeInference, Script
from .harness import Frame, Socket
from .test_process import address, start
from .test_several_gateways import logged

#: A generation that ends within a few seconds, and one that does not end in time.
SHORT = Script(tokens=tuple(f" t{i}" for i in range(40)), delay=0.05)
ENDLESS = Script(tokens=(" t",) * 100_000, delay=0.05)
#: AXON_DRAIN_SECONDS in these tests: enough for SHORT, and not enough.
DRAIN, BRIEF = "20", "1"


@dataclass
class Process:
    """A gateway as a process, and a client for it."""

    running: asyncio.subprocess.Process
    url: str
    http: aiohttp.ClientSession

    async def connect(self, **query: str) -> Socket:
        """A socket in the room that `query` names, or in none yet."""
        return Socket(await self.http.ws_connect(f"{self.url}/ws", params=query))

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """A generation over HTTP, event by event."""
        body = {"prompt": "x"}
        async with self.http.post(f"{self.url}/api/generate", json=body) as answer:
            assert answer.status == 200
            async for line in answer.content:
                yield json.loads(line)

    async def ends_well(self) -> None:
        """Waits until the process exits; checks that it exits with 0 and logged no exception."""
        _, errors = await asyncio.wait_for(self.running.communicate(), PATIENCE)
        assert self.running.returncode == 0, errors
        assert b"Traceback" not in errors


@contextlib.asynccontextmanager
async def process(settings: Settings, drain: str) -> AsyncIterator[Process]:
    running = await start(settings, AXON_DRAIN_SECONDS=drain, AXON_ROOM_GRACE="1")
    try:
        url = await address(running)
        async with aiohttp.ClientSession() as http:
            yield Process(running, url, http)
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def presenting(gateway: Process) -> tuple[Socket, Frame]:
    """A socket with a running generation, and the frame of its room."""
    presenter = await gateway.connect()
    await presenter.send(prompt="x")
    frames = await presenter.until("token")
    rooms = [frame for frame in frames if frame["type"] == "room" and frame.get("room")]
    assert rooms, frames
    return presenter, rooms[0]


async def rest_of(lines: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line async for line in lines]


@pytest_asyncio.fixture
async def draining(settings: Settings) -> AsyncIterator[Process]:
    async with process(settings, DRAIN) as gateway:
        yield gateway


async def test_a_generation_that_ends_in_time_is_completed(
    draining: Process, inference: FakeInference
) -> None:
    inference.script = SHORT
    presenter, _ = await presenting(draining)
    lines = draining.lines()
    assert (await anext(lines))["type"] == "started"
    draining.running.terminate()
    frames, events = await asyncio.gather(presenter.until("finished", "error"), rest_of(lines))
    assert (frames[-1]["type"], frames[-1].get("status")) == ("finished", "done")
    assert frames[-1]["generated_tokens"] == len(SHORT.tokens)
    ends = [event for event in events if event["type"] in ("finished", "error")]
    assert [end.get("status") for end in ends] == ["done"]
    # Nothing runs any more, so the gateway ends before AXON_DRAIN_SECONDS are over.
    await draining.ends_well()


async def test_a_new_generation_is_refused_with_a_time_to_retry(
    draining: Process, inference: FakeInference
) -> None:
    idle = await draining.connect()
    inference.script = SHORT
    presenter, _ = await presenting(draining)
    draining.running.terminate()
    await presenter.until("token")
    began = len(inference.seen.requests)
    await idle.send(prompt="x")
    refused = (await idle.until("error"))[-1]
    assert refused["error"] == "gateway_stopping"
    assert refused["retry_after"] > 0
    with contextlib.suppress(aiohttp.ClientError):  # it may already refuse new connections
        body = {"prompt": "x"}
        async with draining.http.post(f"{draining.url}/api/generate", json=body) as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "gateway_stopping")
    assert len(inference.seen.requests) == began
    assert (await presenter.until("finished"))[-1]["status"] == "done"


async def test_a_generation_that_does_not_end_in_time_gets_a_last_frame(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = ENDLESS
    async with process(settings, BRIEF) as gateway:
        presenter, _ = await presenting(gateway)
        lines = gateway.lines()
        assert (await anext(lines))["type"] == "started"
        gateway.running.terminate()
        frames, events = await asyncio.gather(presenter.until("finished", "error"), rest_of(lines))
        for last in (frames[-1], [e for e in events if e["type"] != "labels"][-1]):
            assert_told(last)
        await gateway.ends_well()
    await eventually(lambda: inference.seen.running == 0)


def assert_told(last: Frame) -> None:
    """The last frame of a stream says that the gateway ended it."""
    ended = last["type"] == "finished" and last["status"] == "stopped"
    assert ended or last.get("error") == "gateway_stopping", last


@pytest.mark.parametrize("drain", [DRAIN, BRIEF])
async def test_a_room_continues_at_the_other_gateway(
    settings: Settings, inference: FakeInference, drain: str
) -> None:
    inference.script = SHORT if drain == DRAIN else ENDLESS
    with harness.redis_server() as redis:
        shared = dataclasses.replace(settings, redis_url=redis.url)
        async with process(shared, drain) as a, process(shared, drain) as b:
            presenter, room = await presenting(a)
            viewer = await b.connect(room=room["room"])
            await viewer.until("token")
            a.running.terminate()
            seen, here = await asyncio.gather(
                viewer.until("finished", "error"),
                presenter.until("finished", "error"),
            )
            assert seen[-1]["seq"] == here[-1]["seq"]
            if drain == DRAIN:
                assert seen[-1]["status"] == here[-1]["status"] == "done"
            else:
                assert_told(seen[-1])
                assert_told(here[-1])
            await a.ends_well()
            # The presenter continues at the other gateway, in the same room, with the same viewer.
            inference.script = Script()
            back = await b.connect(room=room["room"], token=room["presenter_token"])
            await back.until("finished", "error")
            await back.send(prompt="again")
            frames = await viewer.until("finished")
            assert frames[-1]["status"] == "done"
            assert [f["step"] for f in frames if f["type"] == "token"] == [0, 1, 2, 3]


async def test_a_viewer_of_the_stopping_gateway_misses_nothing_at_the_other(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = SHORT
    with harness.redis_server() as redis:
        shared = dataclasses.replace(settings, redis_url=redis.url)
        async with process(shared, DRAIN) as a, process(shared, DRAIN) as b:
            presenter, room = await presenting(b)
            viewer = await a.connect(room=room["room"])
            seen = await viewer.until("token")
            a.running.terminate()
            while (message := await viewer.raw.receive(PATIENCE)).type is aiohttp.WSMsgType.TEXT:
                frame = json.loads(message.data)
                seen += frame["frames"] if frame["type"] == "batch" else [frame]
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
            await viewer.close()
            await a.ends_well()
            # The viewer asks the other gateway for the frame after its last, as the page does.
            [epoch] = {frame["epoch"] for frame in seen if "epoch" in frame}
            query = {"room": room["room"], "from": f"{epoch}:{seen[-1]['seq'] + 1}"}
            again = Socket(await b.http.ws_connect(f"{b.url}/ws", params=query), seen[-1]["seq"])
            seen += await again.until("finished")
            late = await b.connect(room=room["room"])
            whole = await late.until("finished")
            assert logged(seen) == logged(whole)
            assert (await presenter.until("finished"))[-1]["status"] == "done"
