"""Attention of a packed batch over the slots, registered with transformers under `ATTENTION`.

transformers hands every layer's queries, keys and values to a function chosen by name, with all
that its architecture does differently as arguments (scale, shared heads, sliding window, soft
cap). So one function serves every family, and no model's code is ours.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from axon_inference.model.network import ATTENTION
from axon_inference.step.batch import Layout


def attend(
    module: nn.Module,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    attention_mask: Tensor | None,
    *,
    layout: Layout,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """One layer's attention.

    Args:
        module: the attention module, unused.
        query: [1, heads, N, d_head], the step's tokens.
        keys, values: [slot, key-value heads, position, d_head], as `SlotCache.update` returns
            them: the whole layer.
        attention_mask: always None; `layout` says who sees what.
        layout: how the N tokens lie in the batch.
        scaling: factor of the scores; None means d_head^-1/2.
        sliding_window: how many positions back a token sees, itself included; None: all.
        softcap: scores are squeezed to (-softcap, softcap) by tanh, as Gemma-2 does.
        s_aux: each head's sink [heads], the score of a key without a value, as gpt-oss has it.

    Returns:
        [1, N, heads, d_head], and no weights.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    core = partial(_core, scale=scale, softcap=softcap, sinks=s_aux)
    rows = query[0].transpose(0, 1)
    parts = []
    if layout.n_decode:
        here = layout.decode_slots
        found = core(
            _grouped(rows[: layout.n_decode], keys.shape[1]),
            keys[here, :, : layout.length],
            values[here, :, : layout.length],
            layout.mask(sliding_window),
        )
        parts.append(found.flatten(1, 2))
    for span in layout.spans:
        queries = _grouped(rows[span.rows], keys.shape[1])
        queries = queries.view(span.sequences, span.count, *queries.shape[1:])
        queries = queries.permute(0, 2, 3, 1, 4)  # [sequences, kv_heads, group, T, d]
        mask = layout.mask(sliding_window, span)
        assert mask is not None
        found = core(
            queries.flatten(2, 3),
            keys[span.slots, :, : span.end],
            values[span.slots, :, : span.end],
            mask.repeat(queries.shape[2], 1)[None, None],
        )
        heads = found.view(*queries.shape[:4], -1)
        parts.append(heads.permute(0, 3, 1, 2, 4).flatten(2, 3).flatten(0, 1))
    return (parts[0] if len(parts) == 1 else torch.cat(parts))[None], None


def _grouped(rows: Tensor, kv_heads: int) -> Tensor:
    """[n, heads, d] as [n, kv_heads, heads that share one, d]: queries of one key-value head
    become its query positions, so shared keys are read once and copied never."""
    return rows.reshape(rows.shape[0], kv_heads, -1, rows.shape[-1])


def _core(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
    scale: float,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    """softmax(q k^T scale) v over [n, kv_heads, T, d], T being each of the heads that share one
    key-value head, and for each its positions; `mask` is True where a key is seen."""
    if softcap is None and sinks is None:
        return scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale)
    scores = query @ keys.transpose(-1, -2) * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    if sinks is None:
        return scores.softmax(-1, dtype=torch.float32).to(values.dtype) @ values
    of_head = sinks.view(1, keys.shape[1], -1, 1, 1)
    each = of_head.expand(len(scores), -1, -1, scores.shape[2] // of_head.shape[2], 1)
    beside = torch.cat([scores, each.reshape(*scores.shape[:3], 1).to(scores.dtype)], -1)
    return beside.softmax(-1, dtype=torch.float32)[..., :-1].to(values.dtype) @ values


AttentionInterface.register(ATTENTION, attend)
