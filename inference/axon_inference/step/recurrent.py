"""Linear attention of a packed batch: a state per slot instead of keys and values.

Such a layer reads tokens in order and keeps what it needs of them: the last inputs of a short
convolution, and a matrix a head. transformers' own layer runs here, once for the sequences that
decode and once for each span of prompts, on the states of their slots. What it leaves is taken over
when the step has gone well, so that a step can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from axon_inference.step.batch import Row
from axon_inference.step.cache import SlotCache


def install(network: nn.Module) -> None:
    """Have the linear attention of a network run on the states of slots, if it has any."""
    for name, module in network.named_modules():
        if name.endswith(".linear_attn"):
            module.forward = partial(_forward, module.forward)


def _forward(
    alone: Callable[..., Tensor],
    hidden_states: Tensor,
    cache_params: Any = None,
    attention_mask: Tensor | None = None,
    **others: Any,
) -> Tensor:
    """One layer's linear attention [1, N, d_model] of a step's tokens."""
    if not isinstance(cache_params, SlotCache):
        return alone(hidden_states, cache_params=cache_params, attention_mask=attention_mask)
    layout = cache_params.layout
    assert layout is not None
    rows, n = hidden_states[0], layout.n_decode
    parts = []
    if n:
        begins = layout.numbers[Row.POSITION, :n] == 0
        states = _States(cache_params, layout.decode_slots, begins)
        parts.append(alone(rows[:n, None], cache_params=states)[:, 0])
    for span in layout.spans:
        begins = torch.full((span.sequences,), span.start == 0, device=rows.device)
        states = _States(cache_params, span.slots, begins)
        several = rows[span.rows].view(span.sequences, span.count, -1)
        parts.append(alone(several, cache_params=states).flatten(0, 1))
    return (parts[0] if len(parts) == 1 else torch.cat(parts))[None]


class _States:
    """The states of some slots, behind the part of transformers' Cache that such a layer uses.

    `begins` [slots] says which of them read their first token, so that nothing is before it.
    """

    def __init__(self, cache: SlotCache, slots: slice | Tensor, begins: Tensor) -> None:
        self._cache, self._slots, self._begins = cache, slots, begins

    def is_recording_past(self, layer_idx: int) -> bool:
        """Whether more than the last state is to be kept."""
        return False

    def get_conv_state(self, layer_idx: int, state_idx: int = 0) -> Tensor | None:
        """The last inputs of the convolution [slots, channels, kernel]; None before the first."""
        found = self._state(layer_idx, "conv")
        if found is not None:  # the layer writes into it
            self._cache.leave(layer_idx, "conv", self._slots, found)
        return found

    def get_recurrent_state(self, layer_idx: int, state_idx: int = 0) -> Tensor | None:
        """The matrix of each head [slots, heads, d_key, d_value]; None before the first."""
        return self._state(layer_idx, "recurrent")

    def update_conv_state(
        self, new: Tensor, layer_idx: int, conv_kernel_size: int, state_idx: int = 0
    ) -> Tensor:
        """Take inputs [slots, channels, T]; return them behind those that were kept."""
        kept = self._state(layer_idx, "conv")
        if kept is None:
            kept = new.new_zeros(*new.shape[:2], conv_kernel_size)
        whole = torch.cat([kept, new], -1)
        self._cache.leave(layer_idx, "conv", self._slots, whole[..., -conv_kernel_size:])
        return whole

    def update_recurrent_state(self, new: Tensor, layer_idx: int, state_idx: int = 0) -> None:
        """Take what the matrices have become."""
        self._cache.leave(layer_idx, "recurrent", self._slots, new)

    def _state(self, layer: int, kind: str) -> Tensor | None:
        """A copy, of zeros where nothing was read before."""
        stored = self._cache.states.get((layer, kind))
        if stored is None:
            return None
        found = stored[self._slots]
        begins = self._begins.view(-1, *[1] * (found.ndim - 1))
        return torch.where(begins, torch.zeros_like(found), found)
