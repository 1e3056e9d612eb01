"""What a feature makes likely next: the label of those whose firing no statement describes."""

from collections.abc import Iterable, Sequence

import torch
from transformers import GPT2LMHeadModel

TYPE_NAME = "promoted-tokens"
_N_TOKENS = 3


@torch.no_grad()
def tokens(model: GPT2LMHeadModel, decoder: torch.Tensor, n: int = _N_TOKENS) -> list[list[int]]:
    """The `n` tokens whose logits each row of `decoder` [n_features, d_model] raises most.

    Through the final norm: its mean is taken off and its gains are applied, not its scale.
    """
    inputs = (decoder - decoder.mean(dim=1, keepdim=True)) * model.transformer.ln_f.weight
    return [row.topk(n).indices.tolist() for row in inputs @ model.lm_head.weight.T]


def describe(
    model: GPT2LMHeadModel,
    decoder: torch.Tensor,
    texts: Sequence[str],
    features: Iterable[int],
) -> dict[int, str]:
    """A description ("promotes: kitchen, garden, hall") for each of the features.

    `texts` are those of all tokens.
    """
    chosen = sorted(features)
    found = tokens(model, decoder[torch.tensor(chosen, dtype=torch.long)])
    return {
        feature: "promotes: " + ", ".join(_readable(texts[token]) for token in promoted)
        for feature, promoted in zip(chosen, found, strict=True)
    }


def _readable(text: str) -> str:
    word = text.strip(" ")
    return {"": "a space", "\n": "a line break", ",": "a comma"}.get(word, word)
