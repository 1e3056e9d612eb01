"""`/ws` over real sockets: a generation, rooms, late and returning viewers, stopping."""

from __future__ import annotations

import dataclasses
import time

import aiohttp
import grpc
import pytest
from axon_gateway.config import Settings

from ...patience import PATIENCE, eventually
from . import harness
from .fake_inference import SOURCES, Failure, FakeInference, Script, features_at
from .harness import Frame, Running

LONG = Script(tokens=tuple(f" t{i}" for i in range(100)), delay=0.01)


def text_of(frames: list[Frame]) -> str:
    return "".join(frame["token"] for frame in frames if frame["type"] == "token")


async def test_a_generation_has_the_documented_frames(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.queue = (2, 1)
    socket = await gateway.connect()
    room = await socket.frame()
    assert (room["type"], room["seq"], room["role"], room["viewers"]) == (
        "room",
        0,
        "presenter",
        1,
    )
    assert room["presenter_token"]
    await socket.send(
        type="generate", prompt="The capital", temperature=0, seed="18446744073709551615"
    )
    frames = [f for f in await socket.until("finished") if f["type"] not in ("labels", "room")]
    kinds = [frame["type"] for frame in frames]
    assert kinds == ["queued", "queued", "started", "prompt", *["token"] * 4, "finished"]
    assert [frame["position"] for frame in frames[:2]] == [2, 1]
    started, prompt, first = frames[2:5]
    assert started["sources"] == list(SOURCES)
    assert started["prompt"] == "The capital"
    assert started["params"] == {
        "max_tokens": 4,
        "temperature": 0.0,
        "top_k": 0,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "seed": "18446744073709551615",
        "stop": [],
        "feat_k": 15,
        "act_threshold": 0.0,
    }
    assert [token["token"] for token in prompt["tokens"]] == ["<bos>", "The", " capital"]
    assert prompt["tokens"][0]["features"] == []
    assert (first["step"], first["position"], first["logprob"]) == (0, 3, -0.5)
    assert [(f["id"], f["source"], f["layer"], f["activation"]) for f in first["features"]] == [
        (id_, SOURCES[number], number, activation)
        for number in (0, 1)
        for id_, activation in features_at(3, number)
    ]
    assert text_of(frames) == " of France is Paris"
    finished = frames[-1]
    assert (finished["status"], finished["reason"]) == ("done", "length")
    assert (finished["prompt_tokens"], finished["generated_tokens"]) == (3, 4)
    assert finished["timings"]["prefill_ns"] == 2


async def test_every_feature_gets_its_label_in_its_frame_or_later(
    gateway: Running, inference: FakeInference
) -> None:
    socket = await gateway.connect()
    for _ in range(2):
        await socket.send(prompt="x")
        late: dict[tuple[str, int], str] = {}
        features = []
        for frame in await socket.until("finished"):
            tokens = frame.get("tokens", [frame])
            features += [f for token in tokens for f in token.get("features", [])]
            for id_, label in frame.get("labels", {}).items():
                late[frame["source"], int(id_)] = label
        labels = [f.get("label") or late[f["source"], f["id"]] for f in features]
        assert labels == [f"label {f['id']} of {f['source']}" for f in features]
    # In the second generation all labels are known, so none comes late.
    assert not late


async def test_a_message_without_type_generates(gateway: Running) -> None:
    socket = await gateway.connect()
    await socket.send(prompt="x")
    assert text_of(await socket.until("finished")) == " of France is Paris"


async def test_a_late_viewer_gets_everything_through_one_upstream_stream(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = LONG
    presenter = await gateway.connect()
    room = await presenter.frame()
    await presenter.send(prompt="x")
    early = await presenter.until("token")
    early += [frame for _ in range(20) for frame in await presenter.until("token")]
    viewer = await gateway.connect(room=room["room"])
    welcome = await viewer.frame()
    assert welcome["role"] == "viewer"
    assert "token" not in welcome
    seen = [f for f in await viewer.until("finished") if f["seq"] and f["type"] != "room"]
    early += await presenter.until("finished")
    assert seen == [f for f in early if f["type"] != "room"]
    assert len(inference.seen.requests) == 1


async def test_a_viewer_resumes_where_it_was(gateway: Running, inference: FakeInference) -> None:
    inference.script = LONG
    presenter = await gateway.connect()
    room = await presenter.frame()
    # A viewer stays, or the generation would end after the grace period.
    other = await gateway.connect(room=room["room"])
    await presenter.send(prompt="x")
    before = await presenter.until("token")
    await presenter.close()
    again = await gateway.connect(
        after=presenter.last,
        room=room["room"],
        token=room["presenter_token"],
        **{"from": str(presenter.last + 1)},
    )
    welcome = await again.frame()
    assert (welcome["role"], welcome["seq"]) == ("presenter", presenter.last)
    frames = before + await again.until("finished")
    assert text_of(frames) == "".join(LONG.tokens)
    await other.close()


async def test_all_are_told_how_many_watch(gateway: Running) -> None:
    presenter = await gateway.connect()
    room = await presenter.frame()
    viewer = await gateway.connect(room=room["room"])
    assert (await viewer.frame())["viewers"] == 2
    await presenter.told(viewers=2)
    await viewer.close()
    await presenter.told(viewers=1)


async def test_only_the_presenter_generates_and_stops(gateway: Running) -> None:
    presenter = await gateway.connect()
    room = await presenter.frame()
    viewer = await gateway.connect(room=room["room"], token="guess")
    await viewer.frame()
    await viewer.send(prompt="x")
    assert (await viewer.until("error"))[-1]["error"] == "not_presenter"
    await viewer.send(type="stop")
    assert (await viewer.until("error"))[-1]["error"] == "not_presenter"


async def test_a_room_opened_to_all_and_closed_again(gateway: Running) -> None:
    presenter = await gateway.connect()
    room = await presenter.frame()
    assert room["open"] is False
    viewer = await gateway.connect(room=room["room"])
    await viewer.frame()
    await viewer.send(type="open", open=True)
    assert (await viewer.until("error"))[-1]["error"] == "not_presenter"
    await presenter.send(type="open", open="yes")
    assert (await presenter.until("error"))[-1]["field"] == "open"
    await presenter.send(type="open", open=True)
    told = await viewer.told(open=True)
    assert (told["open"], told["role"]) == (True, "viewer")
    await viewer.send(prompt="x")
    assert text_of(await viewer.until("finished")) == " of France is Paris"
    await presenter.send(type="open", open=False)
    await viewer.told(open=False)
    await viewer.send(prompt="x")
    assert (await viewer.until("error"))[-1]["error"] == "not_presenter"


async def test_the_presenters_token_survives_a_reload_and_is_never_shown_to_others(
    gateway: Running,
) -> None:
    presenter = await gateway.connect()
    room = await presenter.frame()
    viewer = await gateway.connect(room=room["room"])
    assert "token" not in await viewer.frame()
    await presenter.close()
    again = await gateway.connect(room=room["room"], token=room["presenter_token"])
    assert (await again.frame())["role"] == "presenter"
    wrong = await gateway.connect(room=room["room"], token=room["presenter_token"] + "x")
    assert (await wrong.frame())["role"] == "viewer"


async def test_every_frame_says_when_it_was_made(gateway: Running) -> None:
    socket = await gateway.connect()
    await socket.send(prompt="x")
    frames = await socket.until("finished")
    times = [frame["time"] for frame in frames]
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 5


async def test_stop_frees_the_slot_and_ends_the_generation(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = LONG
    socket = await gateway.connect()
    await socket.send(prompt="x")
    await socket.until("token")
    await socket.send(type="stop")
    finished = (await socket.until("finished"))[-1]
    assert (finished["status"], finished["reason"]) == ("stopped", "cancelled")
    assert 0 < finished["generated_tokens"] < len(LONG.tokens)
    await eventually(lambda: inference.seen.running == 0)
    await socket.send(type="stop")
    assert (await socket.until("error"))[-1]["error"] == "not_running"


async def test_stop_directly_after_generate(gateway: Running, inference: FakeInference) -> None:
    inference.script = LONG
    socket = await gateway.connect()
    for _ in range(20):
        await socket.send(prompt="x")
        await socket.send(type="stop")
        assert (await socket.until("finished", "error"))[-1].get("status") == "stopped"
    await eventually(lambda: inference.seen.running == 0)


async def test_a_second_generation_in_a_busy_room_is_refused(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = LONG
    socket = await gateway.connect()
    await socket.send(prompt="x")
    await socket.until("token")
    await socket.send(prompt="y")
    assert (await socket.until("error"))[-1]["error"] == "busy"
    assert text_of([*await socket.until("finished")])
    await socket.send(prompt="y")
    assert (await socket.until("started"))[-1]["prompt"] == "y"


async def test_the_next_generation_may_follow_finished_at_once(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = Script(linger=0.1)
    socket = await gateway.connect()
    for number in range(3):
        await socket.send(prompt=f"prompt {number}")
        frames = await socket.until("finished")
        assert [f["prompt"] for f in frames if f["type"] == "started"] == [f"prompt {number}"]
        assert not [f for f in frames if f["type"] == "error"]


async def test_without_viewers_a_generation_ends_after_the_grace_period(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = LONG
    socket = await gateway.connect()
    room = await socket.frame()
    await socket.send(prompt="x")
    await socket.until("token")
    await socket.close()
    assert inference.seen.running == 1
    await eventually(lambda: inference.seen.running == 0)
    again = await gateway.connect(room=room["room"])
    assert (await again.until("finished"))[-1]["status"] == "stopped"


async def test_an_empty_room_expires(settings: Settings) -> None:
    settings = dataclasses.replace(settings, room_grace=0.0, room_idle=0.05)
    async with harness.running(settings) as gateway:
        socket = await gateway.connect()
        room = await socket.frame()
        await socket.close()
        await eventually(lambda: gateway.gateway.rooms.get(room["room"]) is None)
        late = await gateway.connect(room=room["room"])
        assert (await late.frame())["error"] == "unknown_room"
        closing = await late.raw.receive(PATIENCE)
        assert closing.type is aiohttp.WSMsgType.CLOSE


async def test_rooms_are_limited_and_empty_ones_make_space(settings: Settings) -> None:
    async with harness.running(dataclasses.replace(settings, max_rooms=1)) as gateway:
        first = await gateway.connect()
        await first.send(prompt="x")
        await first.until("finished")
        second = await gateway.connect()
        await second.send(prompt="x")
        assert (await second.until("error"))[-1]["error"] == "too_many_rooms"
        await first.close()
        room = gateway.gateway.rooms.get(first.room["room"])
        await eventually(lambda: room is not None and not room.local_viewers)
        await second.send(prompt="x")
        assert (await second.until("finished"))[-1]["status"] == "done"


async def test_idle_sockets_take_no_rooms_from_others(settings: Settings) -> None:
    async with harness.running(dataclasses.replace(settings, max_rooms=4)) as gateway:
        kept = await gateway.connect()
        room = await kept.frame()
        await kept.send(prompt="x")
        await kept.until("finished")
        await kept.close()
        waiting = [await gateway.connect() for _ in range(90)]
        for socket in waiting:
            assert (await socket.frame())["type"] == "room"
        # The empty room still exists, and one of the waiting sockets may generate.
        assert (await (await gateway.connect(room=room["room"])).until("finished"))[-1]["seq"] > 3
        await waiting[-1].send(prompt="x")
        assert (await waiting[-1].until("finished"))[-1]["status"] == "done"
        for socket in waiting:
            await socket.close()


async def test_an_address_with_many_rooms_loses_its_own_rooms_first(settings: Settings) -> None:
    async def generated(gateway: Running, address: str) -> tuple[Frame, aiohttp.ClientSession]:
        session = aiohttp.ClientSession(headers={"X-Forwarded-For": address})
        socket = harness.Socket(await session.ws_connect(f"{gateway.url}/ws"))
        room = await socket.frame()
        await socket.send(prompt="x")
        await socket.until("finished")
        return room, session

    async with harness.running(dataclasses.replace(settings, max_rooms=6)) as gateway:
        kept, session = await generated(gateway, "10.0.0.1")
        await session.close()
        greedy = []
        for _ in range(10):
            room, session = await generated(gateway, "10.0.0.2")
            await session.close()
            greedy.append(room["room"])
            await eventually(lambda: not any(r.local_viewers for r in gateway.gateway.rooms.all()))
        ids = {room.id for room in gateway.gateway.rooms.all()}
        assert ids == {kept["room"], *greedy[-3:]}


async def test_a_refusal_by_inference_is_sent_only_to_the_client_that_asked(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.refusal = Failure(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue is full", retry_seconds=2
    )
    socket = await gateway.connect()
    await socket.frame()
    await socket.send(prompt="x")
    error = (await socket.until("error"))[-1]
    assert (error["error"], error["retry_after"], error["seq"]) == ("queue_full", 2.0, 0)
    inference.script = Script()
    await socket.send(prompt="x")
    assert text_of(await socket.until("finished")) == " of France is Paris"


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
async def test_foreign_pages_may_not_connect(gateway: Running, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await gateway.http.ws_connect(f"{gateway.url}/ws", headers={"Origin": origin})
    assert refused.value.status == 403
    own = await gateway.http.ws_connect(f"{gateway.url}/ws", headers={"Origin": gateway.url})
    await own.close()
