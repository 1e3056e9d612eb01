"""Measure model and SAEs on held-out text, at every position but those of `<|endoftext|>`."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from sae_lens import SAE
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model import residuals

_AT_ONCE = 8192


@dataclass(frozen=True)
class SaeMetrics:
    """How faithful and how sparse one SAE is.

    `explained_variance` is 1 - sum |x - x'|^2 / sum |x - mean|^2 over all positions together; `l0`
    the mean number of features above zero; `dead` the share of features that never fire. Losses
    are next-token cross-entropies in nats with the residual left alone, replaced by the SAE's
    output, by zero, and by its mean.
    """

    explained_variance: float
    l0: float
    dead: float
    loss_clean: float
    loss_replaced: float
    loss_zero: float
    loss_mean: float

    @property
    def recovered(self) -> float:
        """Loss recovered against zero ablation."""
        return (self.loss_zero - self.loss_replaced) / (self.loss_zero - self.loss_clean)

    @property
    def recovered_from_mean(self) -> float:
        """Loss recovered against mean ablation, the harder measure."""
        return (self.loss_mean - self.loss_replaced) / (self.loss_mean - self.loss_clean)


@torch.no_grad()
def encode(sae: SAE, x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Feature activations of residuals [n_positions, d_model], in parts [some positions, d_sae]."""
    for part in torch.split(x, _AT_ONCE):
        yield sae.encode(part)


@torch.no_grad()
def explained_variance(sae: SAE, x: torch.Tensor) -> float:
    """Share of the variance of `x` [n_positions, d_model] that the SAE reconstructs."""
    rest: float = sum(
        (part - sae.decode(activations)).double().pow(2).sum().item()
        for part, activations in zip(torch.split(x, _AT_ONCE), encode(sae, x), strict=True)
    )
    total: float = (x - x.mean(dim=0)).double().pow(2).sum().item()
    return 1 - rest / total


@torch.no_grad()
def measure_sae(
    model: GPT2LMHeadModel,
    sae: SAE,
    layer: int,
    rows: torch.Tensor,
    x: torch.Tensor,
    loss_clean: float,
) -> SaeMetrics:
    """Measure an SAE on residuals `x` [n_positions, d_model], and its effect on the loss of `rows`
    [n_rows, context], which is `loss_clean` without it."""
    mean = x.mean(dim=0)
    counts = sum((part > 0).sum(dim=0) for part in encode(sae, x))
    assert isinstance(counts, torch.Tensor)
    return SaeMetrics(
        explained_variance=explained_variance(sae, x),
        l0=counts.sum().item() / len(x),
        dead=(counts == 0).float().mean().item(),
        loss_clean=loss_clean,
        loss_replaced=residuals.loss(model, rows, layer, lambda r: sae.decode(sae.encode(r))),
        loss_zero=residuals.loss(model, rows, layer, torch.zeros_like),
        loss_mean=residuals.loss(model, rows, layer, lambda r: mean.expand_as(r)),
    )


@torch.no_grad()
def continuations(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, prompts: list[str], n_tokens: int
) -> list[str]:
    """Greedy continuations of `<|endoftext|>` + prompt, all at once, up to the end of the text.

    They end with the model's context, too.
    """
    end = tokenizer.eos_token_id
    rows = [[end, *tokenizer(prompt)["input_ids"]] for prompt in prompts]
    new: list[list[int]] = [[] for _ in prompts]
    longest = max(len(row) for row in rows)
    for _ in range(min(n_tokens, model.config.n_positions - longest)):
        width = max(len(row) for row in rows)
        # Padding on the right cannot be seen from the left.
        padded = torch.tensor([row + [end] * (width - len(row)) for row in rows])
        logits = model(input_ids=padded, use_cache=False).logits
        for row, tokens, scores in zip(rows, new, logits, strict=True):
            token = int(scores[len(row) - 1].argmax())
            row.append(token)
            tokens.append(token)
    ended = ([*tokens, end] for tokens in new)
    return [str(tokenizer.decode(tokens[: tokens.index(end)])) for tokens in ended]
