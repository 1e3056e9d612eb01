"""Train the language model: a small GPT-2 on packed rows, with next-token cross-entropy."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model.config import Recipe

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


def train(model: GPT2LMHeadModel, rows: torch.Tensor, recipe: Recipe, progress: Progress) -> None:
    """One pass over `rows` [n_rows, context] in their order; every step sees new text."""
    optimizer = torch.optim.AdamW(
        _parameter_groups(model, recipe.lm_weight_decay),
        lr=recipe.lm_learning_rate,
        betas=(0.9, 0.98),
    )
    batches = torch.split(rows, recipe.lm_batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(len(batches)))
    started = time.monotonic()
    model.train()
    for step, batch in enumerate(batches, start=1):
        with _last_residual(model) as last:
            loss = next_token_loss(model, batch)
        added = _relative_size_added(model, batch, last[0])
        torch.autograd.backward(loss + recipe.lm_residual_penalty * added)
        torch.nn.utils.clip_grad_norm_(model.parameters(), _GRADIENT_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 200 == 0 or step == len(batches):
            seconds = time.monotonic() - started
            progress(
                f"  step {step}/{len(batches)}  loss {loss.item():.3f}"
                f"  added to the embeddings {added.item():.3f}  {seconds:.0f} s"
            )
    model.train(False)


def next_token_loss(model: GPT2LMHeadModel, rows: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in nats of every token of `rows` [n_rows, context] after the first."""
    logits = model(input_ids=rows, use_cache=False).logits[:, :-1]
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def _relative_size_added(
    model: GPT2LMHeadModel, rows: torch.Tensor, residual: torch.Tensor
) -> torch.Tensor:
    """Squared size of what was added to the token embeddings, as a share of their own."""
    embedded: torch.Tensor = model.transformer.wte(rows)
    added = (residual - embedded).pow(2).sum(dim=-1)
    relative: torch.Tensor = added / embedded.pow(2).sum(dim=-1)
    return relative.mean()


@contextmanager
def _last_residual(model: GPT2LMHeadModel) -> Iterator[list[torch.Tensor]]:
    """The residual stream [n_rows, context, d_model] after the last block, once it has run."""
    seen: list[torch.Tensor] = []
    norm = model.transformer.ln_f
    handle = norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
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
