from __future__ import annotations

import torch
from axon_inference.cache import Rows, SlotCache

HEADS, D_HEAD, CONTEXT = 2, 3, 6


def states(n: int, tokens: int, value: float) -> torch.Tensor:
    return torch.full((n, HEADS, tokens, D_HEAD), value)


def write(cache: SlotCache, slots: list[int], positions: list[list[int]], value: float) -> None:
    rows = Rows(slots, torch.tensor(positions), max(max(p) for p in positions) + 1)
    cache.point_at(rows)
    given = states(len(slots), len(positions[0]), value)
    cache.update(given, given * 10, layer_idx=0)


def row(cache: SlotCache, slot: int) -> list[float]:
    """The value at each position of a slot, without the spare one."""
    return cache.slot_layers[0].keys[slot, 0, :CONTEXT, 0].tolist()


def filled() -> SlotCache:
    cache = SlotCache(1, slots=4, context_length=CONTEXT)
    write(cache, [0, 1, 2, 3], [[0], [0], [0], [0]], 1)
    write(cache, [3, 1], [[2, 3], [4, 5]], 2)
    return cache


def test_rows_write_at_their_own_positions() -> None:
    cache = filled()
    assert row(cache, 3) == [1, 0, 2, 2, 0, 0]
    assert row(cache, 1) == [1, 0, 0, 0, 2, 2]
    assert row(cache, 0) == [1, 0, 0, 0, 0, 0]


def test_update_returns_the_rows_in_their_order_up_to_the_length() -> None:
    cache = filled()
    cache.point_at(Rows([3, 1], torch.tensor([[4], [1]]), length=5))
    keys, values = cache.update(states(2, 1, 7), states(2, 1, 70), layer_idx=0)
    assert keys[:, 0, :, 0].tolist() == [[1, 0, 2, 2, 7], [1, 7, 0, 0, 2]]
    assert values[0, 1, 4].tolist() == [70, 70, 70]


def test_contiguous_slots_are_read_without_a_copy() -> None:
    cache = filled()
    cache.point_at(Rows([1, 2], torch.tensor([[1], [1]]), length=2))
    keys, _ = cache.update(states(2, 1, 7), states(2, 1, 7), layer_idx=0)
    assert keys.data_ptr() == cache.slot_layers[0].keys[1].data_ptr()


def test_padding_goes_where_nobody_looks() -> None:
    cache = filled()
    write(cache, [0], [[1, CONTEXT, CONTEXT]], 5)
    assert row(cache, 0) == [1, 5, 0, 0, 0, 0]


def test_copy_swap_and_clear() -> None:
    cache = filled()
    cache.swap(1, 3, CONTEXT)
    assert row(cache, 3) == [1, 0, 0, 0, 2, 2]
    assert row(cache, 1) == [1, 0, 2, 2, 0, 0]
    cache.copy(1, 0, 3)
    assert row(cache, 0) == [1, 0, 2, 0, 0, 0]
    cache.clear(1)
    assert row(cache, 1) == [0] * CONTEXT
