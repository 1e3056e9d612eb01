from __future__ import annotations

import numpy as np
import torch
from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.forward.batch import layout, plan
from axon_inference.forward.cache import SlotCache

HEADS, D_HEAD, CONTEXT = 2, 3, 6


def feed(slot: int, start: int, count: int) -> Feed:
    return Feed(slot, [7] * count, start, Sampling(), Features(), None)


def write(cache: SlotCache, feeds: list[Feed], values: list[float]) -> None:
    """Write `values`, one for each token, at the slots and positions of `feeds`."""
    step = plan(feeds)
    cache.layout = layout(step, torch.from_numpy(step.tokens))
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
    cache.clear(3, 5)
    assert row(cache, 3) == [0, 0, 0, 0, 0, 5]
    cache.clear(3)
    assert row(cache, 3) == [0] * CONTEXT


def test_a_plan_concatenates_the_feeds() -> None:
    step = plan([feed(0, 5, 1), feed(1, 2, 1), feed(2, 0, 3), feed(4, 8, 1)])
    ids, positions, slots, targets = step.tokens.tolist()
    assert ids == [7] * 6
    assert positions == targets == [5, 2, 0, 1, 2, 8]
    assert slots == [0, 1, 2, 2, 2, 4]
    assert step.offsets.tolist() == [0, 1, 2, 5]
    assert step.last.tolist() == [0, 1, 4, 5]
    assert (step.n_decode, step.decode_length) == (2, 6)
    assert [(s.slot, s.first, s.end) for s in step.spans] == [(2, 2, 3), (4, 5, 9)]


def layout_of(*feeds: Feed) -> object:
    step = plan(feeds)
    return layout(step, torch.from_numpy(step.tokens))


def test_neighbouring_slots_are_read_as_a_view_and_others_by_index() -> None:
    assert layout_of(feed(1, 0, 1), feed(2, 0, 1)).decode_slots == slice(1, 3)
    assert layout_of(feed(3, 0, 1), feed(1, 0, 1)).decode_slots.tolist() == [3, 1]


def test_masks_are_made_only_where_they_hide_something() -> None:
    even = layout_of(feed(0, 4, 1), feed(1, 4, 1))
    assert even.decode_mask(None) is None
    assert even.decode_mask(5) is None
    assert even.decode_mask(2)[0, 0, 0].tolist() == [False, False, False, True, True]
    ragged = layout_of(feed(0, 1, 1), feed(1, 3, 1))
    mask = ragged.decode_mask(None)[:, 0, 0].int()
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    windowed = ragged.decode_mask(2)[:, 0, 0].int()
    assert np.array_equal(windowed, [[1, 1, 0, 0], [0, 0, 1, 1]])


def test_padding_rows_write_to_the_spare_position() -> None:
    step = plan([feed(0, 3, 1), feed(1, 2, 1)])
    assert step.padded(4, spare=CONTEXT).tolist() == [
        [7, 7, 0, 0],
        [3, 2, 0, 0],
        [0, 1, 2, 3],
        [3, 2, CONTEXT, CONTEXT],
    ]
