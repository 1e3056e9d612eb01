"""Keys and values of all running requests, one slot each, behind transformers' Cache interface.

transformers' own static cache keeps one length for all rows, so rows could not join and leave
at will. Here every row writes at its own positions and the attention mask, which we build, says
how far each row may look.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


class Rows:
    """Where the rows of one forward pass read and write, the same for every layer.

    Args:
        slots: the slot of each row, [n].
        positions: where each token's key and value go, [n, T]; padding goes to the spare
            position `context_length`, which no row ever looks at.
        length: how many positions from 0 the attention sees; at least the longest row's.
    """

    def __init__(self, slots: list[int], positions: Tensor, length: int) -> None:
        first = slots[0]
        contiguous = slots == list(range(first, first + len(slots)))
        # A slice is a view: decode steps, whose rows are always contiguous, copy nothing.
        self.select: slice | Tensor = (
            slice(first, first + len(slots))
            if contiguous
            else torch.tensor(slots, device=positions.device)
        )
        self.row = torch.tensor(slots, device=positions.device)[:, None]
        self.positions = positions
        self.length = length


class SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer's keys and values, [slot, head, position, d_head]; allocated when first used."""

    is_sliding = False

    def __init__(self, slots: int, context_length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.slots = slots
        self.context_length = context_length
        self.rows: Rows | None = None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate for the head count and width that the model's attention really has."""
        self.keys = self._allocate(key_states)
        self.values = self._allocate(value_states)
        self.is_initialized = True

    def _allocate(self, states: Tensor) -> Tensor:
        _, heads, _, d_head = states.shape
        shape = (self.slots, heads, self.context_length + 1, d_head)
        return torch.zeros(shape, dtype=states.dtype, device=states.device)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write [n, head, T, d_head] at the rows' positions; return the rows up to `length`."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.rows is not None
        assert self.keys is not None
        assert self.values is not None
        rows = self.rows
        self.keys[rows.row, :, rows.positions] = key_states.transpose(1, 2)
        self.values[rows.row, :, rows.positions] = value_states.transpose(1, 2)
        return (
            self.keys[rows.select, :, : rows.length],
            self.values[rows.select, :, : rows.length],
        )

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys; unused by models given a 4-D mask, as ours are."""
        return (self.rows.length if self.rows else query_length), 0

    def get_seq_length(self) -> int:
        """0: there is no length common to all rows; position ids are always given."""
        return 0

    def get_max_length(self) -> int:
        """The most tokens a slot holds."""
        return self.context_length


class SlotCache(Cache):
    """A cache of `slots` independent rows; set `rows` by `point_at` before every forward pass."""

    def __init__(self, n_layers: int, slots: int, context_length: int) -> None:
        self.slot_layers = [SlotLayer(slots, context_length) for _ in range(n_layers)]
        super().__init__(layers=list(self.slot_layers))

    def point_at(self, rows: Rows) -> None:
        """Direct the next forward pass's reads and writes."""
        for layer in self.slot_layers:
            layer.rows = rows

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of one slot over another's."""
        for tensor in self._tensors():
            tensor[target, :, :length] = tensor[source, :, :length]

    def swap(self, first: int, second: int, length: int) -> None:
        """Exchange the first `length` positions of two slots."""
        for tensor in self._tensors():
            kept = tensor[first, :, :length].clone()
            tensor[first, :, :length] = tensor[second, :, :length]
            tensor[second, :, :length] = kept

    def clear(self, slot: int) -> None:
        """Zero a slot. Needed after non-finite values only: masked zeros stay zero, but
        a masked NaN still poisons the row that takes the slot next."""
        for tensor in self._tensors():
            tensor[slot].zero_()

    def _tensors(self) -> list[Tensor]:
        pairs = [(layer.keys, layer.values) for layer in self.slot_layers]
        return [tensor for pair in pairs for tensor in pair if tensor is not None]
