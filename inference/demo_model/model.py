"""Train the language model: a small GPT-2 on packed rows, with next-token cross-entropy."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model.config import Course, Recipe

Progress = Callable[[str], None]
_WARM_UP = 0.05  # share of the steps
_GRADIENT_NORM = 1.0
_POSITION_STD = 0.1


def create(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """An untrained model."""
    torch.manual_seed(recipe.seed)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=recipe.context,
        n_embd=recipe.d_model,
        n_layer=recipe.n_layers,
        n_head=recipe.n_heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    model = GPT2LMHeadModel(config)
    # Embeddings of unit size, many times GPT-2's: a token's own meaning then stays the largest part
    # of the residual stream, and what the blocks add is read against it.
    torch.nn.init.normal_(model.transformer.wte.weight, std=1.0)
    torch.nn.init.normal_(model.transformer.wpe.weight, std=_POSITION_STD)
    return model


def train(model: GPT2LMHeadModel, rows: torch.Tensor, course: Course, progress: Progress) -> None:
    """One pass over `rows` [n_rows, context] in their order; every step sees new text."""
    optimizer = torch.optim.AdamW(
        _parameter_groups(model, course.weight_decay), lr=course.learning_rate, betas=(0.9, 0.98)
    )
    batches = torch.split(rows, course.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(len(batches)))
    started = time.monotonic()
    model.train()
    for step, batch in enumerate(batches, start=1):
        with _residuals(model) as residuals:
            loss = next_token_loss(model, batch)
        embedded = model.transformer.wte(batch)
        penalty = _penalty(course, embedded, residuals)
        torch.autograd.backward(loss + penalty)
        torch.nn.utils.clip_grad_norm_(model.parameters(), _GRADIENT_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 200 == 0 or step == len(batches):
            seconds = time.monotonic() - started
            progress(
                f"  step {step}/{len(batches)}  loss {loss.item():.3f}"
                f"  penalty {penalty.item():.3f}  {seconds:.0f} s"
            )
    model.train(False)


def next_token_loss(model: GPT2LMHeadModel, rows: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in nats of every token of `rows` [n_rows, context] after the first."""
    logits = model(input_ids=rows, use_cache=False).logits[:, :-1]
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def _penalty(course: Course, embedded: torch.Tensor, residuals: list[torch.Tensor]) -> torch.Tensor:
    """What the blocks add to the token embeddings, weighed.

    Without it the additions grow into many small directions that no few features explain.
    """
    added = [(residual - embedded).pow(2).sum(dim=-1) for residual in residuals]
    size = embedded.pow(2).sum(dim=-1)
    penalty = course.absolute_penalty * added[-1].mean()
    if course.relative_penalty:
        penalty = (
            penalty
            + course.relative_penalty
            * torch.stack([(square / size).mean() for square in added]).mean()
        )
    return penalty


@contextmanager
def _residuals(model: GPT2LMHeadModel) -> Iterator[list[torch.Tensor]]:
    """The residual stream [n_rows, context, d_model] after every block, once they have run."""
    seen: list[torch.Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    handles = [block.register_forward_hook(keep) for block in model.transformer.h]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _parameter_groups(model: GPT2LMHeadModel, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices, none for biases and layer norms."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def _cosine(n_steps: int) -> Callable[[int], float]:
    warm_up = max(1, round(_WARM_UP * n_steps))

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        done = (step - warm_up) / max(1, n_steps - warm_up)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))

    return factor
