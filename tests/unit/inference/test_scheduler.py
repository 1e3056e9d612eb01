from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from axon_inference.engine.requests import Branch, Change, Edit, Request
from axon_inference.engine.scheduler import Move, QueueFull, Scheduler
from axon_inference.engine.sequence import Generation, Sequence
from axon_inference.engine.text import decoder
from hypothesis import given
from hypothesis import strategies as st

from .fakes import ByteTokenizer


def generation(number: int, prompt_length: int = 4, branches: int = 1) -> Generation:
    """Its branches edit the prompt, so each reads it by itself."""
    edit = Edit(0, 0, Change.ADD, 1.0)
    request = Request(
        tuple(range(prompt_length)),
        max_tokens=5,
        branches=tuple(Branch(str(n), (edit,)) for n in range(branches)),
    )
    return Generation(number, request, decoder(ByteTokenizer()))


def promote(scheduler: Scheduler, sequence: Sequence) -> list[Move]:
    sequence.fed = sequence.prompt_length
    reading = [one for one in sequence.generation.running if one.in_prefill]
    sequence.generation.in_prefill = bool(reading)
    return scheduler.promote(sequence)


def test_requests_are_admitted_in_order_while_there_are_slots() -> None:
    scheduler = Scheduler(slots=2, max_queue=5, prefill_tokens=8)
    for number in range(4):
        scheduler.submit(generation(number))
    assert [s.id for s in scheduler.admit()] == [0, 1]
    assert [s.slot for s in scheduler.running] == [0, 1]
    scheduler.release(scheduler.running[0])
    assert [s.id for s in scheduler.admit()] == [2]


def test_requests_beyond_slots_and_queue_are_refused() -> None:
    scheduler = Scheduler(slots=1, max_queue=2, prefill_tokens=8)
    for number in range(3):
        scheduler.submit(generation(number))
    with pytest.raises(QueueFull):
        scheduler.submit(generation(3))


def reading(lengths: list[int], prefill_tokens: int) -> Scheduler:
    scheduler = Scheduler(slots=8, max_queue=0, prefill_tokens=prefill_tokens)
    for number, length in enumerate(lengths):
        scheduler.submit(generation(number, length))
    scheduler.admit()
    return scheduler


def counts(scheduler: Scheduler) -> list[tuple[int, int]]:
    """Of each request that reads in this step, how many tokens."""
    return [(s.generation.id, n) for s, n in scheduler.prefill_batch()]


def test_a_long_prompt_is_read_in_chunks_while_others_decode() -> None:
    scheduler = reading([1, 20, 3, 4], prefill_tokens=8)
    promote(scheduler, scheduler.running[0])
    [(first, count)] = scheduler.prefill_batch()
    assert (first.generation.id, count) == (1, 8)
    first.fed = 18
    assert counts(scheduler) == [(1, 2), (2, 3), (3, 3)]


def test_chunks_are_larger_while_no_request_decodes() -> None:
    scheduler = reading([20, 9, 9], prefill_tokens=8)
    assert counts(scheduler) == [(0, 20), (1, 9), (2, 3)]


def test_a_request_that_waits_can_be_withdrawn() -> None:
    scheduler = Scheduler(slots=1, max_queue=3, prefill_tokens=8)
    waiting = [generation(number) for number in range(3)]
    for one in waiting:
        scheduler.submit(one)
    scheduler.admit()
    scheduler.withdraw(waiting[1])
    assert [g.id for g in scheduler.waiting] == [2]


def test_branches_get_their_slots_together_and_in_turn() -> None:
    scheduler = Scheduler(slots=4, max_queue=2, prefill_tokens=8)
    for number, branches in enumerate((3, 2, 1)):
        scheduler.submit(generation(number, branches=branches))
    assert [g.id for g in scheduler.admit()] == [0]
    assert [(s.generation.id, s.branch) for s in scheduler.running] == [(0, 0), (0, 1), (0, 2)]
    assert scheduler.admit() == [], "a slot is free, but not for both"
    with pytest.raises(QueueFull):
        scheduler.submit(generation(3))
    scheduler.release(scheduler.running[1])
    assert [g.id for g in scheduler.admit()] == [1]
    assert [g.id for g in scheduler.waiting] == [2]


def test_branches_decode_once_all_have_read_the_prompt() -> None:
    scheduler = Scheduler(slots=4, max_queue=0, prefill_tokens=8)
    scheduler.submit(generation(0, branches=2))
    scheduler.admit()
    first, second = scheduler.running
    promote(scheduler, first)
    assert scheduler.decode_batch(now=0) == []
    promote(scheduler, second)
    assert scheduler.decode_batch(now=0) == [first, second]


def test_those_that_keep_a_pace_sit_out() -> None:
    scheduler = reading([1, 1], prefill_tokens=8)
    first, second = scheduler.running
    assert scheduler.pause(now=0) == 0, "prompts are to be read"
    for one, due in ((first, 30), (second, 20)):
        promote(scheduler, one)
        one.generation.due_ns = due
    assert scheduler.pause(now=5) == 15
    assert scheduler.decode_batch(now=25) == [second]
    assert scheduler.pause(now=25) == 0
    scheduler.release(first)
    scheduler.release(second)
    assert scheduler.pause(now=25) == inf


def test_all_of_a_pace_are_due_at_the_same_ticks() -> None:
    paced = generation(0)
    paced.request = replace(paced.request, pace=10)
    times = []
    for now in (0, 100_000_000, 230_000_000, 300_000_000, 900_000_000):
        paced.pace(now)
        times.append(paced.due_ns)
    assert times == [10**8, 2 * 10**8, 3 * 10**8, 4 * 10**8, 10**9]


class Cache:
    """Holds the request in each slot, and moves requests as the scheduler says."""

    def __init__(self, slots: int) -> None:
        self.rows: list[Sequence | None] = [None] * slots

    def carry_out(self, moves: list[object]) -> None:
        for move in moves:
            first, second = move.source, move.target  # type: ignore[attr-defined]
            self.rows[first], self.rows[second] = self.rows[second], self.rows[first]


@given(st.lists(st.integers(0, 99), max_size=80))
def test_slots_stay_dense_and_decoding_requests_come_first(choices: list[int]) -> None:
    """Requests join, are promoted and leave in any order: no slot between two is free, and the
    cache agrees with the scheduler."""
    scheduler, cache = Scheduler(slots=5, max_queue=50, prefill_tokens=8), Cache(5)
    for number, choice in enumerate(choices):
        action, pick = choice % 3, choice // 3
        branches = 1 + pick % 3
        prefilling = [s for s in scheduler.running if s.in_prefill]
        if action == 0:
            scheduler.submit(generation(number, branches=branches))
            for admitted in scheduler.admit():
                for one in admitted.branches:
                    cache.rows[one.slot] = one
        elif action == 1 and prefilling:
            cache.carry_out(promote(scheduler, prefilling[pick % len(prefilling)]))
        elif action == 2 and scheduler.running:
            one = scheduler.running[pick % len(scheduler.running)]
            cache.rows[one.slot] = None
            one.ended = True
            one.generation.in_prefill = any(b.in_prefill for b in one.generation.running)
            cache.carry_out(scheduler.release(one))
        running = scheduler.running
        assert [s.slot for s in running] == list(range(len(running)))
        assert cache.rows == [*running] + [None] * (5 - len(running))
        together = [s for s in running if not any(b.in_prefill for b in s.generation.running)]
        assert scheduler.decode_batch(now=0) == together
        first = sum(not s.in_prefill for s in running)
        assert not any(s.in_prefill for s in running[:first])
