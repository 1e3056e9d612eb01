"""Votes and the line over real sockets: at one gateway, at two, and when one or Redis fails."""

from __future__ import annotations

import json
from typing import Any

from axon_gateway.config import Settings

from ...patience import eventually
from . import harness
from .fake_inference import FakeInference, Script
from .harness import Frame, RedisServer, Running, Socket
from .test_several_gateways import (
    ENDLESS,
    Pair,
    joined,
    know_each_other,
    opened,
    pair,
    redis,
    shared,
    sharing,
)

__all__ = ["pair", "redis", "shared"]  # fixtures

GUESS: dict[str, Any] = {
    "type": "question",
    "kind": "guess",
    "text": "What comes next?",
    "options": [{"text": " Paris"}, {"text": " Rome"}],
    "position": 3,
}


async def until(socket: Socket, kind: str, **content: Any) -> Frame:
    """The next frame of a kind with this content."""
    while True:
        frame = await socket.frame()
        if frame["type"] == kind and content.items() <= frame.items():
            return frame


async def question(socket: Socket) -> Frame:
    """The open question, once it is shown."""
    while (frame := await until(socket, "question"))["question"] is None:
        pass
    asked: Frame = frame["question"]
    return asked


async def entered(gateway: Running, room: Frame, voter: str) -> Socket:
    """A browser that names itself, in a room."""
    raw = await gateway.http.ws_connect(f"{gateway.url}/ws?enter&room={room['room']}")
    await raw.send_json({"type": "enter", "access": None, "token": None, "voter": voter})
    return Socket(raw)


async def test_votes_of_two_gateways_are_one_tally_and_the_outcome_is_in_the_recording(
    pair: Pair,
) -> None:
    presenter, room = await opened(pair.a)
    here = await joined(pair.a, room)
    there = await joined(pair.b, room)
    await presenter.send(**GUESS)
    asked = await question(there)
    await here.send(type="vote", question=asked["id"], option=0)
    await there.send(type="vote", question=asked["id"], word="Lyon")
    for socket in (presenter, there):
        tally = await until(socket, "tally", votes=2)
        assert (tally["options"], tally["words"]) == ([1, 0], [{"word": "lyon", "votes": 1}])
    # A vote is changed at another gateway than the one that took it first.
    phone = await entered(pair.a, room, "phone")
    await phone.send(type="vote", question=asked["id"], option=0)
    await until(there, "tally", votes=3)
    phone = await entered(pair.b, room, "phone")
    await phone.send(type="vote", question=asked["id"], option=1)
    await until(presenter, "tally", options=[1, 1], votes=3)
    await presenter.send(type="close", question=asked["id"], answer=" Paris")
    for socket in (presenter, there):
        outcome = await until(socket, "outcome", votes=3)
        assert (outcome["options"], outcome["answer"]) == ([1, 1], " Paris")
    await until(there, "question", question=None)
    await there.send(type="vote", question=asked["id"], option=0)
    await until(there, "error", error="question_closed")
    async with pair.b.http.get(f"{pair.b.url}/api/rooms/{room['room']}/recording.jsonl") as answer:
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [line["question"]["id"] for line in lines if line["type"] == "outcome"] == [asked["id"]]


async def test_an_outcome_comes_into_the_log_that_another_gateway_writes(
    pair: Pair, inference: FakeInference
) -> None:
    inference.script = ENDLESS
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    await presenter.send(type="generate", prompt="x")
    await same.until("token")
    await same.send(**GUESS)
    asked = await question(same)
    await same.send(type="close", question=asked["id"])
    told = [frame["type"] for frame in await presenter.until("outcome")]
    assert "finished" not in told
    await presenter.send(type="stop")
    await presenter.until("finished")
    # And the next generation goes on in the same log.
    inference.script = Script()
    await same.send(type="generate", prompt="y")
    await presenter.until("finished")
    await same.until("finished")


async def test_a_vote_goes_on_after_redis_has_lost_everything(
    pair: Pair,
    redis: RedisServer,
) -> None:
    presenter, room = await opened(pair.a)
    here, there = await joined(pair.a, room), await joined(pair.b, room)
    await know_each_other(presenter, here, there)
    await presenter.send(**GUESS)
    asked = await question(there)
    await here.send(type="vote", question=asked["id"], option=0)
    await there.send(type="vote", question=asked["id"], option=1)
    await until(presenter, "tally", votes=2)
    redis.kill()
    await eventually(lambda: not (sharing(pair.a).available or sharing(pair.b).available))
    late = await pair.a.connect(room=room["room"])
    await late.send(type="vote", question=asked["id"], option=0)
    redis.start()
    await until(presenter, "tally", options=[2, 1], votes=3)
    await presenter.send(type="close", question=asked["id"])
    await until(there, "outcome", options=[2, 1], votes=3)


