"""Keys and values of all running requests, one slot each, behind transformers' Cache interface.

transformers' own static cache keeps one length for all rows, so rows could not join and leave
at will. Here every token writes to its own slot and position, and `attention` decides how far
each may look.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from axon_inference.step.batch import Layout, Row


class SlotCache(Cache):
    """Keys and values [slot, head, position, d_head] of every layer, or, of one with linear
    attention, the states [slot, ...] that stand for all that a slot has read.

    There is one position more than the context, the spare one: rows of a step that only fill
    up its shape write there, and nobody looks. Set `layout` before every forward pass, and `commit`
    when the step has gone well.
    """

    def __init__(self, slots: int, context_length: int) -> None:
        super().__init__(layers=[])
        self.slots = slots
        self.context_length = context_length
        self.layout: Layout | None = None
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}
        #: By layer and kind; see recurrent.py.
        self.states: dict[tuple[int, str], Tensor] = {}
        self._left: list[tuple[tuple[int, str], slice | Tensor, Tensor]] = []

    def leave(self, layer: int, kind: str, slots: slice | Tensor, state: Tensor) -> None:
        """This state is that of some slots as soon as the step has gone well."""
        self._left.append(((layer, kind), slots, state))

    def forget(self) -> None:
        """Nothing of an earlier step that failed is taken over."""
        self._left.clear()

    def commit(self) -> None:
        """Take over the states that the step has left."""
        for name, slots, state in self._left:
            if name not in self.states:
                self.states[name] = state.new_zeros(self.slots, *state.shape[1:])
            self.states[name][slots] = state
        self._left.clear()

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the step's keys and values [1, head, N, d_head]; return the whole layer's.

        A layer is allocated when first used, for the head count and width that its attention
        really has.
        """
        assert self.layout is not None
        if layer_idx not in self.keys:
            self.keys[layer_idx] = self._allocate(key_states)
            self.values[layer_idx] = self._allocate(value_states)
        keys, values = self.keys[layer_idx], self.values[layer_idx]
        if self.layout.only is not None:  # several times faster than by index
            slot, target = self.layout.only
            keys[slot, :, target] = key_states[0, :, 0]
            values[slot, :, target] = value_states[0, :, 0]
            return keys, values
        slots, targets = self.layout.numbers[Row.SLOT], self.layout.numbers[Row.TARGET]
        keys[slots, :, targets] = key_states[0].transpose(0, 1)
        values[slots, :, targets] = value_states[0].transpose(0, 1)
        return keys, values

    def _allocate(self, states: Tensor) -> Tensor:
        _, heads, _, d_head = states.shape
        shape = (self.slots, heads, self.context_length + 1, d_head)
        return torch.zeros(shape, dtype=states.dtype, device=states.device)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """0: there is no length common to all rows; position ids are always given."""
        return 0

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of one slot over another's, and clear them."""
        self.copy(source, target, length)
        self.clear(source, length)

    def copy(self, source: int, target: int | slice, length: int) -> None:
        """Copy the first `length` positions of one slot over another's, or some others'."""
        for tensor in self._tensors():
            tensor[target, :, :length] = tensor[source, :, :length]
        for state in self.states.values():
            state[target] = state[source]

    def swap(self, first: int, second: int, length: int) -> None:
        """Exchange the first `length` positions of two slots."""
        for tensor in self._tensors():
            kept = tensor[first, :, :length].clone()
            tensor[first, :, :length] = tensor[second, :, :length]
            tensor[second, :, :length] = kept
        for state in self.states.values():
            kept = state[first].clone()
            state[first] = state[second]
            state[second] = kept

    def clear(self, slot: int, length: int | None = None) -> None:
        """Zero the first `length` positions of a slot, or all.

        A slot that nobody has holds zeros: masked zeros change nothing, but a masked NaN would
        poison the row that takes the slot next.
        """
        for tensor in self._tensors():
            tensor[slot, :, :length].zero_()
        for state in self.states.values():
            state[slot].zero_()

    @property
    def nbytes(self) -> int:
        """Memory allocated so far."""
        return sum(tensor.nbytes for tensor in [*self._tensors(), *self.states.values()])

    def _tensors(self) -> list[Tensor]:
        return [*self.keys.values(), *self.values.values()]
