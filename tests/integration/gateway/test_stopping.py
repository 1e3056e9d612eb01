"""SIGTERM while generations run: they may end within a time limit; else their viewers are told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from axon_gateway.config import Settings

from ...patience import eventually
from . import harness
from .fake_inference import FakeInference, Script
from .harness import Frame, Running, Socket
from .test_process import Process, process
from .test_several_gateways import logged

#: A generation that ends within a few seconds, and one that does not end in time.
SHORT = Script(tokens=tuple(f" t{i}" for i in range(40)), delay=0.05)
ENDLESS = Script(tokens=(" t",) * 100_000, delay=0.05)
#: AXON_DRAIN_SECONDS in these tests: enough for SHORT, and not enough.
DRAIN, BRIEF = "20", "1"


async def lines(gateway: Process) -> AsyncIterator[dict[str, Any]]:
    """A generation over HTTP, event by event."""
    body = {"prompt": "x"}
    async with gateway.http.post(f"{gateway.url}/api/generate", json=body) as answer:
        assert answer.status == 200
        async for line in answer.content:
            yield json.loads(line)


async def moved(socket: Socket, to: Running, **query: str) -> tuple[list[Frame], Socket]:
    """The frames until the socket's gateway stops, and a socket that goes on at another one, which
    it asks for the frame after the last, as the page does."""
    seen = await socket.until_it_stops()
    offset = f"{socket.room['epoch']}:{socket.last + 1}"
    query |= {"room": socket.room["room"], "from": offset}
    return seen, await to.connect(socket.last, **query)


async def presenting(gateway: Running) -> tuple[Socket, Frame]:
    """A socket with a running generation, and the frame of its room."""
    presenter = await gateway.connect()
    await presenter.send(prompt="x")
    await presenter.until("token")
    return presenter, presenter.room


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
    told = lines(draining)
    assert (await anext(told))["type"] == "started"
    draining.running.terminate()
    frames, events = await asyncio.gather(presenter.until("finished", "error"), rest_of(told))
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
    inference.script = ENDLESS
    presenter, _ = await presenting(draining)
    await draining.is_told_to_stop()
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
    await presenter.send(type="stop")
    assert (await presenter.until("finished"))[-1]["status"] == "stopped"


async def test_a_generation_that_does_not_end_in_time_gets_a_last_frame(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = ENDLESS
    async with process(settings, BRIEF) as gateway:
        presenter, _ = await presenting(gateway)
        told = lines(gateway)
        assert (await anext(told))["type"] == "started"
        gateway.running.terminate()
        frames, events = await asyncio.gather(presenter.until("finished", "error"), rest_of(told))
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
        shared = dataclasses.replace(settings, redis_url=redis.url, room_grace=1.0)
        async with process(shared, drain) as a, harness.running(shared) as b:
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
    inference.script = ENDLESS
    with harness.redis_server() as redis:
        shared = dataclasses.replace(settings, redis_url=redis.url, room_grace=1.0)
        async with process(shared, DRAIN) as a, harness.running(shared) as b:
            presenter, room = await presenting(b)
            viewer = await a.connect(room=room["room"])
            seen = await viewer.until("token")
            a.running.terminate()
            more, again = await moved(viewer, b)
            await a.ends_well()
            await presenter.send(type="stop")
            seen += more + await again.until("finished")
            late = await b.connect(room=room["room"])
            assert logged(seen) == logged(await late.until("finished"))
            assert (await presenter.until("finished"))[-1]["status"] == "stopped"


async def test_when_several_gateways_stop_at_once_nothing_is_lost(
    settings: Settings, inference: FakeInference
) -> None:
    """Each runs a generation, and has a viewer of the other's."""
    scripts = [dataclasses.replace(SHORT, tokens=SHORT.tokens * 3), SHORT]
    with harness.redis_server() as redis:
        shared = dataclasses.replace(settings, redis_url=redis.url, room_grace=1.0)
        async with process(shared) as a, process(shared) as b, harness.running(shared) as c:
            rooms: list[tuple[Socket, Socket]] = []
            for script, here, there in zip(scripts, (a, b), (b, a), strict=True):
                inference.script = script
                presenter, room = await presenting(here)
                viewer = await there.connect(room=room["room"])
                await viewer.until("token")
                rooms.append((presenter, viewer))
            a.running.terminate()
            b.running.terminate()
            # B ends with its generation, while that of A still runs.
            moves = await asyncio.gather(
                *(
                    moved(socket, c, token=presenter.room["presenter_token"])
                    for presenter, viewer in rooms
                    for socket in (presenter, viewer)
                )
            )
            await asyncio.gather(a.ends_well(), b.ends_well())
            for script, (_, viewer), pair in zip(
                scripts, rooms, (moves[:2], moves[2:]), strict=True
            ):
                late = await c.connect(room=viewer.room["room"])
                whole = logged(await late.until("finished"))
                assert whole[-1]["status"] == "done"
                steps = [frame["step"] for frame in whole if frame["type"] == "token"]
                assert steps == list(range(len(script.tokens)))
                for seen, again in pair:
                    frames = logged(seen)
                    if frames[-1]["seq"] < whole[-1]["seq"]:
                        frames += logged(await again.until("finished"))
                    frames = [frame for frame in frames if 0 < frame["seq"] <= whole[-1]["seq"]]
                    assert frames == whole[-len(frames) :]
                # The room goes on.
                inference.script = Script()
                await pair[0][1].send(prompt="again")
                assert (await pair[1][1].until("finished"))[-1]["status"] == "done"
