"""Branches, edits and paces in the real engine, with a fake model."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from axon_inference.engine.engine import NotRunning
from axon_inference.engine.events import (
    BranchEnded,
    Edited,
    Event,
    Failed,
    Finished,
    Queued,
    Reason,
    Started,
    Token,
    Tokens,
)
from axon_inference.engine.requests import (
    Branch,
    Change,
    Edit,
    Features,
    Origin,
    Request,
    Sampling,
)
from axon_inference.engine.step import Feed, StepResult

from .test_engine import EOS, Rig

PLAIN = Branch("1")


def edit(value: float = 1.0, **where: object) -> Edit:
    return Edit(0, 3, Change.SET, value, everywhere=True, **where)  # type: ignore[arg-type]


LATER = Branch("later", (edit(origin=Origin.GENERATED),))
EVERYWHERE = Branch("everywhere", (edit(),))


def ask(rig: Rig, text: str, *branches: Branch, max_tokens: int = 4, **more: object) -> int:
    features = Features(sources=(0,), top_k=3, include_bos=True)
    prompt = tuple(text.encode())
    request = Request(prompt, max_tokens, Sampling(seed=7), features, branches=branches or (PLAIN,))
    return rig.engine.submit(replace(request, **more))  # type: ignore[arg-type]


def tokens_of(rig: Rig, request: int, branch: int) -> list[Token]:
    found = [e for e in rig.events[request] if isinstance(e, Tokens) and e.branch == branch]
    return [token for event in found for token in event.tokens]


def text_of(rig: Rig, request: int, branch: int) -> str:
    return "".join(token.text for token in tokens_of(rig, request, branch))


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


def changed(token: Token) -> list[tuple[int, float]]:
    return [(one.feature, one.after) for one in token.source_features[0].edited]


def test_branches_start_once_and_step_side_by_side() -> None:
    rig = Rig(slots=3)
    request = ask(rig, "abc", PLAIN, LATER, max_tokens=2)
    rig.finish()
    events = rig.events[request]
    # The prompt and two tokens of each; the last branch to end ends the request.
    assert kinds(events) == [Started, *[Tokens] * 5, BranchEnded, Tokens, Finished]
    assert [text_of(rig, request, branch) for branch in (0, 1)] == ["abcde"] * 2
    ended = [event for event in events if isinstance(event, BranchEnded)]
    assert ended == [BranchEnded(0, Reason.LENGTH, 2)]
    assert isinstance(events[-1], Finished)
    assert (events[-1].prompt_tokens, events[-1].generated_tokens) == (3, 4)
    assert [len(step) for step in rig.runner.steps] == [1, 2, 2, 2]


def test_a_prompt_that_no_edit_touches_is_read_once() -> None:
    rig = Rig(slots=4, prefill_tokens=4)
    busy = rig.submit("x", max_tokens=40)
    rig.engine.step()
    request = ask(rig, "abcdefghijk", PLAIN, LATER, replace(LATER, seed=9), max_tokens=2)
    rig.finish()
    fed = [len(feed.ids) for step in rig.runner.steps for feed in step if feed.prompt_length == 11]
    assert sum(fed) == 10 + 3 + 3 * 2
    assert sorted(rig.runner.copies) == [(1, 2), (1, 3)]
    first, *others = (tokens_of(rig, request, branch) for branch in range(3))
    for other in others:
        assert [(t.text, t.position, t.source_features) for t in other][:11] == [
            (t.text, t.position, t.source_features) for t in first
        ][:11]
    assert text_of(rig, request, 2) == "abcdefghijklm"
    assert rig.text(busy) == "x" + "".join(chr((ord("x") + n) % 128) for n in range(1, 8))


def test_edits_of_the_prompt_have_it_read_for_each() -> None:
    rig = Rig(slots=3)
    request = ask(rig, "abcd", PLAIN, EVERYWHERE, max_tokens=1)
    rig.finish()
    assert [[len(feed.ids) for feed in step] for step in rig.runner.steps] == [[4, 4], [1, 1]]
    assert rig.runner.copies == []
    assert [changed(token) for token in tokens_of(rig, request, 0)] == [[]] * 5
    assert [changed(token) for token in tokens_of(rig, request, 1)] == [[(3, 1.0)]] * 5


def test_branches_share_a_seed_unless_one_has_its_own() -> None:
    rig = Rig(slots=3)
    ask(rig, "ab", PLAIN, replace(PLAIN, seed=9), max_tokens=1)
    rig.finish()
    assert [feed.sampling.seed for feed in rig.runner.steps[-1]] == [7, 9]


def test_branches_wait_until_all_of_them_fit() -> None:
    rig = Rig(slots=3)
    first = rig.submit("a", max_tokens=3), rig.submit("b", max_tokens=9)
    twin = ask(rig, "c", PLAIN, LATER, max_tokens=1)
    last = rig.submit("d", max_tokens=1)
    rig.engine.step()
    assert [e for e in rig.events[twin] if isinstance(e, Queued)] == [Queued(0)]
    assert [e for e in rig.events[last] if isinstance(e, Queued)] == [Queued(1)]
    assert rig.engine.progress() == (2, 2, 0)
    rig.finish()
    assert [text_of(rig, twin, branch) for branch in (0, 1)] == ["cd", "cd"]
    assert rig.text(first[1]) == "bcdefghijk"


def test_branches_begin_to_decode_together() -> None:
    rig = Rig(slots=3, prefill_tokens=1)
    ask(rig, "abcdef", EVERYWHERE, EVERYWHERE, max_tokens=3)
    rig.finish()
    shapes = [[len(feed.ids) for feed in step] for step in rig.runner.steps]
    assert shapes == [[4], [2, 2], [4], *[[1, 1]] * 3]


def test_a_branch_that_ends_leaves_its_slot_to_others() -> None:
    rig = Rig(slots=2)
    run = rig.runner.run

    def stop_second(feeds: Sequence[Feed]) -> StepResult:
        result = run(feeds)
        for number, feed in enumerate(feeds):
            if feed.sampling.seed == 2 and feed.start == 3:
                result.next_ids[number] = EOS
        return result

    rig.runner.run = stop_second  # type: ignore[method-assign]
    request = ask(rig, "ab", PLAIN, replace(PLAIN, seed=2), max_tokens=6)
    waiting = rig.submit("x", max_tokens=1)
    while Started not in kinds(rig.events[waiting]):
        rig.engine.step()
    assert BranchEnded(1, Reason.STOP, 2) in rig.events[request]
    assert Finished not in kinds(rig.events[request])
    late = rig.engine.edit(request, 1, ())
    rig.finish()
    with pytest.raises(NotRunning):
        late.result(0)
    assert [text_of(rig, request, branch) for branch in (0, 1)] == ["abcdefgh", "abcd"]
    assert isinstance(end := rig.events[request][-1], Finished)
    assert (end.reason, end.generated_tokens) == (Reason.LENGTH, 8)


@pytest.mark.parametrize("when", [0, 1, 2, 4])
def test_all_branches_are_cancelled_together(when: int) -> None:
    rig = Rig(slots=3, prefill_tokens=1)
    request = ask(rig, "abcdefgh", PLAIN, LATER, EVERYWHERE, max_tokens=9)
    for _ in range(when):
        rig.engine.step()
    rig.engine.cancel(request)
    rig.engine.step()
    assert isinstance(end := rig.events[request][-1], Finished)
    assert end.reason is Reason.CANCELLED
    assert rig.runner.rows == [[]] * 3
    assert sum(rig.engine.progress()) == 0
    again = rig.submit("x", max_tokens=2)
    rig.finish()
    assert rig.text(again) == "xyz"


def is_second(feed: Feed) -> bool:
    return bool(feed.edits) and feed.start >= 4


@pytest.mark.parametrize("how", ["not finite", "raises"])
def test_a_failure_of_one_branch_fails_the_request_alone(how: str) -> None:
    rig = Rig(slots=4)
    bad = ask(rig, "abc", PLAIN, LATER, max_tokens=9)
    good = rig.submit("n", max_tokens=5)
    if how == "raises":
        rig.runner.explode = lambda feeds: any(map(is_second, feeds))
    else:
        rig.runner.poison = is_second
    rig.finish()
    assert kinds(rig.events[bad]).count(Failed) == 1
    assert isinstance(rig.events[bad][-1], Failed)
    assert rig.text(good) == "nopqrs"
    assert rig.runner.rows == [[]] * 4


def test_a_copy_that_fails_fails_the_request_alone() -> None:
    rig = Rig(slots=4)
    bad = ask(rig, "abc", PLAIN, LATER, max_tokens=9)
    good = ask(rig, "n", PLAIN, PLAIN, max_tokens=5)

    def fail(source: int, target: int) -> None:
        raise RuntimeError("out of memory")

    rig.runner.copy = fail  # type: ignore[method-assign]
    rig.finish()
    assert isinstance(rig.events[bad][-1], Failed)
    assert [text_of(rig, good, branch) for branch in (0, 1)] == ["nopqrs"] * 2


def test_nothing_is_left_of_branches_that_join_and_leave() -> None:
    """Requests of one to four branches, edited, cancelled and failing at random: every one ends,
    what is shown is right, and all slots are free at the end."""
    chance = random.Random(5)
    rig = Rig(slots=5, max_queue=100, prefill_tokens=3)
    rig.runner.poison = lambda feed: feed.edits[:1] == (edit(13.0),) and feed.start > 6
    every = [PLAIN, LATER, EVERYWHERE, Branch("bad", (edit(13.0),)), replace(LATER, seed=3)]
    requests = []
    for _ in range(80):
        text = "abcdefgh"[: chance.randint(1, 8)]
        branches = [chance.choice(every) for _ in range(chance.randint(1, 4))]
        requests.append(ask(rig, text, *branches, max_tokens=chance.randint(0, 9)))
        for _ in range(chance.randint(0, 4)):
            rig.engine.step()
        if chance.random() < 0.3:
            rig.engine.cancel(chance.choice(requests))
        wanted = chance.choice(requests)
        if rig.engine._generations.get(wanted):
            branch = chance.randrange(len(rig.engine._generations[wanted].branches))
            rig.engine.edit(wanted, branch, chance.choice(every[:3]).edits)
    while sum(rig.engine.progress()):
        rig.engine.step()
    ends = [type(rig.events[request][-1]) for request in requests]
    assert set(ends) == {Finished, Failed}
    assert rig.runner.rows == [[]] * 5
    for request in requests:
        for branch in range(4):
            assert "abcdefghijklmnopqrstuvwxyz".startswith(text_of(rig, request, branch))
    assert len(rig.runner.copies) > 20


def test_an_edit_in_mid_stream_is_in_force_at_the_next_step() -> None:
    """1,000 edits at random moments, none missed: from the position that is answered on, each
    token has the last edit's value, and the event comes right before the first of them."""
    chance = random.Random(3)
    rig = Rig(slots=6, prefill_tokens=4)
    told: dict[tuple[int, int], dict[int, float]] = {}
    expected: dict[tuple[int, int], list[tuple[int, float]]] = {}
    edits = 0
    while edits < 1000:
        branches = [Branch(str(n)) for n in range(chance.randint(1, 3))]
        text = "a" * chance.randint(1, 9)
        request = ask(rig, text, *branches, max_tokens=chance.randint(5, 30))
        while request in rig.engine._generations:
            wanted = []
            for _ in range(chance.choice((0, 1, 1, 3))):
                edits += 1
                branch = chance.randrange(len(branches))
                answer = rig.engine.edit(request, branch, (edit(float(edits)),))
                wanted.append((branch, answer, float(edits)))
            rig.engine.step()
            for branch, answer, value in wanted:
                try:
                    position = answer.result(0)
                except NotRunning:
                    edits -= 1
                    continue
                expected.setdefault((request, branch), []).append((position, value))
        for branch in range(len(branches)):
            told[request, branch] = {}
            for token in tokens_of(rig, request, branch):
                for _, value in changed(token):
                    told[request, branch][token.position] = value
        check_order(rig.events[request], len(branches))
    for (request, branch), positions in expected.items():
        changes = dict(positions)  # of several at one position the last one counts
        value = None
        for token in tokens_of(rig, request, branch):
            value = changes.get(token.position, value)
            assert told[request, branch].get(token.position) == value


