from __future__ import annotations

import pytest
from axon_inference.engine.requests import Request
from axon_inference.engine.scheduler import QueueFull, Scheduler
from axon_inference.engine.sequence import Sequence
from axon_inference.engine.text import Detokenizer, decoder
from hypothesis import given
from hypothesis import strategies as st

from .fakes import ByteTokenizer


def sequence(number: int, prompt_length: int = 4) -> Sequence:
    prompt = tuple(range(prompt_length))
    request = Request(prompt_ids=prompt, max_tokens=5)
    return Sequence(number, request, Detokenizer(decoder(ByteTokenizer())), list(prompt))


def test_requests_are_admitted_in_order_while_there_are_slots() -> None:
    scheduler = Scheduler(slots=2, max_queue=5, prefill_tokens=8)
    for number in range(4):
        scheduler.submit(sequence(number))
    assert [s.id for s in scheduler.admit()] == [0, 1]
    assert [s.slot for s in scheduler.running] == [0, 1]
    scheduler.release(scheduler.running[0])
    assert [s.id for s in scheduler.admit()] == [2]


def test_requests_beyond_slots_and_queue_are_refused() -> None:
    scheduler = Scheduler(slots=1, max_queue=2, prefill_tokens=8)
    for number in range(3):
        scheduler.submit(sequence(number))
    with pytest.raises(QueueFull):
        scheduler.submit(sequence(3))


def reading(lengths: list[int], prefill_tokens: int) -> Scheduler:
    scheduler = Scheduler(slots=8, max_queue=0, prefill_tokens=prefill_tokens)
    for number, length in enumerate(lengths):
        scheduler.submit(sequence(number, length))
    scheduler.admit()
    return scheduler


def test_a_long_prompt_is_read_in_chunks_while_others_decode() -> None:
    scheduler = reading([1, 20, 3, 4], prefill_tokens=8)
    decoding = scheduler.running[0]
    decoding.fed = 1
    scheduler.promote(decoding)
    [(first, count)] = scheduler.prefill_batch()
    assert (first.id, count) == (1, 8)
    first.fed = 18
    assert [(s.id, n) for s, n in scheduler.prefill_batch()] == [(1, 2), (2, 3), (3, 3)]


def test_chunks_are_larger_while_no_request_decodes() -> None:
    scheduler = reading([20, 9, 9], prefill_tokens=8)
    assert [(s.id, n) for s, n in scheduler.prefill_batch()] == [(0, 20), (1, 9), (2, 3)]


def test_releasing_a_waiting_request_takes_it_from_the_queue() -> None:
    scheduler = Scheduler(slots=1, max_queue=3, prefill_tokens=8)
    waiting = [sequence(number) for number in range(3)]
    for one in waiting:
        scheduler.submit(one)
    scheduler.admit()
    assert scheduler.release(waiting[1]) == []
    assert [s.id for s in scheduler.waiting] == [2]


class Cache:
    """Holds the request in each slot, and moves requests as the scheduler says."""

    def __init__(self, slots: int) -> None:
        self.rows: list[int | None] = [None] * slots

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
        prefilling = [s for s in scheduler.running if s.in_prefill]
        if action == 0:
            scheduler.submit(sequence(number))
            for admitted in scheduler.admit():
                cache.rows[admitted.slot] = admitted.id
        elif action == 1 and prefilling:
            one = prefilling[pick % len(prefilling)]
            one.fed = one.prompt_length
            cache.carry_out(scheduler.promote(one))
        elif action == 2 and scheduler.running:
            one = scheduler.running[pick % len(scheduler.running)]
            cache.rows[one.slot] = None
            cache.carry_out(scheduler.release(one))
        running = scheduler.running
        assert [s.slot for s in running] == list(range(len(running)))
        assert cache.rows == [s.id for s in running] + [None] * (5 - len(running))
        decoding = scheduler.decode_batch()
        assert [s.slot for s in decoding] == list(range(len(decoding)))
        assert {s.id for s in decoding} == {s.id for s in running if not s.in_prefill}
