"""Causal anchors: does a feature carry the word that it seems to stand for?

In a prompt about word A ("The capital of France is") the feature of A is turned into the feature of
a counterpart B, and the model must go on as if the prompt had been about B ("Rome").

Features are found by measurement alone, on prompts of other phrasings than those that count. Each
word's is the one whose mean activation there is highest above its mean for the other words of the
same kind, either at the word itself or at the prompt's end, where the answer is read off: of the
two, each layer takes the place that swaps more of the choosing prompts.

The edit: wherever feature i of A fires with activation a, anywhere in the prompt, a goes over to
feature j of B. With d the rows of the decoder, which may have any length, activations are compared
as if all rows had length one: x' = x + a |d_i| (d_j / |d_j| - d_i / |d_i|). Silencing leaves out
the part with d_j. All else that is in x, the SAE's own error too, stays.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sae_lens import SAE
from torch import nn
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model import residuals
from demo_model.anchor_prompts import KINDS, Kind, Swap

SWAPS = 200
_TRIALS = 100  # swaps of choosing prompts, to decide where features are read
_PER_WORD = 8  # choosing prompts for each word
_DRAWN = 3  # prompts for every one that counts; wrong answers drop out
_AT_ONCE = 50
Rates = dict[str, dict[int, dict[str, float]]]
Edit = Callable[[torch.Tensor, slice], torch.Tensor]  # residuals, and which of all rows they are


@dataclass(frozen=True)
class Setting:
    """One kind of prompt with one model."""

    model: GPT2LMHeadModel
    tokenizer: PreTrainedTokenizerFast
    kind: Kind
    random: random.Random

    def swaps(self, n: int, measured: bool) -> list[Swap]:
        """Prompts about words by chance."""
        words = list(self.kind.answers)
        pairs = (self.random.sample(words, 2) for _ in range(n))
        return [self._swap(word, other, measured) for word, other in pairs]

    def choosing(self) -> list[Swap]:
        """Prompts to choose features by, as many about each word."""
        words = list(self.kind.answers)
        return [
            self._swap(word, self.random.choice([o for o in words if o != word]), measured=False)
            for word in words
            for _ in range(_PER_WORD)
        ]

    def _swap(self, word: str, other: str, measured: bool) -> Swap:
        return self.kind.swap(self.tokenizer, self.random, word, other, measured)

    def answer(self, word: str) -> list[int]:
        """The tokens of the right next word in a prompt about `word`."""
        return list(self.tokenizer(f" {self.kind.answers[word]}")["input_ids"])

    def says(
        self, swaps: Sequence[Swap], words: Sequence[str], layer: int = 0, edit: Edit | None = None
    ) -> list[bool]:
        """Whether the greedy next word of each prompt is the answer for the word of `words`."""
        wanted = [self.answer(word) for word in words]
        said = _greedy(
            self.model, [s.tokens for s in swaps], max(map(len, wanted), default=1), layer, edit
        )
        return [new[: len(want)] == want for new, want in zip(said, wanted, strict=True)]

    def answered(self, swaps: Sequence[Swap]) -> list[Swap]:
        """Those that the untouched model answers rightly: of others no swap can be told."""
        right = self.says(swaps, [swap.word for swap in swaps])
        return [swap for swap, ok in zip(swaps, right, strict=True) if ok]


def measure(
    model: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerFast,
    saes: list[SAE],
    seed: int,
    kinds: Sequence[Kind] = KINDS,
    n_swaps: int = SWAPS,
) -> Rates:
    """Rates by kind and layer; `saes` has the SAE of every layer in order.

    `swapped`: B's answer follows. `silenced_changed`: A's does not, with its feature silenced.
    `control_changed`: A's does not, with another feature of the prompt turned into one by chance.
    All of them over the `n` prompts that the untouched model answers rightly, as it does `answered`
    of all prompts.
    """
    rates: Rates = {}
    for kind in kinds:
        setting = Setting(model, tokenizer, kind, random.Random(f"{seed} {kind.name}"))
        rates[kind.name] = _of_kind(setting, saes, n_swaps)
    return rates


@torch.no_grad()
def _of_kind(setting: Setting, saes: list[SAE], n_swaps: int) -> dict[int, dict[str, float]]:
    """The rates of every layer."""
    choosing = setting.choosing()
    trials = setting.answered(setting.swaps(_TRIALS, measured=False))
    drawn = setting.swaps(_DRAWN * n_swaps, measured=True)
    answered = setting.answered(drawn)
    rows = _padded(setting.model, [swap.tokens for swap in choosing])
    inside = residuals.collect(setting.model, rows)
    read = [s.at_word for s in choosing], [len(s.tokens) - 1 for s in choosing]
    rates = {}
    for layer, sae in enumerate(saes):
        x = inside[layer].view(*rows.shape, sae.cfg.d_in)
        found = [_features(sae, choosing, x[torch.arange(len(x)), at]) for at in read]
        best = max(found, key=lambda features: _swapped(setting, sae, layer, trials, features))
        rates[layer] = _of_layer(setting, sae, layer, answered[:n_swaps], best)
        rates[layer]["answered"] = len(answered) / len(drawn)
    return rates


def _features(sae: SAE, swaps: list[Swap], x: torch.Tensor) -> dict[str, int]:
    """Every word's feature, from the residuals [n_swaps, d_model] of prompts about all words."""
    activations = sae.encode(x)
    words = list(dict.fromkeys(swap.word for swap in swaps))
    about = torch.tensor([words.index(swap.word) for swap in swaps])
    means = torch.stack([activations[about == n].mean(dim=0) for n in range(len(words))])
    above = means - (means.sum(dim=0) - means) / (len(words) - 1)
    return dict(zip(words, above.argmax(dim=1).tolist(), strict=True))