def check_order(events: list[Event], branches: int) -> None:
    for branch in range(branches):
        shown = 0
        for event in events:
            if isinstance(event, Tokens) and event.branch == branch:
                shown = event.tokens[-1].position + 1
            elif isinstance(event, Edited) and event.branch == branch:
                # The tokens of a prompt come together, so an edit within one comes before all.
                assert event.position == shown or shown == 0


def test_an_edit_while_the_prompt_is_read_applies_from_there_on() -> None:
    for branch in (0, 1, 2):  # the first reads for the others
        rig = Rig(slots=4, prefill_tokens=1)
        request = ask(rig, "abcdefghijkl", PLAIN, PLAIN, PLAIN, max_tokens=2)
        rig.engine.step()
        answer = rig.engine.edit(request, branch, (edit(5.0),))
        rig.finish()
        assert answer.result(0) == 4
        for other in range(3):
            tokens = tokens_of(rig, request, other)
            assert "".join(token.text for token in tokens) == "abcdefghijklmn"
            edited = [token.position for token in tokens if changed(token)]
            assert edited == (list(range(4, 14)) if other == branch else [])


def test_what_has_ended_cannot_be_edited() -> None:
    rig = Rig()
    request = ask(rig, "a", max_tokens=2)
    rig.engine.step()
    rig.engine.cancel(request)
    late = rig.engine.edit(request, 0, ())
    rig.engine.step()
    with pytest.raises(NotRunning):
        late.result(0)
    with pytest.raises(NotRunning):
        rig.engine.edit(request, 0, ())


