"""Branches, edits, pace and alternatives by either client, against a scripted service."""

from __future__ import annotations

import asyncio
from typing import Any

import axon
import pytest
from axon import Branch, Edit
from axon.types import Event

from tests.integration.gateway.fake_inference import SEED, SOURCES, FakeInference, Script
from tests.patience import eventually

from .test_client import both, events_of

SWAP = Edit(SOURCES[0], 21, swap_with=5)
RESOLVED = Edit(SOURCES[0], 21, swap_with=5, where="while_firing")
TWIN = (Branch("as is"), Branch("swapped", (SWAP,)))


async def result_of(kind: str, inference: FakeInference, **knobs: Any) -> axon.Result:
    if kind == "async":
        async with axon.AsyncClient(inference.address) as client:
            return await client.generate("The capital", **knobs).result()

    def blocking() -> axon.Result:
        with axon.Client(inference.address) as client:
            return client.generate("The capital", **knobs).result()

    return await asyncio.to_thread(blocking)


@both
async def test_a_twin_has_two_branches(kind: str, inference: FakeInference) -> None:
    twin = await result_of(kind, inference, branches=TWIN)
    assert [branch.name for branch in twin.branches] == ["as is", "swapped"]
    assert [branch.text for branch in twin.branches] == [
        " of France is Paris",
        " of~ France~ is~ Paris~",
    ]
    assert [branch.edits for branch in twin.branches] == [(), (RESOLVED,)]
    assert [branch.seed for branch in twin.branches] == [SEED, SEED]
    plain, swapped = (branch.tokens[3].source_features[0] for branch in twin.branches)
    assert plain.edited == ()
    assert (plain.ids, swapped.ids) == ((21, 22), (5, 22))
    assert set(swapped.edited) == {
        axon.EditedFeature(feature=21, before=3.0, after=0.0),
        axon.EditedFeature(feature=5, before=0.0, after=3.0),
    }
    assert twin.finished.generated_tokens == 8


@both
async def test_edits_alone_are_one_branch(kind: str, inference: FakeInference) -> None:
    alone = await result_of(kind, inference, edits=SWAP, seed=7)
    assert [(branch.name, branch.seed) for branch in alone.branches] == [("1", 7)]
    assert alone.branches[0].edits == (RESOLVED,)
    [request] = inference.seen.requests
    assert [len(branch.edits) for branch in request.branches] == [1]


@both
async def test_a_branch_may_end_before_the_others(kind: str, inference: FakeInference) -> None:
    inference.script = Script(ends={1: 2})
    events = await events_of(kind, inference, branches=TWIN)
    assert axon.BranchEnded(branch=1, reason="stop", generated_tokens=2) in events
    result = await result_of(kind, inference, branches=TWIN)
    assert [branch.reason for branch in result.branches] == ["length", "stop"]
    assert result.branches[1].text == " of~ France~"


@both
async def test_pace_and_alternatives_are_sent_and_read(kind: str, inference: FakeInference) -> None:
    result = await result_of(kind, inference, pace=100, alternatives=2)
    assert (result.started.pace, result.started.alternatives) == (100, 2)
    tokens = result.branches[0].tokens
    assert [token.logprob for token in tokens[:3]] == [None, -0.5, -0.5]
    assert tokens[1].alternatives == (
        axon.Alternative(token_id=2, text=" a0", logprob=-0.5),
        axon.Alternative(token_id=3, text=" a1", logprob=-1.5),
    )
    plain = await result_of(kind, inference)
    assert plain.started.alternatives is None
    assert plain.branches[0].tokens[1].logprob is None


@both
async def test_a_fixed_text_is_scored_under_edits(kind: str, inference: FakeInference) -> None:
    scored = await result_of(kind, inference, edits=[SWAP], max_tokens=0, alternatives=0)
    logprobs = [token.logprob for token in scored.branches[0].tokens]
    assert logprobs == [None, -0.5, -0.5]


async def edited(kind: str, inference: FakeInference, change: Any) -> list[Event]:
    """The events of a generation that `change` edits after its first generated token, up to the
    first token after that."""
    events: list[Event] = []

    def is_first(event: Event) -> bool:
        return isinstance(event, axon.Tokens) and event.tokens[0].position == 3

    def is_last(event: Event) -> bool:
        return isinstance(event, axon.Tokens) and any(
            isinstance(before, axon.Edited) for before in events
        )

    def started() -> axon.Started:
        [event] = (event for event in events if isinstance(event, axon.Started))
        return event

    if kind == "async":
        async with axon.AsyncClient(inference.address) as client:
            async for event in client.generate("x", branches=TWIN):
                events.append(event)
                if is_first(event):
                    change(await client.edit(started().generation, 0, SWAP))
                if is_last(event):
                    return events

    def blocking() -> None:
        with axon.Client(inference.address) as client:
            for event in client.generate("x", branches=TWIN):
                events.append(event)
                if is_first(event):
                    change(client.edit(started().generation, 0, SWAP))
                if is_last(event):
                    return

    await asyncio.to_thread(blocking)
    return events


@both
async def test_an_edit_in_mid_stream_is_told_with_its_position(
    kind: str, inference: FakeInference
) -> None:
    inference.script = Script(tokens=(" t",) * 1000, delay=0.02)
    positions: list[int] = []
    events = await edited(kind, inference, positions.append)
    [told] = (event for event in events if isinstance(event, axon.Edited))
    assert told == axon.Edited(branch=0, position=positions[0], edits=(RESOLVED,))
    tokens = [t for e in events if isinstance(e, axon.Tokens) for t in e.tokens if t.branch == 0]
    says = {token.position: token.text for token in tokens if token.generated}
    assert {says[p] for p in says if p < told.position} == {" t"}
    assert {says[p] for p in says if p >= told.position} == {" t~"}
    await eventually(lambda: not inference.runs)


@both
async def test_a_generation_that_does_not_run_cannot_be_edited(
    kind: str, inference: FakeInference
) -> None:
    async def edit() -> None:
        if kind == "async":
            async with axon.AsyncClient(inference.address) as client:
                await client.edit("nobody", 0, [])
        else:

            def blocking() -> None:
                with axon.Client(inference.address) as client:
                    client.edit("nobody", 0, [])

            await asyncio.to_thread(blocking)

    with pytest.raises(axon.AxonError) as failed:
        await edit()
    assert failed.value.code == "NOT_FOUND"


@both
async def test_a_server_that_does_not_see_branches_is_not_believed(
    kind: str, inference: FakeInference
) -> None:
    inference.script = Script(tokens=(" t",) * 500, delay=0.01, old=True)
    with pytest.raises(axon.AxonError, match="too old for branches and edits"):
        await events_of(kind, inference, edits=SWAP)
    await eventually(lambda: not inference.runs)
    inference.script = Script(old=True)
    assert isinstance((await events_of(kind, inference))[-1], axon.Finished)


async def test_a_cancelled_generation_has_no_result(inference: FakeInference) -> None:
    inference.script = Script(tokens=(" t",) * 500, delay=0.01)
    async with axon.AsyncClient(inference.address) as client:
        generation = client.generate("x")
        async for event in generation:
            if isinstance(event, axon.Tokens):
                generation.cancel()
        with pytest.raises(axon.AxonError, match="cancelled before its end"):
            await generation.result()
