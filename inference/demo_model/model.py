"""Train the language model: a small GPT-2, one pass over fresh text, able to go on after a stop."""

import dataclasses
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model.config import Course, Recipe
from demo_model.muon import Muon

Progress = Callable[[str], None]
_SAVE_EVERY = 500  # steps
_REPORT_EVERY = 10.0  # seconds
_WARM_UP = 0.02  # share of the steps in which the learning rates rise
_GRADIENT_NORM = 1.0
_TOKENS_STD, _POSITIONS_STD = 1.0, 0.02
_BETAS = (0.9, 0.95)
# What the weights after so many steps depend on, besides the rows.
_SETTINGS = (
    "seed", "threads", "vocab_size", "context", "n_layers", "d_model", "n_heads",
    "bfloat16", "batch", "weight_decay", "position_decay", "courses",
)  # fmt: skip


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
    # As large as what the blocks write. Muon's steps are of one size from the start: beside them
    # GPT-2's small embeddings would vanish, and most of the residuals would be the position.
    nn.init.normal_(model.transformer.wte.weight, std=_TOKENS_STD)
    nn.init.normal_(model.transformer.wpe.weight, std=_POSITIONS_STD)
    return model


def train(
    model: GPT2LMHeadModel,
    rows: torch.Tensor,
    recipe: Recipe,
    course: Course,
    state: Path,
    progress: Progress,
) -> float:
    """One course: one pass over `rows` [n_rows, context] in their order, all of it new text.

    Returns the seconds that it took, over all the runs that it took.

    The file `state` keeps what is done; where an earlier run of the same recipe was cut off, it
    goes on from there, to the same weights to the bit.
    """
    _prepare(recipe)
    run = _Run(model, rows, recipe, course)
    run.load(state, progress)
    batches = torch.split(rows, recipe.batch)
    report = _Report(run.step, len(batches), recipe.batch * rows.shape[1], progress)
    model.train()
    for batch in batches[run.step :]:
        loss = run.advance(batch, rate_factor(run.step, len(batches)))
        report.add(loss)
        if run.step % _SAVE_EVERY == 0 or run.step == len(batches):
            run.save(state)
    model.train(False)
    return run.seconds