def test_an_edit_that_nobody_waits_for_any_more_is_dropped() -> None:
    rig = Rig()
    request = ask(rig, "a", max_tokens=3)
    rig.engine.step()
    assert rig.engine.edit(request, 0, (edit(),)).cancel()
    rig.finish()
    assert Edited not in kinds(rig.events[request])
    assert not any(map(changed, tokens_of(rig, request, 0)))


def test_edits_are_refused_when_the_engine_dies() -> None:
    rig = Rig()
    request = ask(rig, "a", max_tokens=3)
    rig.engine.step()
    answer = rig.engine.edit(request, 0, ())
    rig.runner.lost = True
    rig.engine._abandon("gone")
    with pytest.raises(NotRunning):
        answer.result(0)


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_each_token_has_its_alternatives_and_a_prompt_its_logprobs(chunk: int) -> None:
    rig = Rig(prefill_tokens=chunk)
    rig.submit("zzz", max_tokens=9)
    request = ask(rig, "abc", PLAIN, PLAIN, max_tokens=2, alternatives=2)
    rig.finish()
    for branch in (0, 1):
        tokens = tokens_of(rig, request, branch)
        assert [token.logprob for token in tokens] == [None, -97, -98, -0.5, -0.5]
        for token in tokens:
            assert token.alternatives == [(token.token_id + 1, -1), (token.token_id + 2, -2)]


