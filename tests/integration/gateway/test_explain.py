"""Why a token came: over HTTP, over sockets, and with a generation's tokens."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any
from unittest.mock import AsyncMock

import grpc
import pytest
from axon import recording
from axon_gateway.config import Settings
from axon_gateway.frames import encode
from axon_gateway.rooms import recording as recordings

from . import harness
from .fake_inference import SOURCES, Failure, FakeInference, Script, effects_at
from .harness import Frame, Running, Socket, eventually
from .test_edits import MAXIMUM, SILENCE, of
from .test_recordings import download
from .test_several_gateways import Pair, joined, opened, pair, redis, shared

__all__ = ["pair", "redis", "shared"]

PROMPT = {"prompt": "The capital of France is"}
#: The fake's position after the prompt.
AFTER = 3


async def ask(gateway: Running, status: int = 200, **body: Any) -> list[Frame]:
    async with gateway.http.post(f"{gateway.url}/api/explain", json=body) as answer:
        assert answer.status == status
        return [json.loads(line) async for line in answer.content]


async def asked(client: Socket, id_: str, **question: Any) -> list[Frame]:
    """The frames of an answer on a socket."""
    await client.send(type="explain", id=id_, **question)
    found: list[Frame] = []
    while not found or found[-1]["type"] not in ("explained", "error"):
        frame = await client.frame()
        if frame.get("id") == id_:
            found.append(frame)
    return found


def expected(position: int, limit: int = 64) -> list[Frame]:
    """The fake's effects on a token, as clients read them."""
    return [
        {
            "position": one.position,
            "source": SOURCES[one.source],
            "feature": one.feature,
            "label": f"label {one.feature} of {SOURCES[one.source]}",
            "activation": one.activation,
            "logprob": one.logprob,
            "logit": one.logit,
        }
        for one in effects_at(position, SOURCES)[:limit]
    ]


def bare(frame: Frame) -> Frame:
    return {k: v for k, v in frame.items() if k not in ("type", "seq", "time", "id")}


async def test_an_explanation_over_http(gateway: Running, inference: FakeInference) -> None:
    first, *effects, last = await ask(gateway, **PROMPT, target=" Paris", rival={"token_id": 8})
    assert first["type"] == "explaining"
    assert first["target"] == {"token": " Paris", "token_id": 7, "logprob": -0.5}
    assert first["rival"] == {"token": " London", "token_id": 8, "logprob": -1.5}
    assert (first["model"], first["sources"]) == ("fake", list(SOURCES))
    assert first["tokens"][1] == {"position": 1, "token_id": 1, "token": "The"}
    assert (first["position"], first["logit"], first["active"], first["tried"]) == (AFTER, 1, 8, 8)
    assert [bare(one) for one in effects] == expected(AFTER)
    assert {one["type"] for one in effects} == {"effect"}
    assert bare(last) == {
        "active": 8,
        "tried": 8,
        "agreement": {"pearson": 0.40625, "top_5": 0.6},
        "elapsed_ms": 12.5,
    }
    assert [frame["seq"] for frame in (first, *effects, last)] == list(range(1, 11))
    [request] = inference.seen.explained
    assert (request.target.text, request.rival.token_id) == (" Paris", 8)
    assert not request.HasField("position")