def _of_layer(
    setting: Setting, sae: SAE, layer: int, swaps: list[Swap], features: dict[str, int]
) -> dict[str, float]:
    """The rates of one layer."""
    words = [swap.word for swap in swaps]
    one = torch.tensor([features[word] for word in words], dtype=torch.long)
    silenced = setting.says(swaps, words, layer, replacing(sae, one, None))
    control = setting.says(swaps, words, layer, _control(setting, sae, layer, swaps, one))
    n = max(1, len(swaps))
    return {
        "swapped": _swapped(setting, sae, layer, swaps, features),
        "silenced_changed": (len(swaps) - sum(silenced)) / n,
        "control_changed": (len(swaps) - sum(control)) / n,
        "n": len(swaps),
    }


def _swapped(
    setting: Setting, sae: SAE, layer: int, swaps: list[Swap], features: dict[str, int]
) -> float:
    """The share of `swaps` after which B's answer follows."""
    one, two = (
        torch.tensor([features[word] for word in words], dtype=torch.long)
        for words in ([swap.word for swap in swaps], [swap.other for swap in swaps])
    )
    edit = replacing(sae, one, two)
    said = setting.says(swaps, [swap.other for swap in swaps], layer, edit)
    return sum(said) / max(1, len(swaps))


def _control(setting: Setting, sae: SAE, layer: int, swaps: list[Swap], but: torch.Tensor) -> Edit:
    """For every prompt, one of its features by chance into one that some prompt has."""
    rows = _padded(setting.model, [swap.tokens for swap in swaps])
    x = residuals.collect(setting.model, rows)[layer].view(*rows.shape, sae.cfg.d_in)
    firing = []
    for row, swap, feature in zip(x, swaps, but.tolist(), strict=True):
        fired = (sae.encode(row[1 : len(swap.tokens)]) > 0).any(dim=0)
        fired[feature] = False
        firing.append(fired.nonzero().flatten().tolist() or [(feature + 1) % len(fired)])
    choice = setting.random.choice
    one = torch.tensor([choice(features) for features in firing], dtype=torch.long)
    two = torch.tensor([choice(choice(firing)) for _ in swaps], dtype=torch.long)
    return replacing(sae, one, two)


def replacing(sae: SAE, one: torch.Tensor, two: torch.Tensor | None) -> Edit:
    """The edit that turns feature `one[r]` of row r into `two[r]`, or silences it."""
    length = sae.W_dec.norm(dim=1)
    unit = sae.W_dec / length.clamp_min(1e-8)[:, None]
    step = -unit[one] if two is None else unit[two] - unit[one]

    def edit(x: torch.Tensor, rows: slice) -> torch.Tensor:
        feature = one[rows]
        index = feature[:, None, None].expand(-1, x.shape[1], 1)
        size = sae.encode(x).gather(2, index) * length[feature][:, None, None]
        # At the start of the text SAEs are neither trained nor shown.
        size[:, 0] = 0
        edited: torch.Tensor = x + size * step[rows][:, None]
        return edited

    return edit


def _padded(model: GPT2LMHeadModel, rows: list[list[int]]) -> torch.Tensor:
    """Rows of one width; padding on the right cannot be seen from the left."""
    end = model.config.eos_token_id
    assert isinstance(end, int)
    width = max(map(len, rows), default=1)
    padded = [row + [end] * (width - len(row)) for row in rows]
    return torch.tensor(padded, dtype=torch.long).view(len(rows), width)


@torch.no_grad()
def _greedy(
    model: GPT2LMHeadModel, rows: list[list[int]], n_tokens: int, layer: int, edit: Edit | None
) -> list[list[int]]:
    """The likeliest next tokens, with the residuals after `layer` edited."""
    new: list[list[int]] = []
    for start in range(0, len(rows), _AT_ONCE):
        part = [list(row) for row in rows[start : start + _AT_ONCE]]
        which = slice(start, start + len(part))

        def hook(_module: nn.Module, _inputs: object, output: Any, which: slice = which) -> Any:
            x = output[0] if isinstance(output, tuple) else output
            x = x if edit is None else edit(x, which)
            return (x, *output[1:]) if isinstance(output, tuple) else x

        handle = model.transformer.h[layer].register_forward_hook(hook)
        try:
            for _ in range(n_tokens):
                logits = model(input_ids=_padded(model, part), use_cache=False).logits
                for row, scores in zip(part, logits, strict=True):
                    row.append(int(scores[len(row) - 1].argmax()))
        finally:
            handle.remove()
        new += [row[-n_tokens:] for row in part]
    return new


def table(rates: Rates) -> str:
    """The rates as a Markdown table."""
    lines = [
        "| kind | layer | swapped | silenced: changed | control: changed | prompts |",
        "|---|---|---|---|---|---|",
    ]
    for kind, layers in rates.items():
        lines += [
            f"| {kind} | {layer} | {of['swapped']:.1%} | {of['silenced_changed']:.1%} "
            f"| {of['control_changed']:.1%} | {of['n']:.0f} |"
            for layer, of in layers.items()
        ]
    return "\n".join(lines)