def test_without_alternatives_a_prompt_is_not_scored() -> None:
    rig = Rig()
    plain = ask(rig, "abc", max_tokens=1)
    none = ask(rig, "abc", max_tokens=1, alternatives=0)
    rig.finish()
    assert [t.logprob for t in tokens_of(rig, plain, 0)] == [None, None, None, -0.5]
    assert [t.logprob for t in tokens_of(rig, none, 0)] == [None, -97, -98, -0.5]
    assert not any(t.alternatives for r in (plain, none) for t in tokens_of(rig, r, 0))


class Timed(Rig):
    """The engine's own thread takes the steps. When each event came is kept."""

    def __init__(self, slots: int = 3) -> None:
        super().__init__(slots=slots)
        self.times: list[tuple[int, Event, float]] = []
        self.ended = threading.Condition()
        self.engine.start()

    def keep(self, events: list[tuple[int, Event]]) -> None:
        with self.ended:
            super().keep(events)
            self.times += [(number, event, time.monotonic()) for number, event in events]
            self.ended.notify_all()

    def wait_for(self, request: int, kind: type = Finished, seconds: float = 20) -> None:
        with self.ended:
            there = self.ended.wait_for(lambda: kind in kinds(self.events[request]), seconds)
        assert there, f"no {kind.__name__} came"

    def when(self, request: int) -> list[float]:
        """When generated tokens of the first branch came."""
        return [
            at
            for number, event, at in self.times
            if number == request and isinstance(event, Tokens) and event.branch == 0
        ][1:]


