"""Branches and edits over sockets and HTTP: what is shown, who may edit, what is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from axon import recording
from axon_gateway.config import Settings

from ...patience import eventually
from . import harness
from .fake_inference import SEED, SOURCES, WIDTH, FakeInference, Script
from .harness import Frame, Running, Socket
from .test_earlier_client import earlier_client
from .test_recordings import download, replay

SILENCE: dict[str, Any] = {"source": SOURCES[0], "feature": 21, "scale": 0}
SILENCED = {**SILENCE, "where": "while_firing"}
TWIN = [{"name": "as is"}, {"name": "silent", "edits": [SILENCE]}]
#: The largest activation in the labels' files.
MAXIMUM = 4.5
#: One that a test ends.
LONG = Script(tokens=(" t",) * 10_000, delay=0.01)


def of(frames: list[Frame], *kinds: str) -> list[Frame]:
    return [frame for frame in frames if frame["type"] in kinds]


def texts(frames: list[Frame], branch: int) -> str:
    return "".join(frame["token"] for frame in of(frames, "token") if frame["branch"] == branch)


async def generated(client: Socket, **request: Any) -> list[Frame]:
    await client.send(type="generate", prompt="The capital", **request)
    return await client.until("finished", "error")


async def test_a_twin_is_told_by_branch(gateway: Running) -> None:
    frames = await generated(
        await gateway.connect(), branches=TWIN, pace=500, alternatives=2, seed="5"
    )
    [started] = of(frames, "started")
    assert started["branches"] == [
        {"name": "as is", "edits": [], "seed": "5"},
        {"name": "silent", "edits": [SILENCED], "seed": "5"},
    ]
    assert (started["pace"], started["alternatives"]) == (500, 2)
    prompts = of(frames, "prompt")
    assert [prompt["branch"] for prompt in prompts] == [0, 1]
    assert [token.get("logprob") for token in prompts[0]["tokens"]] == [None, -0.5, -0.5]
    assert (texts(frames, 0), texts(frames, 1)) == (
        " of France is Paris",
        " of~ France~ is~ Paris~",
    )
    for branch in (0, 1):
        tokens = [frame for frame in of(frames, "token") if frame["branch"] == branch]
        assert [token["step"] for token in tokens] == [0, 1, 2, 3]
        assert [token["position"] for token in tokens] == [3, 4, 5, 6]
    [plain, silent] = of(frames, "token")[:2]
    assert plain["alternatives"][0] == {"token": " a0", "token_id": 4, "logprob": -0.5}
    assert not any("edited" in feature for feature in plain["features"])
    [mark] = [feature for feature in silent["features"] if "edited" in feature]
    assert (mark["id"], mark["activation"], mark["before"], mark["edited"]) == (21, 0, 3, True)
    assert mark["label"] == f"label 21 of {SOURCES[0]}"
    assert frames[-1]["generated_tokens"] == 8


async def test_one_branch_is_shown_as_ever(gateway: Running, inference: FakeInference) -> None:
    frames = await generated(await gateway.connect(), edits=[SILENCE])
    assert not any("branch" in frame for frame in frames)
    assert of(frames, "started")[0]["branches"][0]["edits"] == [SILENCED]
    assert "".join(f["token"] for f in of(frames, "token")) == " of~ France~ is~ Paris~"
    [request] = inference.seen.requests
    assert [len(branch.edits) for branch in request.branches] == [1]
    assert not request.HasField("alternatives")


async def test_a_branch_that_ends_early_is_told(gateway: Running, inference: FakeInference) -> None:
    inference.script.ends = {1: 2}
    frames = await generated(await gateway.connect(), branches=TWIN)
    [ended] = of(frames, "branch_ended")
    assert (ended["branch"], ended["reason"], ended["generated_tokens"]) == (1, "stop", 2)
    assert texts(frames, 1) == " of~ France~"
    assert frames[-1]["generated_tokens"] == 6


async def test_a_stopped_twin_counts_the_tokens_of_both(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = LONG
    client = await gateway.connect()
    await client.send(type="generate", prompt="x", branches=TWIN)
    frames = await client.until("token")
    await client.send(type="stop")
    frames += await client.until("finished")
    assert frames[-1]["generated_tokens"] == len(of(frames, "token"))
    await eventually(lambda: not inference.runs)


async def test_the_same_over_http(gateway: Running) -> None:
    body = {"prompt": "x", "branches": TWIN, "alternatives": 1}
    async with gateway.http.post(f"{gateway.url}/api/generate", json=body) as answer:
        assert answer.status == 200
        frames = [json.loads(line) async for line in answer.content]
    assert texts(frames, 1) == " of~ France~ is~ Paris~"
    assert [branch["name"] for branch in frames[0]["branches"]] == ["as is", "silent"]


async def test_nobody_learns_the_name_that_inference_gave(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = LONG
    client = await gateway.connect()
    await client.send(type="generate", prompt="x", branches=TWIN)
    frames = await client.until("token")
    [name] = inference.runs
    await client.send(type="edit", edits=[SILENCE])
    frames += await client.until("edited")
    room = frames[0]["room"]
    assert name not in json.dumps(frames) + await download(gateway, room)


def strength(inference: FakeInference) -> float:
    [edit] = inference.seen.requests[-1].branches[-1].edits
    return edit.set or edit.add


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"set": 2, "unit": "max"}, 2 * MAXIMUM),
        ({"add": -1.5, "unit": "max"}, -1.5 * MAXIMUM),
        ({"set": 2}, 2),
        ({"set": 2, "unit": None}, 2),
    ],
)
async def test_a_strength_may_be_in_maxima(
    gateway: Running, inference: FakeInference, change: dict[str, Any], expected: float
) -> None:
    client = await gateway.connect()
    edit = {"source": SOURCES[1], "feature": 9, **change}
    assert (await generated(client, edits=[edit]))[-1]["type"] == "finished"
    assert strength(inference) == expected
    assert (await generated(client, branches=[{}, {"edits": [edit]}]))[-1]["type"] == "finished"
    assert strength(inference) == expected


async def test_a_strength_in_maxima_needs_a_known_one(
    settings: Settings, inference: FakeInference
) -> None:
    with harness.redis_server() as redis:
        settings = dataclasses.replace(settings, labels=None, redis_url=redis.url)
        settings = dataclasses.replace(settings, neuronpedia_export="", neuronpedia_api="")
        await _without_maxima(settings)
    assert not inference.seen.requests


async def _without_maxima(settings: Settings) -> None:
    async with harness.running(settings) as gateway:
        edit = {"source": SOURCES[1], "feature": 9, "set": 2, "unit": "max"}
        error = (await generated(await gateway.connect(), edits=[edit]))[-1]
        assert (error["error"], error["field"]) == ("no_maximum", "edits[0].unit")
        assert f"{SOURCES[1]}/9" in error["message"]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"edits": [{**SILENCE, "source": "fake/9-res"}]}, "unknown_source", "edits[0].source"),
    ({"edits": [{**SILENCE, "feature": WIDTH}]}, "out_of_range", "edits[0].feature"),
    ({"edits": [{**SILENCE, "source": SOURCES[1]}]}, "not_editable", "edits[0].source"),
    ({"edits": [SILENCE] * 9}, "out_of_range", "edits"),
    ({"edits": "all"}, "wrong_type", "edits"),
    ({"edits": ["x"]}, "wrong_type", "edits[0]"),
    ({"edits": [{**SILENCE, "set": 1}]}, "out_of_range", "edits[0]"),
    ({"edits": [{**SILENCE, "scale": "0"}]}, "wrong_type", "edits[0].scale"),
    ({"edits": [{**SILENCE, "scale": 1e39}]}, "out_of_range", "edits[0].scale"),
    ({"edits": [{**SILENCE, "feature": -1}]}, "out_of_range", "edits[0].feature"),
    ({"edits": [{**SILENCE, "source": 5}]}, "wrong_type", "edits[0].source"),
    ({"edits": [{**SILENCE, "source": "\ud800"}]}, "wrong_type", "edits[0].source"),
    ({"edits": [{**SILENCE, "wher": 1}]}, "unknown_field", "edits[0].wher"),
    ({"edits": [{**SILENCE, "where": "here"}]}, "wrong_type", "edits[0].where"),
    ({"edits": [{**SILENCE, "unit": "max"}]}, "out_of_range", "edits[0].unit"),
    ({"edits": [{**SILENCE, "unit": "kg"}]}, "wrong_type", "edits[0].unit"),
    (
        {"edits": [{"source": "fake/9-res", "feature": 1, "set": 1, "unit": "max"}]},
        "unknown_source",
        "edits[0].source",
    ),
    (
        {"edits": [{"source": SOURCES[0], "feature": WIDTH, "set": 1, "unit": "max"}]},
        "out_of_range",
        "edits[0].feature",
    ),
]
REFUSED_REQUESTS: list[tuple[dict[str, Any], str, str]] = [
    *REFUSED,
    ({"branches": [{}] * 9}, "out_of_range", "branches"),
    ({"branches": {}}, "wrong_type", "branches"),
    ({"branches": [[]]}, "wrong_type", "branches[0]"),
    ({"branches": [{"edit": []}]}, "unknown_field", "branches[0].edit"),
    ({"branches": [{"name": 5}]}, "wrong_type", "branches[0].name"),
    ({"branches": [{"seed": -1}]}, "out_of_range", "branches[0].seed"),
    (
        {"branches": [{}, {"edits": [{**SILENCE, "feature": WIDTH}]}]},
        "out_of_range",
        "branches[1].edits[0].feature",
    ),
    ({"branches": [], "edits": []}, "out_of_range", "edits"),
    ({"pace": "fast"}, "wrong_type", "pace"),
    ({"alternatives": 1.5}, "wrong_type", "alternatives"),
]


@pytest.mark.parametrize(("request_", "code", "field"), REFUSED_REQUESTS)
async def test_a_request_is_refused_by_the_name_of_its_field(
    gateway: Running, inference: FakeInference, request_: dict[str, Any], code: str, field: str
) -> None:
    inference.not_editable = {SOURCES[1]: "it does not write to the residual stream"}
    client = await gateway.connect()
    error = (await generated(client, **request_))[-1]
    assert (error["type"], error["error"], error["field"]) == ("error", code, field)
    assert field in error["message"]
    assert not inference.runs
    assert (await generated(client))[-1]["type"] == "finished"


@pytest.mark.parametrize(("edit", "code", "field"), REFUSED)
async def test_an_edit_is_refused_to_the_one_who_asked_alone(
    gateway: Running, inference: FakeInference, edit: dict[str, Any], code: str, field: str
) -> None:
    inference.not_editable = {SOURCES[1]: "it does not write to the residual stream"}
    inference.script = LONG
    client = await gateway.connect()
    room = (await client.frame())["room"]
    await client.send(type="generate", prompt="x")
    await client.until("token")
    viewer = await gateway.connect(room=room)
    await viewer.until("token")
    await client.send(type="edit", **edit)
    error = (await client.until("error"))[-1]
    assert (error["error"], error["field"]) == (code, field)
    await client.send(type="stop")
    assert not of(await viewer.until("finished"), "error", "edited")


async def test_a_service_that_does_not_see_branches_is_not_believed(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script.old = True
    client = await gateway.connect()
    error = (await generated(client, edits=[SILENCE]))[-1]
    assert (error["error"], "too old" in error["message"]) == ("generation_failed", True)
    assert (await generated(client))[-1]["type"] == "finished"


async def test_an_edit_in_mid_stream_is_told_to_all_and_to_those_who_come_late(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = Script(tokens=(" t",) * 60, delay=0.02)
    client = await gateway.connect()
    room = (await client.frame())["room"]
    await client.send(type="generate", prompt="x", branches=TWIN)
    frames = await client.until("token")
    await client.send(
        type="edit", branch=0, edits=[{"source": SOURCES[1], "feature": 9, "set": 1, "unit": "max"}]
    )
    frames += await client.until("edited")
    edited = frames[-1]
    assert edited["branch"] == 0
    assert edited["edits"] == [
        {"source": SOURCES[1], "feature": 9, "set": MAXIMUM, "where": "while_firing"}
    ]
    frames += await client.until("finished")
    tokens = [frame for frame in of(frames, "token") if frame["branch"] == 0]
    assert {t["token"] for t in tokens if t["position"] < edited["position"]} == {" t"}
    assert {t["token"] for t in tokens if t["position"] >= edited["position"]} == {" t~"}
    late = await (await gateway.connect(room=room)).until("finished")
    assert of(late, "edited") == [edited]
    kept = recording.load((await download(gateway, room)).splitlines())
    assert of(kept, "edited") == [edited]


async def test_an_empty_edit_ends_all_edits(gateway: Running, inference: FakeInference) -> None:
    inference.script = LONG
    client = await gateway.connect()
    await client.send(type="generate", prompt="x", edits=[SILENCE])
    await client.until("token")
    await client.send(type="edit", edits=[])
    assert (await client.until("edited"))[-1]["edits"] == []
    assert (await client.until("token"))[-1]["token"] == " t"


async def test_an_edit_needs_something_to_edit(gateway: Running, inference: FakeInference) -> None:
    client = await gateway.connect()

    async def refused(**message: Any) -> tuple[str, str | None]:
        await client.send(type="edit", **message)
        error = (await client.until("error"))[-1]
        return error["error"], error["field"]

    assert await refused(edits=[SILENCE]) == ("not_running", None)
    assert await refused() == ("wrong_type", "edits")
    assert await refused(edits=[], branch=-1) == ("out_of_range", "branch")
    assert await refused(edits=[], step=1) == ("unknown_field", "step")
    turns = asyncio.Semaphore(0)
    inference.script = dataclasses.replace(LONG, queue=(1,), turns=turns)
    await client.send(type="generate", prompt="x")
    await client.until("queued")
    assert await refused(edits=[SILENCE]) == ("not_running", None)
    turns.release()
    turns.release()
    await client.until("token")
    assert await refused(edits=[SILENCE], branch=1) == ("out_of_range", "branch")


async def test_only_who_may_generate_may_edit(gateway: Running, inference: FakeInference) -> None:
    inference.script = LONG
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    await presenter.send(type="generate", prompt="x")
    await presenter.until("token")
    viewer = await gateway.connect(room=room)
    await viewer.until("token")
    await viewer.send(type="edit", edits=[SILENCE])
    assert (await viewer.until("error"))[-1]["error"] == "not_presenter"
    await presenter.send(type="open", open=True)
    await viewer.told(open=True)
    await viewer.send(type="edit", edits=[SILENCE])
    assert (await presenter.until("edited"))[-1]["edits"] == [SILENCED]


async def test_to_edit_takes_the_token_that_generating_takes(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = LONG
    async with harness.running(dataclasses.replace(settings, generate_tokens=("t",))) as gateway:
        presenter = await gateway.connect(access="t")
        room = (await presenter.frame())["room"]
        await presenter.send(type="open", open=True)
        await presenter.send(type="generate", prompt="x")
        await presenter.until("token")
        viewer = await gateway.connect(room=room)
        await viewer.until("token")
        await viewer.send(type="edit", edits=[SILENCE])
        assert (await viewer.until("error"))[-1]["error"] == "no_access"
        allowed = await gateway.connect(room=room, access="t")
        await allowed.send(type="edit", edits=[SILENCE])
        assert (await allowed.until("edited"))[-1]["edits"] == [SILENCED]


async def test_32_people_edit_at_once_and_the_last_one_wins(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = dataclasses.replace(LONG, delay=0.005)
    async with harness.running(settings) as gateway:
        presenter = await gateway.connect()
        room = (await presenter.frame())["room"]
        await presenter.send(type="open", open=True)
        await presenter.send(type="generate", prompt="x")
        await presenter.until("token")
        people = [await gateway.connect(room=room) for _ in range(32)]
        for person in people:
            await person.until("token")
        # Half of them ask for what is refused.
        for number, person in enumerate(people):
            feature = number if number % 2 == 0 else WIDTH + number
            await person.send(type="edit", edits=[{**SILENCE, "feature": feature}])
        seen = await asyncio.gather(*(told(n, person) for n, person in enumerate(people)))
        assert all(seen)
        [run] = inference.runs.values()
        in_force = run.branches[0].edits[0].feature
        await presenter.send(type="stop")
        edits = of(await presenter.until("finished"), "edited")
        features = [frame["edits"][0]["feature"] for frame in edits]
        assert sorted(features) == list(range(0, 32, 2))
        assert features[-1] == in_force


async def told(number: int, person: Socket) -> bool:
    """Whether a person is told what became of the edit."""
    if number % 2:
        return (await person.until("error"))[-1]["field"] == "edits[0].feature"
    while (await person.until("edited"))[-1]["edits"][0]["feature"] != number:
        pass
    return True


async def test_edits_of_one_person_are_in_force_in_their_order(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = dataclasses.replace(LONG, delay=0.002)
    client = await gateway.connect()
    await client.send(type="generate", prompt="x")
    await client.until("token")
    for feature in range(20):
        await client.send(type="edit", edits=[{**SILENCE, "feature": feature}])
    frames: list[Frame] = []
    while len(of(frames, "edited")) < 20:
        frames += await client.until("edited")
    told = [frame["edits"][0]["feature"] for frame in of(frames, "edited")]
    assert told == list(range(20))
    positions = [frame["position"] for frame in of(frames, "edited")]
    assert positions == sorted(positions)


async def test_a_request_counts_as_many_as_it_has_branches(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = LONG
    async with harness.running(dataclasses.replace(settings, client_generations=3)) as gateway:
        one, two = await gateway.connect(), await gateway.connect()
        await one.send(type="generate", prompt="x", branches=TWIN)
        await one.until("token")
        refused = (await generated(two, branches=TWIN))[-1]
        assert (refused["error"], refused["retry_after"] > 0) == ("too_many_generations", True)
        refused = (await generated(two, branches=[{}] * 4))[-1]
        assert (refused["error"], refused["field"]) == ("too_many_generations", "branches")
        assert "retry_after" not in refused
        await one.send(type="stop")
        await one.until("finished")
        await two.send(type="generate", prompt="x", branches=TWIN)
        await two.until("token")


async def test_a_client_of_the_earlier_demo_sees_what_it_saw(
    gateway: Running, inference: FakeInference
) -> None:
    """It sends no edits, and reads on over frames that it does not know."""
    inference.script = Script(delay=0.1)
    reading = asyncio.create_task(earlier_client(gateway))
    await eventually(lambda: bool(inference.runs))
    [run] = inference.runs.values()
    [room] = gateway.gateway.rooms.all()
    presenter = await gateway.connect(room=room.id)
    await presenter.until("token")
    room.open = True
    await presenter.send(type="edit", edits=[SILENCE])
    await presenter.until("edited")
    seen = await reading
    assert seen.text.replace("~", "") == " of France is Paris"
    assert run.branches[0].seed == SEED


async def test_the_model_says_what_may_be_asked(gateway: Running, inference: FakeInference) -> None:
    inference.not_editable = {SOURCES[1]: "it is a transcoder"}
    async with gateway.http.get(f"{gateway.url}/api/model") as answer:
        model = await answer.json()
    assert (model["limits"]["branches"], model["limits"]["edits"]) == (8, 8)
    assert model["params"]["pace"]["max"] == 1000
    assert model["params"]["alternatives"]["max"] == 20
    assert [source["not_editable"] for source in model["sources"]] == [None, "it is a transcoder"]


async def test_a_recording_of_a_twin_is_replayed_side_by_side(
    gateway: Running, inference: FakeInference, tmp_path: Any
) -> None:
    inference.script = Script(tokens=(" a", " b", " c"), delay=0.05)
    client = await gateway.connect()
    room = (await client.frame())["room"]
    await client.send(type="generate", prompt="x", branches=TWIN)
    await client.until("token")
    await client.send(type="edit", branch=0, edits=[{**SILENCE, "feature": 5}])
    await client.until("finished")
    file = tmp_path / "twin.jsonl"
    file.write_text(await download(gateway, room))
    code, out, err = await replay(str(file), "--speed", "0")
    assert (code, err) == (0, "")
    assert "  as is                  silent" in out
    assert "* ' a'                   ' a~'" in out
    assert "fake/0-res/5 silence" in out
    assert "21:0.00 (was 3.00) label 21 of fake/0-res" in out