async def test_a_vote_goes_on_at_a_gateway_that_is_alone(
    shared: Settings,
    redis: RedisServer,
) -> None:
    async with harness.running(shared) as gateway:
        presenter, room = await opened(gateway)
        await presenter.send(**GUESS)
        asked = await question(presenter)
        viewer = await gateway.connect(room=room["room"])
        await viewer.send(type="vote", question=asked["id"], option=0)
        await until(presenter, "tally", votes=1)
        redis.kill()
        await eventually(lambda: not sharing(gateway).available)
        await presenter.send(type="vote", question=asked["id"], option=0)
        await until(viewer, "tally", votes=2)
        await presenter.send(type="close", question=asked["id"])
        await until(viewer, "outcome", votes=2)


async def test_the_line_goes_over_both_gateways(pair: Pair, inference: FakeInference) -> None:
    inference.script = ENDLESS
    presenter, room = await opened(pair.a)
    ada, bob = await joined(pair.b, room), await joined(pair.a, room)
    await busy_and_open(presenter, ada, bob)
    await ada.send(type="generate", prompt="of Ada", name="Ada")
    line = await until(bob, "line")
    assert [place["name"] for place in line["places"]] == ["Ada"]
    await bob.send(type="generate", prompt="of a guest")
    line = await until(ada, "line", mine=line["places"][0]["id"])
    while len(line["places"]) < 2:
        line = await until(ada, "line")
    assert [place["name"] for place in line["places"]] == ["Ada", "guest 1"]
    inference.script = Script()
    await presenter.send(type="stop")
    started = [frame["prompt"] for frame in await _started(presenter, 3)]
    assert started == ["first", "of Ada", "of a guest"]
    await until(ada, "line", places=[])


async def busy_and_open(presenter: Socket, *others: Socket) -> None:
    """A room open to all in which a generation runs, as each of these sockets knows."""
    await know_each_other(presenter, *others)
    await presenter.send(type="open", open=True)
    for socket in others:
        await socket.told(open=True)
    await presenter.send(type="generate", prompt="first")
    for socket in others:
        await socket.until("token")


async def _started(socket: Socket, count: int) -> list[Frame]:
    return [(await socket.until("started"))[-1] for _ in range(count)]


async def test_the_line_survives_the_gateway_that_generates(
    shared: Settings,
    inference: FakeInference,
) -> None:
    inference.script = ENDLESS
    async with harness.running(shared) as b:
        async with harness.running(shared) as a:
            presenter, room = await opened(a)
            lost, ada = await joined(a, room), await joined(b, room)
            await busy_and_open(presenter, lost, ada)
            # It stands first, and is lost with its gateway.
            await lost.send(type="generate", prompt="lost", name="Lost")
            await until(ada, "line")
            inference.script = Script()
            await ada.send(type="generate", prompt="of Ada", name="Ada")
            while len((line := await until(ada, "line"))["places"]) < 2:
                pass
            assert [place["name"] for place in line["places"]] == ["Lost", "Ada"]
        assert (await ada.until("started"))[-1]["prompt"] == "of Ada"
        await ada.until("finished")


async def test_the_line_goes_on_after_redis_has_lost_everything(
    pair: Pair, redis: RedisServer, inference: FakeInference
) -> None:
    inference.script = ENDLESS
    presenter, room = await opened(pair.a)
    here, there = await joined(pair.a, room), await joined(pair.b, room)
    await busy_and_open(presenter, here, there)
    await there.send(type="generate", prompt="of Ada", name="Ada")
    await until(there, "line")
    await here.send(type="generate", prompt="of Bob", name="Bob")
    while len((await until(there, "line"))["places"]) < 2:
        pass
    redis.kill()
    await eventually(lambda: not (sharing(pair.a).available or sharing(pair.b).available))
    redis.start()
    await eventually(lambda: sharing(pair.a).available and sharing(pair.b).available)
    inference.script = Script()
    await presenter.until("token")
    await presenter.send(type="stop")
    assert [frame["prompt"] for frame in await _started(presenter, 2)] == ["of Ada", "of Bob"]


async def test_the_presenter_takes_somebody_out_at_another_gateway(
    pair: Pair, inference: FakeInference
) -> None:
    inference.script = ENDLESS
    presenter, room = await opened(pair.a)
    ada = await joined(pair.b, room)
    await busy_and_open(presenter, ada)
    await ada.send(type="generate", prompt="of Ada", name="Ada")
    [place] = (await until(presenter, "line"))["places"]
    await presenter.send(type="leave", place=place["id"])
    for socket in (presenter, ada):
        await until(socket, "line", places=[], mine=None)
    await ada.send(type="leave")
    await ada.send(type="ping")
    await until(ada, "pong")
