"""Branches, edits, pace and alternatives over gRPC, with a fake model."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest
from axon.v1 import inference_pb2 as pb

from .rig import Rig, serving
from .test_inference_grpc import collect, refusal, violations

SOURCE = "fake/0-res"
EVERYWHERE, FIRING = pb.EDIT_WHERE_EVERYWHERE, pb.EDIT_WHERE_WHILE_FIRING


def edit(**fields: Any) -> pb.FeatureEdit:
    return pb.FeatureEdit(**{"source": SOURCE, "feature": 3, **fields})


def twin(*edits: pb.FeatureEdit, **fields: Any) -> pb.GenerateRequest:
    branches = [pb.Branch(), pb.Branch(name="edited", edits=edits)]
    return pb.GenerateRequest(**{"prompt": "abc", "max_tokens": 3, "branches": branches, **fields})


def tokens_of(messages: list[pb.GenerateResponse], branch: int) -> list[pb.Token]:
    return [t for m in messages for t in m.tokens.tokens if t.branch == branch]


async def test_a_twin_is_two_branches_of_one_stream(rig: Rig) -> None:
    messages = await collect(rig.stub.Generate(twin(edit(set=2.5, where=EVERYWHERE))))
    started = messages[0].started
    assert len(started.generation) >= 16
    assert [branch.name for branch in started.branches] == ["1", "edited"]
    assert {branch.seed for branch in started.branches} == {started.sampling.seed}
    assert list(started.branches[1].edits) == [edit(set=2.5, where=EVERYWHERE)]
    for branch in (0, 1):
        tokens = tokens_of(messages, branch)
        assert [token.position for token in tokens] == list(range(7))
        assert "".join(token.text for token in tokens) == "\x02abcdef"
        edited = [f.edited for token in tokens for f in token.source_features]
        assert [len(one) for one in edited] == [branch] * 6
    assert edited[0] == [pb.EditedFeature(feature=3, before=0, after=2.5)]
    ended = [m.branch_ended for m in messages if m.HasField("branch_ended")]
    assert ended == [pb.BranchEnded(branch=0, reason=pb.FINISH_REASON_LENGTH, generated_tokens=3)]
    assert messages[-1].finished.generated_tokens == 6


@pytest.mark.parametrize(
    ("asked", "resolved"),
    [
        (edit(set=1), edit(set=1, where=FIRING)),
        (edit(scale=0), edit(scale=0, where=FIRING)),
        (edit(add=-2), edit(add=-2, where=EVERYWHERE)),
        (edit(swap_with=4), edit(swap_with=4, where=FIRING)),
        (edit(add=1, where=FIRING), edit(add=1, where=FIRING)),
        (
            edit(set=0, origin=2, first_position=1, last_position=9, include_bos=True),
            edit(
                set=0, where=FIRING, origin=2, first_position=1, last_position=9, include_bos=True
            ),
        ),
        (edit(set=0, last_position=0), edit(set=0, where=FIRING, last_position=0)),
    ],
)
async def test_defaults_of_edits_are_filled_in(
    rig: Rig, asked: pb.FeatureEdit, resolved: pb.FeatureEdit
) -> None:
    started = (await collect(rig.stub.Generate(twin(asked))))[0].started
    assert list(started.branches[1].edits) == [resolved]


async def test_a_request_without_branches_has_one(rig: Rig) -> None:
    messages = await collect(rig.stub.Generate(pb.GenerateRequest(prompt="abc", max_tokens=1)))
    started = messages[0].started
    assert list(started.branches) == [pb.Branch(name="1", seed=started.sampling.seed)]
    assert (started.pace, started.HasField("alternatives")) == (0, False)
    assert not any(message.HasField("branch_ended") for message in messages)


async def test_the_limits_are_told(rig: Rig) -> None:
    limits = (await rig.stub.GetModel(pb.GetModelRequest())).limits
    assert (limits.max_branches, limits.max_edits, limits.max_alternatives) == (2, 8, 20)
    async with serving(slots=20) as service:
        wide = Rig(service)
        assert (await wide.stub.GetModel(pb.GetModelRequest())).limits.max_branches == 8
        await wide.channel.close()


BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("branches", "OUT_OF_RANGE", {"branches": [pb.Branch()] * 3}),
    ("branches[0].name", "OUT_OF_RANGE", {"branches": [pb.Branch(name="x" * 65)]}),
    ("branches[1].edits", "OUT_OF_RANGE", {"edits": [edit(set=1)] * 9}),
    ("pace", "OUT_OF_RANGE", {"pace": -1}),
    ("pace", "OUT_OF_RANGE", {"pace": 0.001}),
    ("pace", "OUT_OF_RANGE", {"pace": 1001}),
    ("pace", "OUT_OF_RANGE", {"pace": float("nan")}),
    ("alternatives", "OUT_OF_RANGE", {"alternatives": 21}),
]
BAD_EDITS: list[tuple[str, str, pb.FeatureEdit]] = [
    (".source", "UNKNOWN_SOURCE", edit(source="fake/9-res", set=1)),
    (".source", "UNKNOWN_SOURCE", edit(source="\U0001f600" * 3000, set=1)),
    (".feature", "OUT_OF_RANGE", edit(feature=128, set=1)),
    ("", "OUT_OF_RANGE", edit()),
    (".set", "OUT_OF_RANGE", edit(set=float("nan"))),
    (".scale", "OUT_OF_RANGE", edit(scale=float("inf"))),
    (".add", "OUT_OF_RANGE", edit(add=float("-inf"))),
    (".swap_with", "OUT_OF_RANGE", edit(swap_with=128)),
    (".swap_with", "OUT_OF_RANGE", edit(swap_with=3)),
    (".where", "OUT_OF_RANGE", edit(set=1, where=3)),
    (".origin", "OUT_OF_RANGE", edit(set=1, origin=3)),
    (".last_position", "OUT_OF_RANGE", edit(set=1, first_position=5, last_position=4)),
]


@pytest.mark.parametrize(("field", "reason", "changes"), BAD)
async def test_a_bad_field_is_named(
    rig: Rig, field: str, reason: str, changes: dict[str, Any]
) -> None:
    error = await refusal(rig.stub.Generate(twin(*changes.pop("edits", ()), **changes)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == {field: reason}


@pytest.mark.parametrize(("field", "reason", "bad"), BAD_EDITS)
async def test_a_bad_edit_is_named(rig: Rig, field: str, reason: str, bad: pb.FeatureEdit) -> None:
    error = await refusal(rig.stub.Generate(twin(edit(set=1), bad)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == {f"branches[1].edits[1]{field}": reason}
    call, started = await running(rig)
    request = pb.EditRequest(generation=started.generation, edits=[bad])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rig.stub.Edit(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(caught.value) == {f"edits[0]{field}": reason}
    call.cancel()


async def test_a_refusal_of_all_edits_fits_into_the_metadata() -> None:
    async with serving(slots=8) as service:
        rig = Rig(service)
        bad = pb.Branch(name="x" * 65, edits=[edit(source="\U0001f600" * 250, set=1)] * 8)
        error = await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="", branches=[bad] * 8)))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        found = list(violations(error))
        assert found[:3] == ["prompt", "branches[0].name", "branches[0].edits[0].source"]
        await rig.channel.close()


async def test_a_source_that_cannot_be_edited_says_why(rig: Rig) -> None:
    description = rig.service._servicer.ready.description  # type: ignore[union-attr]
    description.sources[0].not_editable = "it is a transcoder"
    error = await refusal(rig.stub.Generate(twin(edit(set=1))))
    assert violations(error) == {"branches[1].edits[0].source": "NOT_EDITABLE"}
    assert "fake/0-res cannot be edited: it is a transcoder" in error.details()


async def running(rig: Rig, **fields: Any) -> tuple[Any, pb.Started]:
    """A generation that has begun, and what it said."""
    call = rig.stub.Generate(twin(**{"max_tokens": 300, **fields}))
    while not (message := await call.read()).HasField("started"):
        pass
    return call, message.started


async def test_an_edit_is_told_right_before_the_token_that_it_first_applies_to(rig: Rig) -> None:
    call, started = await running(rig, max_tokens=200)
    for wait in range(2, 6):
        for _ in range(wait):
            await call.read()
        request = pb.EditRequest(
            generation=started.generation, branch=1, edits=[edit(add=float(wait))]
        )
        position = (await rig.stub.Edit(request)).position
        seen, last = [], 0
        while not (message := await call.read()).HasField("edited"):
            seen += [t.position for t in message.tokens.tokens if t.branch == 1]
        assert message.edited.position == position
        assert (message.edited.branch, message.edited.edits[0]) == (
            1,
            edit(add=wait, where=EVERYWHERE),
        )
        assert all(earlier < position for earlier in seen)
        while True:
            for token in (await call.read()).tokens.tokens:
                changed = [e.after for f in token.source_features for e in f.edited]
                if token.branch == 1:
                    last = last or token.position
                    assert changed == [wait]
                else:
                    assert changed == []
            if last:
                break
        assert last == position
    rest = await collect(call)
    assert rest[-1].finished.generated_tokens == 400


async def test_edits_of_what_does_not_run_are_refused(rig: Rig) -> None:
    async def code(**fields: Any) -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rig.stub.Edit(pb.EditRequest(**fields))
        return caught.value.code()

    assert await code(generation="") == grpc.StatusCode.NOT_FOUND
    assert await code(generation="guessed") == grpc.StatusCode.NOT_FOUND
    call, started = await running(rig)
    bad = {"generation": started.generation, "branch": 2}
    assert await code(**bad) == grpc.StatusCode.INVALID_ARGUMENT
    call.cancel()
    await rig.until(lambda load: load.running == 0)
    assert await code(generation=started.generation) == grpc.StatusCode.NOT_FOUND


async def test_generations_have_ids_of_their_own(rig: Rig) -> None:
    ids = set()
    for _ in range(20):
        request = pb.GenerateRequest(prompt="a", max_tokens=0)
        ids.add((await collect(rig.stub.Generate(request)))[0].started.generation)
    assert len(ids) == 20


async def test_a_generation_may_be_edited_while_the_server_drains() -> None:
    async with serving(drain_seconds=60) as service:
        rig = Rig(service)
        call, started = await running(rig, max_tokens=300, pace=10)
        draining = asyncio.create_task(service.drain())
        await rig.until_draining()
        request = pb.EditRequest(generation=started.generation, edits=[edit(set=1)])
        assert (await rig.stub.Edit(request)).position >= 4
        while not (await call.read()).HasField("edited"):
            pass
        call.cancel()
        await draining
        await rig.channel.close()


async def test_branches_take_as_many_slots(rig: Rig) -> None:
    call, _ = await running(rig)
    assert await rig.load() == pb.Load(running=1, queued=0)
    waiting = rig.stub.Generate(pb.GenerateRequest(prompt="b", max_tokens=2))
    assert (await waiting.read()).queued.position == 0
    call.cancel()
    assert (await collect(waiting))[-1].finished.generated_tokens == 2


async def test_a_pace_is_kept_while_others_go_on(rig: Rig) -> None:
    request = pb.GenerateRequest(prompt="a", max_tokens=3, pace=1)
    began = time.monotonic()
    paced = asyncio.create_task(collect(rig.stub.Generate(request)))
    free = pb.GenerateRequest(prompt="b", max_tokens=5)
    await collect(rig.stub.Generate(free))
    assert not paced.done()
    messages = await paced
    # The first may come at once, and the second soon after; between the others is a second.
    assert time.monotonic() - began >= 1
    assert messages[0].started.pace == 1


async def test_alternatives_have_text_and_a_prompt_is_scored(rig: Rig) -> None:
    request = pb.GenerateRequest(prompt="abc", max_tokens=1, alternatives=2)
    messages = await collect(rig.stub.Generate(request))
    assert messages[0].started.alternatives == 2
    tokens = tokens_of(messages, 0)
    assert not tokens[0].HasField("logprob")
    assert [token.logprob for token in tokens[1:]] == [-2, -97, -98, -0.5]
    assert [[a.text for a in token.alternatives] for token in tokens[1:]] == [
        ["b", "c"],
        ["c", "d"],
        ["d", "e"],
        ["e", "f"],
    ]
    assert tokens[1].alternatives[1] == pb.Alternative(token_id=99, text="c", logprob=-2)