async def test_all_that_may_be_asked_arrives(gateway: Running, inference: FakeInference) -> None:
    path = {"source": SOURCES[0], "feature": 7, "position": 1}
    frames = await ask(
        gateway,
        token_ids=[0, 1, 2, 3, 4, 5],
        position=4,
        prompt_tokens=3,
        target={"token_id": 4},
        sources=[SOURCES[1], SOURCES[0]],
        limit=3,
        edits=[SILENCE, {"source": SOURCES[0], "feature": 9, "set": 0.5, "unit": "max"}],
        path=path,
        progress=True,
    )
    [request] = inference.seen.explained
    assert list(request.token_ids) == [0, 1, 2, 3, 4, 5]
    assert (request.position, request.options.limit, request.target.token_id) == (4, 3, 4)
    assert request.prompt_tokens == 3
    assert list(request.options.sources) == [SOURCES[1], SOURCES[0]]
    assert [edit.feature for edit in request.edits] == [21, 9]
    assert request.edits[1].set == MAXIMUM / 2
    assert (request.path.source, request.path.feature, request.path.position) == (SOURCES[0], 7, 1)
    [told] = of(frames, "path")
    label = {"label": f"label 7 of {SOURCES[0]}"}
    assert told["removal"] == {"source": SOURCES[0], "feature": 7, **label, "position": 1}
    assert told["source"] == SOURCES[1]
    after = {"feature": 8, "label": f"label 8 of {SOURCES[1]}", "before": 2.5, "after": 1}
    assert told["effects"] == [{"position": 2, **after}]
    measured = [one for frame in of(frames, "effects") for one in frame["effects"]]
    # As they were measured, and the strongest first.
    assert measured == [bare(one) for one in reversed(of(frames, "effect"))]
    assert len(measured) == 3


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "empty_prompt", "prompt"),
        ({"prompt": ""}, "empty_prompt", "prompt"),
        ({"prompt": 5}, "wrong_type", "prompt"),
        ({"token_ids": []}, "empty_prompt", "token_ids"),
        ({"token_ids": "1, 2"}, "wrong_type", "token_ids"),
        ({"token_ids": [1.5]}, "wrong_type", "token_ids"),
        ({"token_ids": [2**32]}, "out_of_range", "token_ids"),
        ({**PROMPT, "token_ids": [1]}, "out_of_range", "token_ids"),
        ({**PROMPT, "position": -1}, "out_of_range", "position"),
        ({**PROMPT, "prompt_tokens": "2"}, "wrong_type", "prompt_tokens"),
        ({**PROMPT, "target": 5}, "wrong_type", "target"),
        ({**PROMPT, "target": ""}, "out_of_range", "target"),
        ({**PROMPT, "target": {}}, "wrong_type", "target.token_id"),
        ({**PROMPT, "rival": {"text": " x"}}, "unknown_field", "rival.text"),
        ({**PROMPT, "sources": 5}, "wrong_type", "sources"),
        ({**PROMPT, "limit": "8"}, "wrong_type", "limit"),
        ({**PROMPT, "edits": 5}, "wrong_type", "edits"),
        ({**PROMPT, "edits": [{**SILENCE, "set": 1}]}, "out_of_range", "edits[0]"),
        ({**PROMPT, "path": 5}, "wrong_type", "path"),
        ({**PROMPT, "path": {"feature": 1}}, "wrong_type", "path.source"),
        ({**PROMPT, "path": {"source": "a"}}, "wrong_type", "path.feature"),
        ({**PROMPT, "path": {"source": "a" * 301, "feature": 1}}, "out_of_range", "path.source"),
        ({**PROMPT, "path": {"source": "a", "feature": 1, "x": 1}}, "unknown_field", "path.x"),
        ({**PROMPT, "progress": 1}, "wrong_type", "progress"),
        ({**PROMPT, "cancel": True}, "unknown_field", "cancel"),
        # By inference.
        ({**PROMPT, "target": "two tokens"}, "out_of_range", "target"),
        ({**PROMPT, "sources": ["fake/9-res"]}, "unknown_source", "sources"),
        ({**PROMPT, "edits": [{**SILENCE, "feature": 999}]}, "out_of_range", "edits[0].feature"),
    ],
)
async def test_what_is_wrong_is_named(
    gateway: Running, body: dict[str, Any], code: str, field: str
) -> None:
    [refused] = await ask(gateway, status=400, **body)
    assert (refused["error"], refused["field"]) == (code, field)
    client = await gateway.connect()
    [refused] = await asked(client, "x", **body) if "cancel" not in body else [refused]
    assert (refused["error"], refused["field"]) == (code, field)
    assert (await asked(client, "y", **PROMPT))[-1]["type"] == "explained"


