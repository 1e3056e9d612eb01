"""Explanations in the real engine, with a fake model: who has its turn, and in whose slots."""

from __future__ import annotations

from collections import defaultdict

import pytest
from axon_inference.engine import explanations
from axon_inference.engine.effects import Effects, Explained, Explaining, Path, Query, Removal
from axon_inference.engine.engine import Engine, EngineDead
from axon_inference.engine.events import (
    Event,
    Failed,
    Finished,
    Reason,
    TokenCauses,
    Tokens,
)
from axon_inference.engine.requests import Branch, Change, Edit, Explain, Request, Sampling
from axon_inference.engine.scheduler import QueueFull, Scheduler
from axon_inference.engine.step import DeviceLost

from .fakes import ByteTokenizer, FakeExplainer, FakeRunner

TEXT = tuple(b"aXbXc")


class Rig:
    """An engine whose steps the test takes, and the events that it published."""

    def __init__(self, slots: int = 4, tokens: int = 64) -> None:
        self.events: dict[int, list[Event]] = defaultdict(list)
        self.runner = FakeRunner(lambda rows: (rows[-1] + 1) % 128, slots)
        self.explainer = FakeExplainer(self.runner)
        self.engine = Engine(
            self.runner,
            ByteTokenizer(),
            Scheduler(slots, 10, tokens),
            frozenset(),
            self._keep,
            explainer=self.explainer,
        )

    def _keep(self, events: list[tuple[int, Event]]) -> None:
        for number, event in events:
            self.events[number].append(event)

    def explain(self, ids: tuple[int, ...] = TEXT, **wanted: object) -> int:
        given = {"sources": (0,), "limit": 64, "prompt_length": len(ids), **wanted}
        return self.engine.explain(Query(ids, None, None, **given))  # type: ignore[arg-type]

    def generate(self, max_tokens: int = 100, **more: object) -> int:
        request = Request(tuple(b"ab"), max_tokens, Sampling(temperature=0), **more)  # type: ignore[arg-type]
        return self.engine.submit(request)

    def finish(self, *numbers: int) -> None:
        for _ in range(2000):
            ends = (Explained, Failed, Finished)
            if all(isinstance((self.events[n] or [None])[-1], ends) for n in numbers):
                return
            self.engine.step()
        raise AssertionError("not all ended")

    def check(self, number: int, text: tuple[int, ...] = TEXT) -> Explained:
        """All changes of an explanation are as the fake explainer makes them."""
        started, *_, summary = self.events[number]
        assert isinstance(started, Explaining)
        assert isinstance(summary, Explained), summary
        assert summary.active == summary.tried == len(text)
        told = [
            e for event in self.events[number] if isinstance(event, Effects) for e in event.effects
        ]
        assert sorted(told, key=repr) == sorted(summary.effects, key=repr)
        found = {(one.removal.feature, one.removal.position): one for one in summary.effects}
        assert len(found) == len(text) + len(set(text))
        for (feature, position), one in found.items():
            places = [n for n, token in enumerate(text) if token == feature]
            taken = [position] if position is not None else places
            assert one.logprob == pytest.approx(-sum(place + 1 for place in taken))
            assert one.logit == pytest.approx(one.logprob)
        assert all(
            one.logprob <= other.logprob
            for one, other in zip(summary.effects, summary.effects[1:], strict=False)
        )
        return summary


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explanations need not wait for their share of the time."""
    monkeypatch.setattr(explanations, "_SHARE", 1)


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
@pytest.mark.parametrize("tokens", [1, 3, 64])
def test_each_removal_at_its_position_and_everywhere(slots: int, tokens: int) -> None:
    rig = Rig(slots, tokens)
    number = rig.explain()
    rig.finish(number)
    summary = rig.check(number)
    assert summary.agreement
    assert summary.agreement.pearson == pytest.approx(1)
    assert summary.agreement.top_5 == 1
    assert all(not rows for rows in rig.runner.rows), "slots were not given back"


def test_few_are_those_with_the_largest_gradient() -> None:
    rig = Rig()
    number = rig.explain(limit=2)
    rig.finish(number)
    summary = rig.events[number][-1]
    assert (summary.active, summary.tried) == (5, 2)
    assert {one.removal.position for one in summary.effects} == {3, 4, None}


def test_a_bos_is_no_cause() -> None:
    rig = Rig()
    number = rig.explain(has_bos=True)
    rig.finish(number)
    assert {one.removal.position for one in rig.events[number][-1].effects} == {1, 2, 3, 4, None}


def test_a_path_from_what_is_not_active_leads_nowhere() -> None:
    rig = Rig()
    number = rig.explain(path=Removal(0, 5, None), path_source=0)
    rig.finish(number)
    assert [event.effects for event in rig.events[number] if isinstance(event, Path)] == [()]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("slots", [2, 3, 4])
def test_generations_take_the_slots_and_explanations_go_on_with_what_is_left(slots: int) -> None:
    """Whatever step generations come at; the fake runner asserts that their slots are empty."""
    for at in range(12):
        rig = Rig(slots, tokens=2)
        number = rig.explain()
        for _ in range(at):
            rig.engine.step()
        others = [rig.generate(max_tokens=n + 1) for n in range(slots)]
        rig.finish(number, *others)
        rig.check(number)
        for n, other in enumerate(others):
            tokens = [t for e in rig.events[other] if isinstance(e, Tokens) for t in e.tokens]
            assert [t.token_id for t in tokens] == list(range(97, 97 + n + 3))


def test_without_a_free_slot_it_waits() -> None:
    rig = Rig(slots=1)
    other, number = rig.generate(max_tokens=5), rig.explain()
    while not isinstance((rig.events[other] or [None])[-1], Finished):
        assert not rig.explainer.steps
        rig.engine.step()
    rig.finish(number)
    rig.check(number)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> tuple[Rig, list[int]]:
    """A rig with a clock, in ns, on which steps of both kinds take 1 ms."""
    now = [0]
    monkeypatch.setattr("time.perf_counter_ns", lambda: now[0])
    rig = Rig(tokens=1)
    for step in ("read", "estimate", "measure"):
        real = getattr(rig.explainer, step)

        def slow(*args: object, real: object = real) -> object:
            now[0] += 1_000_000
            return real(*args)  # type: ignore[operator]

        monkeypatch.setattr(rig.explainer, step, slow)
    run = rig.runner.run

    def slow_run(feeds: list) -> object:
        now[0] += 1_000_000
        return run(feeds)

    monkeypatch.setattr(rig.runner, "run", slow_run)
    return rig, now


def test_beside_generations_each_step_is_earned_before_it_is_taken(
    timed: tuple[Rig, list[int]],
) -> None:
    rig, now = timed
    rig.generate(max_tokens=10_000)
    for asked in range(3):
        for _ in range(200):  # in which nobody asks for anything, so nothing is saved up
            rig.engine.step()
        began, before, number = now[0], len(rig.explainer.steps), rig.explain()
        while not isinstance((rig.events[number] or [None])[-1], Explained):
            rig.engine.step()
            taken = len(rig.explainer.steps) - before
            assert taken / ((now[0] - began) / 1e6) <= 4 / 3 * explanations._SHARE, asked
        # What was earned is used: a step takes 1 ms, and half as much again was expected.
        assert taken / ((now[0] - began) / 1e6) >= 2 / 3 * explanations._SHARE
        rig.check(number)


def test_alone_it_begins_at_once_and_saves_nothing_for_later(timed: tuple[Rig, list[int]]) -> None:
    rig, now = timed
    number = rig.explain()
    for step in range(1, 6):
        rig.engine.step()
        assert len(rig.explainer.steps) == step
    rig.generate(max_tokens=1000)
    began = now[0]
    while not isinstance((rig.events[number] or [None])[-1], Explained):
        rig.engine.step()
        assert (len(rig.explainer.steps) - 5) / ((now[0] - began) / 1e6) <= 0.04


def test_a_paced_generation_leaves_the_time_between_its_steps() -> None:
    rig = Rig()
    rig.generate(max_tokens=5, pace=0.1)
    rig.engine.step()
    number = rig.explain()
    before = len(rig.runner.steps)
    rig.finish(number)
    assert len(rig.runner.steps) == before


def test_they_queue_and_the_queue_has_a_bound() -> None:
    rig = Rig()
    numbers = [rig.explain() for _ in range(explanations.MAX_WAITING + 1)]
    with pytest.raises(QueueFull):
        rig.explain()
    assert rig.engine.progress() == (0, 0, len(numbers))
    rig.finish(*numbers)
    for number in numbers:
        rig.check(number)


def test_cancelling_frees_the_slots_before_the_next_step() -> None:
    for at in range(4):
        rig = Rig(tokens=1)
        first, second, third = rig.explain(), rig.explain(), rig.explain()
        for _ in range(at):
            rig.engine.step()
        rig.engine.cancel(second)
        rig.engine.cancel(first)
        steps = len(rig.explainer.steps)
        rig.engine.step()
        assert rig.engine.progress().explaining == 1
        assert len(rig.explainer.steps) == steps + 1
        assert sum(map(bool, rig.runner.rows)) == 1
        rig.finish(third)
        rig.check(third)


def test_a_failure_is_one_explanations_alone() -> None:
    for step in ("read", "estimate", "measure"):
        rig = Rig()
        first, second = rig.explain(), rig.explain()
        rig.explainer.explode = lambda now, step=step: now == step
        rig.finish(first)
        assert "could not be computed" in rig.events[first][-1].message
        rig.explainer.explode = lambda now: False
        rig.finish(second)
        rig.check(second)


def test_values_that_are_not_finite_are_told() -> None:
    rig = Rig()
    rig.explainer.poison = True
    number = rig.explain()
    rig.finish(number)
    assert "not finite" in rig.events[number][-1].message
    assert not any(rig.runner.rows)


def test_a_lost_device_ends_all() -> None:
    rig = Rig()
    first, second = rig.explain(), rig.explain()
    rig.explainer.lost = True
    rig.engine.start()
    rig.engine._thread.join(10)
    assert all(rig.events[n][-1].engine_died for n in (first, second))
    with pytest.raises(EngineDead):
        rig.explain()


def test_closing_ends_them() -> None:
    rig = Rig()
    number = rig.explain()
    rig.engine.close()
    rig.engine.step()
    assert rig.events[number][-1].engine_died
    assert sum(rig.engine.progress()) == 0


def causes(rig: Rig, number: int) -> dict[tuple[int, int], Explained | None]:
    found = [event for event in rig.events[number] if isinstance(event, TokenCauses)]
    assert len({(one.branch, one.position) for one in found}) == len(found)
    return {(one.branch, one.position): one.explained for one in found}


def test_causes_follow_each_generated_token_while_there_is_time() -> None:
    rig = Rig(slots=8)
    branches = (Branch("1"), Branch("2"))
    number = rig.generate(3, branches=branches, explain=Explain((0,), 64), pace=0.5)
    rig.engine.start()
    for _ in range(200):
        if len(causes(rig, number)) >= 2:
            break
        rig.engine._thread.join(0.05)
    rig.engine.close()
    found = causes(rig, number)
    assert all(found[branch, 2] for branch in (0, 1))
    ended = rig.events[number][-1]
    assert isinstance(ended, Finished)
    assert ended.reason is Reason.CANCELLED


def test_tokens_that_were_not_explained_are_told_before_the_end() -> None:
    rig = Rig(slots=1)
    number = rig.generate(3, explain=Explain((0,), 64))
    rig.finish(number)
    assert causes(rig, number) == {(0, position): None for position in (2, 3, 4)}
    assert isinstance(rig.events[number][-1], Finished)


def test_what_people_ask_comes_before_generated_tokens() -> None:
    rig = Rig()
    number = rig.generate(3, explain=Explain((0,), 64), pace=0.1)
    rig.engine.step()
    rig.engine.step()
    asked = [rig.explain(), rig.explain()]
    rig.finish(*asked)
    assert len(causes(rig, number)) <= 1


def test_a_token_is_explained_under_the_edits_that_made_it() -> None:
    rig = Rig()
    one, two = (Edit(0, feature, Change.SCALE, 0) for feature in (1, 2))
    number = rig.generate(6, branches=(Branch("1", (one,)),), explain=Explain((0,), 64))
    while not rig.engine._generations or rig.engine._generations[number].branches[0].fed < 4:
        rig.engine.step()
    rig.engine.edit(number, 0, (two,))
    rig.engine.step()
    sequence = rig.engine._generations[number].branches[0]
    first, second = sequence.query(5).edits
    assert (first.feature, first.first, first.last) == (1, 0, 3)
    assert (second.feature, second.first, second.last) == (2, 4, 4)
    assert sequence.query(4).edits == (first,)


def test_device_lost_is_not_hidden() -> None:
    rig = Rig()
    rig.explain()
    rig.explainer.lost = True
    with pytest.raises(DeviceLost):
        rig.engine.step()
