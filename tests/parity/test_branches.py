"""Branches of the real engine and model: a prompt read once for all, and runs that repeat."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from axon_inference.engine.engine import Engine
from axon_inference.engine.events import Edited, Event, Failed, Token, Tokens
from axon_inference.engine.requests import Branch, Change, Edit, Origin, Request, Sampling
from axon_inference.engine.scheduler import Scheduler

from .harness import Bench

PROMPT = "The capital of France is"
SAMPLED = Sampling(temperature=1.2, top_p=0.95, repetition_penalty=1.3, seed=11)
# France becomes Japan (see the model's card).
SWAP = Edit(2, 1353, Change.SWAP, swap_with=1683)
PUSH = Edit(1, 40, Change.ADD, value=4.0, everywhere=True)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.load("axon-demo", [], slots=6, prefill_tokens=3)


def tokens_of(events: list[Event], branch: int) -> list[Token]:
    assert not any(isinstance(event, Failed) for event in events)
    found = [e for e in events if isinstance(e, Tokens) and e.branch == branch]
    return [token for event in found for token in event.tokens]


def assert_same(found: list[Token], want: list[Token]) -> None:
    assert [t.token_id for t in found] == [t.token_id for t in want]
    for ours, theirs in zip(found, want, strict=True):
        assert ours.text == theirs.text
        assert (ours.logprob is None) == (theirs.logprob is None)
        if ours.logprob is not None:
            assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-4)
        pairs = zip(ours.source_features, theirs.source_features, strict=True)
        for one, other in pairs:
            np.testing.assert_allclose(
                sorted(one.activations), sorted(other.activations), atol=1e-3, rtol=1e-4
            )
            assert [e.feature for e in one.edited] == [e.feature for e in other.edited]
        likely = [[a.token_id for a in t.alternatives] for t in (ours, theirs)]
        assert likely[0] == likely[1]


def branches_of(request: Request, *branches: Branch) -> Request:
    return replace(request, branches=branches)


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), SAMPLED])
@pytest.mark.parametrize("alternatives", [None, 3])
def test_branches_are_as_if_each_were_alone(
    bench: Bench, sampling: Sampling, alternatives: int | None
) -> None:
    """Three share the reading of the prompt, two edit it; others come and go meanwhile."""
    branches = [
        Branch("as is"),
        Branch("later", (replace(PUSH, origin=Origin.GENERATED),)),
        Branch("seed", seed=5),
        Branch("swap", (SWAP,)),
        Branch("from", (replace(PUSH, first=3),)),
    ]
    request = replace(bench.request(PROMPT, 12, sampling), alternatives=alternatives)
    other = bench.request("Two plus three is", 7)
    together = bench.run([other, branches_of(request, *branches), other], 2)[1]
    for number, branch in enumerate(branches):
        [alone] = bench.run([branches_of(request, branch)])
        assert_same(tokens_of(together, number), tokens_of(alone, 0))
    texts = ["".join(t.text for t in tokens_of(together, n)) for n in range(5)]
    assert len(set(texts)) >= 4
    if sampling.temperature == 0:
        assert "Paris" in texts[0]
        assert "Tokyo" in texts[3]


def test_a_twin_without_edits_is_the_same_text(bench: Bench) -> None:
    request = branches_of(bench.request(PROMPT, 20, SAMPLED), Branch("1"), Branch("2"))
    [events] = bench.run([request])
    assert_same(tokens_of(events, 0), tokens_of(events, 1))


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), SAMPLED])
@pytest.mark.parametrize("steps", [(1, 4), (3, 9), (5, 6)])
def test_seed_and_edits_reproduce_a_run(
    bench: Bench, sampling: Sampling, steps: tuple[int, int]
) -> None:
    """Edits in mid-stream, also while the prompt is read, then the same by their positions."""
    events: dict[int, list[Event]] = defaultdict(list)
    engine = Engine(
        bench.loaded.runner,
        bench.loaded.tokenizer,
        Scheduler(6, 1, 3),
        eos_ids=frozenset(),
        publish=lambda found: [events[i].append(e) for i, e in found],  # type: ignore[func-returns-value]
    )
    engine.submit(bench.request("Tomorrow it will rain in", 30))
    engine.step()
    request = bench.request(PROMPT, 16, sampling)
    number = engine.submit(branches_of(request, Branch("1", (PUSH,)), Branch("2")))
    changes = dict(zip(steps, ((SWAP, PUSH), (replace(PUSH, value=-9.0),)), strict=True))
    step = 0
    while sum(engine.progress()):
        if edits := changes.get(step):
            for branch in (0, 1):
                engine.edit(number, branch, edits)
        engine.step()
        step += 1
    branches = []
    for branch, at_first in enumerate(((PUSH,), ())):
        told = [e for e in events[number] if isinstance(e, Edited) and e.branch == branch]
        assert len(told) == 2
        begins = [0, *(event.position for event in told)]
        ends = [*(event.position - 1 for event in told), None]
        sets = [at_first, *(event.edits for event in told)]
        limited = tuple(
            replace(edit, first=begin, last=end)
            for edits, begin, end in zip(sets, begins, ends, strict=True)
            for edit in edits
            if end is None or end >= begin
        )
        branches.append(Branch(str(branch + 1), limited))
    [again] = bench.run([branches_of(request, *branches)])
    for branch in (0, 1):
        assert_same(tokens_of(again, branch), tokens_of(events[number], branch))
    [plain] = bench.run([request])
    assert [t.token_id for t in tokens_of(plain, 0)] != [t.token_id for t in tokens_of(again, 1)]
