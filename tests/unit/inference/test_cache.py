from __future__ import annotations

import numpy as np
import torch
from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.step.batch import (
    Buffers,
    Row,
    knobs,
    layout,
    packed,
    padding,
    plan,
    unpacked,
)
from axon_inference.step.cache import SlotCache
from axon_inference.step.sampling import signed

HEADS, D_HEAD, CONTEXT = 2, 3, 6


def feed(slot: int, start: int, count: int) -> Feed:
    return Feed(slot, [7] * count, start, Sampling(), Features(), None)


def write(cache: SlotCache, feeds: list[Feed], values: list[float]) -> None:
    """Write `values`, one for each token, at the slots and positions of `feeds`."""
    step = plan(feeds)
    cache.layout = layout(step, torch.from_numpy(step.numbers))
    given = torch.tensor(values)[None, None, :, None].expand(1, HEADS, -1, D_HEAD)
    cache.update(given, given * 10, 0)


def row(cache: SlotCache, slot: int) -> list[float]:
    """The value at each position of a slot, without the spare position."""
    return cache.keys[0][slot, 0, :CONTEXT, 0].tolist()


def filled() -> SlotCache:
    cache = SlotCache(slots=4, context_length=CONTEXT)
    write(cache, [feed(slot, 0, 1) for slot in range(4)], [1, 1, 1, 1])
    write(cache, [feed(3, 2, 2), feed(1, 4, 2)], [2, 3, 4, 5])
    return cache


def test_tokens_are_written_to_their_own_slots_and_positions() -> None:
    cache = filled()
    assert row(cache, 3) == [1, 0, 2, 3, 0, 0]
    assert row(cache, 1) == [1, 0, 0, 0, 4, 5]
    assert row(cache, 0) == [1, 0, 0, 0, 0, 0]
    assert cache.values[0][1, 1, 4].tolist() == [40, 40, 40]


def test_move_swap_and_clear() -> None:
    cache = filled()
    cache.swap(1, 3, CONTEXT)
    assert row(cache, 3) == [1, 0, 0, 0, 4, 5]
    assert row(cache, 1) == [1, 0, 2, 3, 0, 0]
    cache.move(1, 0, 3)
    assert row(cache, 0) == [1, 0, 2, 0, 0, 0]
    assert row(cache, 1) == [0, 0, 0, 3, 0, 0]
    cache.copy(0, 2, 3)
    assert row(cache, 2) == row(cache, 0) == [1, 0, 2, 0, 0, 0]
    cache.clear(3, 5)
    assert row(cache, 3) == [0, 0, 0, 0, 0, 5]
    cache.clear(3)
    assert row(cache, 3) == [0] * CONTEXT


def test_a_plan_concatenates_the_feeds() -> None:
    step = plan([feed(0, 5, 1), feed(1, 2, 1), feed(2, 0, 3), feed(4, 8, 1)])
    ids, positions, slots, targets = step.numbers[: Row.TARGET + 1].tolist()
    assert ids == [7] * 6
    assert positions == targets == [5, 2, 0, 1, 2, 8]
    assert slots == [0, 1, 2, 2, 2, 4]
    assert step.offsets.tolist() == [0, 1, 2, 5]
    assert (step.n_decode, step.decode_length) == (2, 6)
    assert [(s.slot, s.first, s.end) for s in step.spans] == [(2, 2, 3), (4, 5, 9)]


def layout_of(*feeds: Feed) -> object:
    step = plan(feeds)
    return layout(step, torch.from_numpy(step.numbers))


def test_neighbouring_slots_are_read_as_a_view_and_others_by_index() -> None:
    assert layout_of(feed(1, 0, 1), feed(2, 0, 1)).decode_slots == slice(1, 3)
    assert layout_of(feed(3, 0, 1), feed(1, 0, 1)).decode_slots.tolist() == [3, 1]


def test_masks_are_made_only_where_they_hide_something() -> None:
    even = layout_of(feed(0, 4, 1), feed(1, 4, 1))
    assert even.mask(None) is None
    assert even.mask(5) is None
    assert even.mask(2)[0, 0, 0].tolist() == [False, False, False, True, True]
    ragged = layout_of(feed(0, 1, 1), feed(1, 3, 1))
    mask = ragged.mask(None)[:, 0, 0].int()
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    windowed = ragged.mask(2)[:, 0, 0].int()
    assert np.array_equal(windowed, [[1, 1, 0, 0], [0, 0, 1, 1]])


def test_what_draws_has_its_knobs_in_the_plan() -> None:
    asked = [Sampling(0.7, 40, 0.9, 1.2, seed=2**64 - 1), Sampling(0), Sampling(1e-45, seed=5)]
    drawn = [3, None, 0]
    feeds = [
        Feed(slot, [7] * (slot + 1), 0, sampling, Features(), draws)
        for slot, (sampling, draws) in enumerate(zip(asked, drawn, strict=True))
    ]
    step = plan(feeds)
    assert step.drawing == [0, 2]
    numbers = torch.from_numpy(step.numbers)
    assert numbers[[Row.LAST, Row.OWNER], :2].tolist() == [[0, 5], [0, 2]]
    found = knobs(step, numbers)
    for index, (one, draws) in enumerate([(asked[0], 3), (asked[2], 0)]):
        want = [one.temperature, one.top_p, one.repetition_penalty]
        got = [found.temperature[index], found.top_p[index], found.repetition_penalty[index]]
        assert got == [torch.tensor(value, dtype=torch.float32) for value in want]
        assert (found.top_k[index], found.seed[index], found.draw[index]) == (
            one.top_k,
            signed(one.seed),
            draws,
        )
    assert (found.any_sampled, found.any_penalty, found.any_top_p) == (True, True, True)
    assert found.largest_top_k == 40


def test_padding_rows_write_to_the_spare_position() -> None:
    numbers = padding(3, spare=CONTEXT)
    assert numbers[: Row.TARGET + 1].tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 2], [CONTEXT] * 3]


def test_a_steps_numbers_stay_at_one_address_and_are_the_latest() -> None:
    buffers = Buffers(torch.device("cpu"))
    first = buffers.send(np.arange(12).reshape(2, 6))
    second = buffers.send(np.arange(8).reshape(2, 4) + 100)
    assert first.data_ptr() == second.data_ptr()
    assert second.tolist() == [[100, 101, 102, 103], [104, 105, 106, 107]]
    found = [torch.tensor([[1.5]]), torch.tensor([2])]
    fetched = buffers.fetch(found)
    found[0].fill_(0)  # as the next step would
    assert [array.tolist() for array in fetched] == [[[1.5]], [2]]


def test_what_was_found_comes_back_in_one_piece() -> None:
    found = [
        torch.tensor([[0.1, torch.nan], [-torch.inf, 3e38]]),
        torch.tensor([2**31 - 1, -1]),
        torch.tensor([0.5], dtype=torch.bfloat16),
        torch.empty(0, 3),
        torch.tensor([[7]], dtype=torch.int32),
    ]
    flat = packed(found)
    assert (flat.dtype, flat.shape) == (torch.int32, (8,))
    for array, want in zip(unpacked(flat.numpy(), found), found, strict=True):
        wanted = want.float() if want.is_floating_point() else want
        np.testing.assert_array_equal(array, wanted.numpy())
        assert array.shape == want.shape
