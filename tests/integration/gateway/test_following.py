"""Following the presenter: its view is sent to all viewers, at this gateway and at others."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from axon_gateway.config import Settings
from axon_gateway.rooms import room

from . import harness
from .fake_inference import FakeInference
from .harness import Frame, Running, Socket
from .test_several_gateways import Pair, joined, opened, pair, redis, shared

__all__ = ["pair", "redis", "shared"]

VIEW: dict[str, Any] = {
    "type": "view",
    "pose": [1.5, -2.0, 300.25],
    "feature": "fake/1-res/7",
    "token": 3,
}


def content(frame: Frame) -> Frame:
    return {name: value for name, value in frame.items() if name not in ("seq", "time")}


async def next_view(socket: Socket) -> Frame:
    return content((await socket.until("view"))[-1])


async def test_a_view_is_sent_to_viewers_and_to_those_who_join_later(gateway: Running) -> None:
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    viewer = await gateway.connect(room=room)
    await presenter.send(**VIEW)
    assert await next_view(viewer) == VIEW
    late = await gateway.connect(room=room)
    assert await next_view(late) == VIEW
    moved = {**VIEW, "pose": [0, 0, 1], "feature": None, "token": None}
    await presenter.send(**moved)
    assert await next_view(viewer) == moved
    # The view is not sent to its author, and is no part of the log.
    await presenter.send(type="ping")
    told = await presenter.until("pong")
    assert {frame["type"] for frame in told} <= {"room", "pong"}
    assert presenter.last == 0
    async with gateway.http.get(f"{gateway.url}/api/rooms/{room}/recording.jsonl") as answer:
        assert '"view"' not in await answer.text()


async def test_of_many_views_in_a_row_the_newest_is_sent(gateway: Running) -> None:
    presenter = await gateway.connect()
    viewer = await gateway.connect(room=(await presenter.frame())["room"])
    await viewer.until("room")
    began = time.monotonic()
    for number in range(100):
        await presenter.send(**{**VIEW, "token": number})
    views = [await next_view(viewer)]
    while views[-1]["token"] != 99:
        views.append(await next_view(viewer))
    assert len(views) <= 2 + (time.monotonic() - began) / room._VIEW_EVERY
    assert len(views) < 100


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"pose": None}, "wrong_type", "pose"),
        ({"pose": [1, "2"]}, "wrong_type", "pose"),
        ({"pose": [1e99]}, "out_of_range", "pose"),
        ({"pose": [0] * 33}, "out_of_range", "pose"),
        ({"feature": 7}, "wrong_type", "feature"),
        ({"feature": "x" * 301}, "out_of_range", "feature"),
        ({"token": -1}, "out_of_range", "token"),
        ({"token": 0.5}, "wrong_type", "token"),
    ],
)
async def test_an_invalid_view_is_refused(
    gateway: Running, change: dict[str, Any], error: str, field: str
) -> None:
    presenter = await gateway.connect()
    await presenter.send(**{**VIEW, **change})
    frame = (await presenter.until("error"))[-1]
    assert (frame["error"], frame["field"]) == (error, field)


async def test_numbers_that_are_not_finite_are_refused(gateway: Running) -> None:
    presenter = await gateway.connect()
    for text in ("NaN", "Infinity", "1e999"):
        await presenter.raw.send_str(f'{{"type":"view","pose":[{text}]}}')
        assert (await presenter.until("error"))[-1]["field"] == "pose"


async def test_a_viewers_own_view_is_refused(gateway: Running) -> None:
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    await presenter.send(type="open", open=True)
    viewer = await gateway.connect(room=room)
    await viewer.send(**VIEW)
    assert (await viewer.until("error"))[-1]["error"] == "not_presenter"


async def test_views_count_as_messages(settings: Settings, inference: FakeInference) -> None:
    slow = dataclasses.replace(settings, client_messages=5.0)
    async with harness.running(slow) as gateway:
        presenter = await gateway.connect()
        for _ in range(30):
            await presenter.send(**VIEW)
        frame = (await presenter.until("error"))[-1]
        assert frame["error"] == "too_fast"
        assert frame["retry_after"] > 0


async def test_a_ping_is_answered(gateway: Running) -> None:
    viewer = await gateway.connect()
    await viewer.send(type="ping")
    assert content((await viewer.until("pong"))[-1]) == {"type": "pong"}


async def test_viewers_are_told_whether_somebody_presents(gateway: Running) -> None:
    presenter = await gateway.connect()
    first = await presenter.frame()
    viewer = await gateway.connect(room=first["room"])
    assert (await viewer.frame())["presenting"] is True
    await presenter.close()
    await viewer.told(presenting=False)
    back = await gateway.connect(room=first["room"], token=first["presenter_token"])
    assert (await back.frame())["role"] == "presenter"
    await viewer.told(presenting=True)


async def test_viewers_at_another_gateway_follow(pair: Pair) -> None:
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.send(**VIEW)
    assert await next_view(viewer) == VIEW
    moved = {**VIEW, "token": 4}
    await presenter.send(**moved)
    assert await next_view(viewer) == moved
    late = await joined(pair.b, room)
    assert await next_view(late) == moved
    # The presenter moves to the other gateway. Viewers at the first one follow it there.
    at_a = await pair.a.connect(room=room["room"])
    assert await next_view(at_a) == moved
    await presenter.close()
    await viewer.told(presenting=False)
    moved_on = await joined(pair.b, room, token=room["presenter_token"])
    await moved_on.send(**{**VIEW, "token": 5})
    assert (await next_view(at_a))["token"] == 5
    assert (await next_view(viewer))["token"] == 5


async def test_a_view_outlives_its_presenter(pair: Pair) -> None:
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.send(**VIEW)
    assert await next_view(viewer) == VIEW
    await presenter.close()
    await viewer.told(presenting=False)
    late = await joined(pair.b, room)
    assert await next_view(late) == VIEW