async def test_a_model_that_is_not_served_is_refused(gateway: Running) -> None:
    [backend] = gateway.gateway.backends.all
    await eventually(lambda: backend.last_model is not None)
    [refused] = await ask(gateway, status=400, **PROMPT, model="none")
    assert (refused["error"], refused["field"]) == ("unknown_model", "model")
    assert (await ask(gateway, **PROMPT, model="fake"))[-1]["type"] == "explained"


async def test_a_long_prompt_is_refused(settings: Settings) -> None:
    async with harness.running(dataclasses.replace(settings, max_prompt=5)) as gateway:
        [refused] = await ask(gateway, status=400, **PROMPT)
        assert (refused["error"], refused["field"]) == ("prompt_too_long", "prompt")


async def test_an_explanation_that_breaks_off_ends_with_an_error(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.failure = Failure(grpc.StatusCode.INTERNAL, "values are not finite")
    frames = await ask(gateway, **PROMPT)
    assert (frames[0]["type"], frames[-1]["type"]) == ("explaining", "error")
    assert frames[-1]["error"] == "generation_failed"
    frames = await asked(await gateway.connect(), "x", **PROMPT)
    assert (frames[0]["type"], frames[-1]["error"]) == ("explaining", "generation_failed")


async def test_a_service_that_does_not_explain(gateway: Running, inference: FakeInference) -> None:
    inference.script.refusal = Failure(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
    [refused] = await ask(gateway, status=501, **PROMPT)
    assert refused["error"] == "not_possible"


async def test_who_leaves_ends_the_explanation(gateway: Running, inference: FakeInference) -> None:
    inference.script.unexplained = True
    asking = asyncio.create_task(ask(gateway, **PROMPT))
    await eventually(lambda: inference.seen.explaining == 1)
    asking.cancel()
    await eventually(lambda: inference.seen.explaining == 0)
    client = await gateway.connect()
    await client.send(type="explain", id="a", **PROMPT)
    await eventually(lambda: inference.seen.explaining == 1)
    await client.close()
    await eventually(lambda: inference.seen.explaining == 0)
    assert inference.seen.explanations_cancelled == 2


async def test_a_cancelled_question_ends_without_a_word(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.unexplained = True
    client = await gateway.connect()
    await client.send(type="explain", id="a", **PROMPT)
    await eventually(lambda: inference.seen.explaining == 1)
    await client.send(type="explain", id="a", cancel=True)
    await eventually(lambda: inference.seen.explaining == 0)
    # The id is free, and cancelling what is not under way is no mistake.
    await client.send(type="explain", id="b", cancel=True)
    inference.script.unexplained = False
    frames = await asked(client, "a", **PROMPT)
    assert frames[-1]["type"] == "explained"
    assert "error" not in {frame["type"] for frame in frames}


@pytest.mark.parametrize("id_", [None, "", 5, "x" * 65])
async def test_a_question_on_a_socket_needs_an_id(gateway: Running, id_: object) -> None:
    client = await gateway.connect()
    await client.send(type="explain", id=id_, **PROMPT)
    [refused] = of(await client.until("error"), "error")
    assert refused["field"] == "id"


async def test_an_id_names_one_question_at_a_time(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.unexplained = True
    client = await gateway.connect()
    await client.send(type="explain", id="a", **PROMPT)
    await client.until("explaining")
    await client.send(type="explain", id="a", **PROMPT)
    [refused] = of(await client.until("error"), "error")
    assert (refused["field"], refused["id"]) == ("id", "a")
    assert inference.seen.explaining == 1


async def test_the_answer_goes_to_the_asker_alone(
    gateway: Running, inference: FakeInference
) -> None:
    """Viewers may ask, while the room's run goes on; nobody else sees it."""
    inference.script = Script(tokens=(" t",) * 100, delay=0.01)
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    await presenter.send(type="generate", prompt="x")
    await presenter.until("token")
    viewer = await gateway.connect(room=room)
    answer = await asked(viewer, "why", **PROMPT)
    assert [bare(one) for one in of(answer, "effect")] == expected(AFTER)
    assert not [one for one in await presenter.until("finished") if "id" in one]
    assert '"explain' not in await download(gateway, room)


async def test_questions_of_one_address_are_limited(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script.unexplained = True
    async with harness.running(dataclasses.replace(settings, client_explanations=2)) as gateway:
        client = await gateway.connect()
        for id_ in ("a", "b"):
            await client.send(type="explain", id=id_, **PROMPT)
        await eventually(lambda: inference.seen.explaining == 2)
        [refused] = await ask(gateway, status=429, **PROMPT)
        assert refused["error"] == "too_many_questions"
        [refused] = await asked(client, "c", **PROMPT)
        assert refused["error"] == "too_many_questions"
        assert refused["retry_after"] > 0
        await client.send(type="explain", id="a", cancel=True)
        await eventually(lambda: inference.seen.explaining == 1)
        inference.script.unexplained = False
        assert (await ask(gateway, **PROMPT))[-1]["type"] == "explained"


async def test_no_token_is_needed_to_ask_but_one_to_watch_is(
    settings: Settings,
) -> None:
    generating = dataclasses.replace(settings, generate_tokens=("secret",))
    async with harness.running(generating) as gateway:
        assert (await ask(gateway, **PROMPT))[-1]["type"] == "explained"
        assert (await asked(await gateway.connect(), "x", **PROMPT))[-1]["type"] == "explained"
    async with harness.running(dataclasses.replace(settings, join_tokens=("key",))) as gateway:
        [refused] = await ask(gateway, status=401, **PROMPT)
        assert refused["error"] == "no_access"


async def test_a_slow_asker_loses_nothing(gateway: Running, inference: FakeInference) -> None:
    """More frames than may wait for a viewer, all asked for before the first is read."""
    inference.script = Script(prompt=("x",) * 40, tokens=())
    client = await gateway.connect()
    for id_ in "abcdefgh":
        await client.send(type="explain", id=id_, limit=150, **PROMPT)
    frames: list[Frame] = []
    while len(of(frames, "explained")) < 8:
        frames.append(await client.frame())
    for id_ in "abcdefgh":
        mine = [frame for frame in frames if frame.get("id") == id_]
        assert len(of(mine, "effect")) == 150
        assert (mine[0]["type"], mine[-1]["type"]) == ("explaining", "explained")


async def explained_run(client: Socket, **request: Any) -> list[Frame]:
    await client.send(type="generate", prompt="x", explain={}, **request)
    return await client.until("finished", "error")


async def test_causes_follow_each_token(gateway: Running, inference: FakeInference) -> None:
    client = await gateway.connect()
    room = (await client.frame())["room"]
    frames = await explained_run(client)
    told = of(frames, "token", "effects")
    assert [frame["type"] for frame in told] == ["token", "effects"] * 4
    for token, effects in zip(told[::2], told[1::2], strict=True):
        assert (effects["branch"], effects["position"]) == (0, token["position"])
        assert effects["effects"] == expected(token["position"])
        assert (effects["active"], effects["tried"]) == (len(effects["effects"]),) * 2
        assert effects["rival"]["token"] == " London"
        assert effects["agreement"]["pearson"] == 0.40625
    assert inference.seen.requests[0].HasField("explain")
    # Those who come later see them, and so does a recording.
    late = await gateway.connect(room=room)
    assert of(await late.until("finished"), "effects") == of(frames, "effects")
    kept = recording.load((await download(gateway, room)).splitlines())
    assert of(kept, "effects") == of(frames, "effects")


async def test_what_was_not_explained_says_so(gateway: Running, inference: FakeInference) -> None:
    inference.script.missed = True
    frames = of(await explained_run(await gateway.connect()), "effects")
    assert [bare(frame) for frame in frames] == [
        {"branch": 0, "position": position, "missed": True} for position in (3, 4, 5, 6)
    ]


async def test_causes_by_branch_and_source(gateway: Running, inference: FakeInference) -> None:
    await (client := await gateway.connect()).send(
        type="generate",
        prompt="x",
        branches=[{}, {"edits": [SILENCE]}],
        explain={"sources": [SOURCES[1]], "limit": 2},
    )
    frames = of(await client.until("finished"), "effects")
    assert [(frame["branch"], frame["position"]) for frame in frames[:4]] == [
        (0, 3),
        (1, 3),
        (0, 4),
        (1, 4),
    ]
    for frame in frames:
        assert {one["source"] for one in frame["effects"]} == {SOURCES[1]}
        assert (len(frame["effects"]), frame["tried"]) == (2, 2)


@pytest.mark.parametrize(
    ("explain", "code", "field"),
    [
        (5, "wrong_type", "explain"),
        ({"limit": -1}, "out_of_range", "explain.limit"),
        ({"sources": 5}, "wrong_type", "explain.sources"),
        ({"source": "x"}, "unknown_field", "explain.source"),
    ],
)
async def test_a_bad_explain_option_is_named(
    gateway: Running, explain: object, code: str, field: str
) -> None:
    client = await gateway.connect()
    await client.send(type="generate", prompt="x", explain=explain)
    [refused] = of(await client.until("error"), "error")
    assert (refused["error"], refused["field"]) == (code, field)


async def test_a_recording_fills_in_the_labels_of_causes() -> None:
    """Of features that no token carries, and which had no label when they were sent."""
    first = {"source": SOURCES[0], "feature": 3, "position": 1}
    second = {"source": SOURCES[0], "feature": 4, "position": 1, "label": "known"}
    log = [
        encode({"type": "effects", "branch": 0, "position": 3, "effects": [first, second]}, 1),
        encode({"type": "labels", "source": SOURCES[0], "labels": {"3": "late"}}, 2),
    ]
    labels = AsyncMock()
    lines = [json.loads(line) async for line in recordings.lines("room", log, labels)]
    assert [one["label"] for one in lines[1]["effects"]] == ["late", "known"]
    labels.look_up.assert_not_called()
    labels.look_up.return_value = {3: "now"}
    lines = [json.loads(line) async for line in recordings.lines("room", log[:1], labels)]
    assert [one["label"] for one in lines[1]["effects"]] == ["now", "known"]
    labels.look_up.assert_called_once_with(SOURCES[0], {3})


async def test_viewers_at_another_gateway_see_the_causes_and_may_ask(
    pair: Pair, inference: FakeInference
) -> None:
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    here = of(await explained_run(presenter), "effects")
    assert of(await viewer.until("finished"), "effects") == here
    assert len(here) == 4
    assert (await asked(viewer, "why", **PROMPT))[-1]["type"] == "explained"


async def test_the_model_says_how_much_it_explains(gateway: Running) -> None:
    async with gateway.http.get(f"{gateway.url}/api/model") as answer:
        assert (await answer.json())["limits"]["removals"] == 256


async def test_metrics_count_explanations(gateway: Running) -> None:
    async def read(name: str) -> float:
        async with gateway.http.get(f"{gateway.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    done, removals = 'axon_explanations_total{outcome="done"}', 'axon_removals_total{of="question"}'
    before = await read(done), await read(removals)
    await ask(gateway, **PROMPT)
    assert (await read(done), await read(removals)) == (before[0] + 1, before[1] + 8)
    assert await read("axon_explanations_in_progress") == 0
