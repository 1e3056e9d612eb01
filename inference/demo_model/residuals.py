"""Read and replace the residual stream after a block (`blocks.{L}.hook_resid_post`)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from transformers import GPT2LMHeadModel

_ROWS_AT_ONCE = 32
Edit = Callable[[torch.Tensor], torch.Tensor]


def hook_name(layer: int) -> str:
    """The hook point's name in TransformerLens."""
    return f"blocks.{layer}.hook_resid_post"


def is_text(model: GPT2LMHeadModel, rows: torch.Tensor) -> torch.Tensor:
    """Where `rows` hold a token other than `<|endoftext|>`."""
    end = model.config.eos_token_id
    assert isinstance(end, int)
    return rows.ne(end)


@torch.no_grad()
def collect(model: GPT2LMHeadModel, rows: torch.Tensor) -> list[torch.Tensor]:
    """Residuals after every block: per layer [n_rows * context, d_model], row by row."""
    config = model.config
    shape = (len(rows), rows.shape[1], config.n_embd)
    collected = [torch.empty(shape) for _ in range(config.n_layer)]
    for start, batch in _batches(rows):
        with ExitStack() as stack:
            for layer, target in enumerate(collected):
                part = target[start : start + len(batch)]
                stack.enter_context(_edited(model, layer, _copy_into(part)))
            model.transformer(input_ids=batch, use_cache=False)
    return [residual.flatten(0, 1) for residual in collected]


@torch.no_grad()
def loss(
    model: GPT2LMHeadModel, rows: torch.Tensor, layer: int = 0, edit: Edit = lambda x: x
) -> float:
    """Mean next-token cross-entropy in nats, with the residual after `layer` passed through `edit`.

    `edit` sees [n_positions, d_model] at positions other than `<|endoftext|>`; that token's own
    residual stays as it is, since SAEs are neither trained on it nor shown for it.
    """
    total, count = 0.0, 0
    for _, batch in _batches(rows):
        with _edited(model, layer, _edit_where(is_text(model, batch), edit)):
            logits = model(input_ids=batch, use_cache=False).logits[:, :-1]
        targets = batch[:, 1:]
        total += nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="sum"
        ).item()
        count += targets.numel()
    return total / count


def _batches(rows: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield start, rows[start : start + _ROWS_AT_ONCE]


@contextmanager
def _edited(model: GPT2LMHeadModel, layer: int, edit: Edit) -> Iterator[None]:
    """Pass the output [n_rows, context, d_model] of one block through `edit`."""

    def hook(_module: nn.Module, _inputs: object, output: Any) -> Any:
        if isinstance(output, tuple):
            return (edit(output[0]), *output[1:])
        return edit(output)

    handle = model.transformer.h[layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _copy_into(target: torch.Tensor) -> Edit:
    def edit(residual: torch.Tensor) -> torch.Tensor:
        target.copy_(residual)
        return residual

    return edit


def _edit_where(chosen: torch.Tensor, edit: Edit) -> Edit:
    def masked(residual: torch.Tensor) -> torch.Tensor:
        edited = residual.clone()
        edited[chosen] = edit(residual[chosen])
        return edited

    return masked