def test_a_paced_request_waits_and_nobody_else_does() -> None:
    rig = Timed()
    paced = ask(rig, "a", PLAIN, LATER, max_tokens=6, pace=20)
    rig.wait_for(paced, Tokens)
    free = rig.submit("b", max_tokens=50)
    rig.wait_for(free)
    assert len(tokens_of(rig, paced, 0)) < 6
    rig.wait_for(paced)
    rig.engine.close()
    times = rig.when(paced)
    assert times[-1] - times[0] >= 5 / 20 - 0.045, "a step may be late, and then the next is not"
    assert text_of(rig, paced, 0) == text_of(rig, paced, 1) == "abcdefg"
    at_once = [sum(feed.sampling.seed == 7 for feed in step) for step in rig.runner.steps]
    assert set(at_once) == {0, 2}, "branches keep step"


def test_requests_of_a_pace_share_steps() -> None:
    rig = Timed(slots=8)
    began = time.perf_counter()
    requests = [ask(rig, "a", max_tokens=6, pace=20)]
    for _ in range(7):
        time.sleep(0.01)
        requests.append(ask(rig, "a", max_tokens=6, pace=20))
    for request in requests:
        rig.wait_for(request)
    rig.engine.close()
    ticks = 20 * (time.perf_counter() - began) + 1
    decoding = [step for step in rig.runner.steps if step[0].start]
    assert len(decoding) <= ticks, "8 requests of 6 tokens each make 48 steps of one"


def test_the_engine_sleeps_until_a_paced_request_is_due() -> None:
    rig = Timed()
    paced = ask(rig, "a", max_tokens=2, pace=4)
    rig.wait_for(paced, Tokens)
    began = time.thread_time(), time.process_time(), len(rig.runner.steps)
    rig.wait_for(paced)
    assert len(rig.runner.steps) - began[2] <= 3
    assert time.process_time() - began[1] < 0.2, "most of 0.5 s is waited for"
    rig.engine.close()


def test_a_request_an_edit_and_a_cancel_wake_a_paced_engine() -> None:
    rig = Timed()
    paced = ask(rig, "a", max_tokens=5, pace=1e-6)
    rig.wait_for(paced, Tokens)
    assert rig.engine.edit(paced, 0, (edit(),)).result(10) == 1
    rig.wait_for(paced, Edited)
    other = rig.submit("b", max_tokens=3)
    rig.wait_for(other)
    rig.engine.cancel(paced)
    rig.wait_for(paced)
    rig.engine.close()