def next_token_loss(model: GPT2LMHeadModel, rows: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in nats of every token of `rows` [n_rows, context] after the first."""
    width = model.config.n_embd
    x = final_residual(model, rows)[:, :-1].reshape(-1, width)
    return functional.cross_entropy(model.lm_head(x), rows[:, 1:].flatten())


def final_residual(model: GPT2LMHeadModel, rows: torch.Tensor) -> torch.Tensor:
    """What the head reads, [n_rows, context, d_model].

    The model's own sums, without the machinery around them, which takes a sixth of the time.
    """
    body: Any = model.transformer
    x: torch.Tensor = body.wte(rows) + body.wpe.weight[: rows.shape[1]]
    for block in body.h:
        x = x + _attention(block.attn, block.ln_1(x))
        hidden = functional.gelu(_linear(block.mlp.c_fc, block.ln_2(x)), approximate="tanh")
        x = x + _linear(block.mlp.c_proj, hidden)
    normed: torch.Tensor = body.ln_f(x)
    return normed


def rate_factor(step: int, n_steps: int) -> float:
    """The learning rates' share at a step: rising, then falling to zero in a straight line."""
    warm_up = max(1, round(_WARM_UP * n_steps))
    return min(1.0, (step + 1) / warm_up, 1 - step / n_steps)


def _attention(layer: Any, x: torch.Tensor) -> torch.Tensor:
    n_rows, context, width = x.shape
    heads = _linear(layer.c_attn, x).view(n_rows, context, 3, layer.num_heads, -1)
    q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return _linear(layer.c_proj, mixed.transpose(1, 2).reshape(n_rows, context, width))


def _linear(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """GPT-2 keeps its matrices as [inputs, outputs]."""
    flat = torch.addmm(layer.bias, x.reshape(-1, x.shape[-1]), layer.weight)
    return flat.view(*x.shape[:-1], -1)


def _prepare(recipe: Recipe) -> None:
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    # Memory that nothing reads before it is written need not be filled, a sixth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


class _Run:
    """Model and optimizers after so many steps."""

    def __init__(
        self, model: GPT2LMHeadModel, rows: torch.Tensor, recipe: Recipe, course: Course
    ) -> None:
        self.step = 0
        self._before, self._began = 0.0, time.monotonic()
        self._model = model
        matrices = [p for p in model.transformer.h.parameters() if p.ndim == 2]
        taken = {id(p) for p in matrices}
        tokens, positions = model.transformer.wte.weight, model.transformer.wpe.weight
        taken |= {id(tokens), id(positions)}
        others = [p for p in model.parameters() if id(p) not in taken]
        groups: list[dict[str, Any]] = [
            {"params": others},
            {"params": [tokens], "weight_decay": course.token_decay},
            # Kept small, or most of what the blocks write is the position.
            {"params": [positions], "weight_decay": recipe.position_decay},
        ]
        self._optimizers: tuple[torch.optim.Optimizer, ...] = (
            Muon(matrices, lr=course.matrix_rate, weight_decay=recipe.weight_decay),
            torch.optim.AdamW(
                groups, lr=course.other_rate, betas=_BETAS, weight_decay=0.0, fused=True
            ),
        )
        self._rates = (course.matrix_rate, course.other_rate)
        self._bfloat16 = recipe.bfloat16
        settings = dataclasses.asdict(recipe)
        text = tuple(rows.shape), zlib.crc32(rows.contiguous().numpy().data)
        self._fingerprint = repr(([(name, settings[name]) for name in _SETTINGS], course, text))

    @property
    def seconds(self) -> float:
        """How long training has taken so far, with the runs before this one."""
        return self._before + time.monotonic() - self._began

    def advance(self, batch: torch.Tensor, factor: float) -> float:
        """One step; the loss before it."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            loss = next_token_loss(self._model, batch)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._model.parameters(), _GRADIENT_NORM)
        for optimizer, rate in zip(self._optimizers, self._rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return loss.item()

    def save(self, path: Path) -> None:
        """Keep the state; a cut in the middle leaves the file of before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        state = {
            "fingerprint": self._fingerprint,
            "step": self.step,
            "seconds": self.seconds,
            "model": self._model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }
        torch.save(state, part)
        part.replace(path)

    def load(self, path: Path, progress: Progress) -> None:
        """Go on from the file, if there is one of this recipe and these rows."""
        if not path.exists():
            return
        try:
            state = torch.load(path, weights_only=True)
            fingerprint, step = state["fingerprint"], int(state["step"])
        except Exception as error:  # whatever a broken file makes of the reader
            progress(f"  {path} cannot be read ({error}): training starts afresh")
            return
        if fingerprint != self._fingerprint:
            progress(f"  {path} is of another recipe or other text: training starts afresh")
            return
        self._model.load_state_dict(state["model"])
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step, self._before = step, state["seconds"]
        progress(f"  going on after step {step}")


class _Report:
    """A line about every ten seconds."""

    def __init__(self, step: int, n_steps: int, tokens: int, progress: Progress) -> None:
        self._step, self._n_steps, self._tokens, self._progress = step, n_steps, tokens, progress
        self._losses: list[float] = []
        self._first = step
        self._began = self._since = time.monotonic()

    def add(self, loss: float) -> None:
        """One step is done."""
        self._step += 1
        self._losses.append(loss)
        now = time.monotonic()
        if now - self._since < _REPORT_EVERY and self._step < self._n_steps:
            return
        mean = sum(self._losses) / len(self._losses)
        speed = len(self._losses) * self._tokens / max(now - self._since, 1e-9)
        left = (self._n_steps - self._step) * (now - self._began) / (self._step - self._first)
        self._progress(
            f"  step {self._step}/{self._n_steps}  loss {mean:.4f}"
            f"  {speed:.0f} tokens/s  {left / 60:.1f} min left"
        )
        self._since = now
        self._losses.clear()
