"""Causes of a capital: is the country's own feature among those that Explain finds?

After a prompt about a country ("Everyone knows that the capital of France is") it is explained why
the capital's first token comes. A country's feature is chosen as for swaps (capitals.py), on other
prompts and by activation alone. What counts is whether its effect, silenced wherever it fires, is
among the ten largest: of the features of its own layer, where that layer alone is explained; and of
those of all layers together.

Beside it, greetings, whose next token no country has to do with: the same largest effect.

`python -m tests.steering.causes` measures again and writes the table into the model's card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from axon_inference.config import BUNDLED_MODEL
from axon_inference.engine.effects import Explained

from .capitals import CHOOSING, MEASURED, PAIRS, TRIALS, Capitals, written
from .explaining import Explaining

TEN = 10
GREETINGS = ("Hello!", "Good morning!", "Hello, how are you?", "Good evening! How are you?")


@dataclass(frozen=True)
class Layer:
    """Shares of the prompts: the country's feature is among the ten, of its layer and of all."""

    layer: int
    own: float
    every: float
    tried: float
    n: int


@dataclass(frozen=True)
class Largest:
    """Of explanations, the median of the largest change of the target's log-probability, and of
    that of its logit less the rival's."""

    logprob: float
    logit: float


@dataclass(frozen=True)
class Causes:
    """What was measured: by layer; and, of explanations over all layers, means of how many features
    were active, of the agreement with the gradient, and the largest effects."""

    layers: list[Layer]
    active: float
    pearson: float
    top_5: float
    largest: Largest
    largest_of_greetings: Largest


def everywhere(found: Explained) -> list[tuple[int, int]]:
    """Features by their effects when silenced wherever they fire, the largest first."""
    return [one.removal[:2] for one in found.effects if one.removal.position is None]


def measure() -> Causes:
    """Explain every measured prompt, by layer and over all layers."""
    capitals = Capitals()
    choosing = capitals.prompts(CHOOSING, [(country, country) for country in capitals.capitals])
    trials = capitals.prompts(CHOOSING[:2], capitals.pairs(TRIALS // 2))
    measured = capitals.prompts(MEASURED, capitals.pairs(PAIRS))
    activations = capitals.activations(choosing)
    served = capitals.bench.loaded.served
    layers = range(len(served.sources))
    chosen = [capitals.chosen(layer, choosing, activations, trials) for layer in layers]
    explaining = Explaining(capitals.bench)
    own = np.zeros((len(measured), len(layers)))
    every, tried = np.zeros_like(own), np.zeros_like(own)
    whole = []
    for number, prompt in enumerate(measured):
        target = served.encode(" " + capitals.capitals[prompt.country])[0]
        whole.append(explaining.explain(prompt.ids, target, layers))
        strongest = everywhere(whole[-1])
        for layer in layers:
            feature = (layer, chosen[layer][prompt.country][0])
            alone = everywhere(explaining.explain(prompt.ids, target, [layer]))
            own[number, layer] = feature in alone[:TEN]
            every[number, layer] = feature in strongest[:TEN]
            tried[number, layer] = feature in strongest
    agreements = [one.agreement for one in whole if one.agreement]
    greetings = [
        explaining.explain(capitals.bench.prompt_ids(text), None, layers) for text in GREETINGS
    ]
    shares = zip(layers, own.mean(0), every.mean(0), tried.mean(0), strict=True)
    return Causes(
        layers=[Layer(*(row[0], *map(float, row[1:])), n=len(measured)) for row in shares],
        active=float(np.mean([one.active for one in whole])),
        pearson=float(np.mean([one.pearson for one in agreements])),
        top_5=float(np.mean([one.top_5 for one in agreements])),
        largest=_largest(whole),
        largest_of_greetings=_largest(greetings),
    )


def _largest(found: Sequence[Explained]) -> Largest:
    return Largest(
        logprob=float(np.median([abs(one.effects[0].logprob) for one in found])),
        logit=float(np.median([max(abs(e.logit) for e in one.effects) for one in found])),
    )


def table(found: Causes) -> str:
    """All of it in Markdown."""
    lines = [
        "| layer | among its layer's ten largest | among all layers' ten largest | tried there "
        "| prompts |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.layer} | {one.own:.1%} | {one.every:.1%} | {one.tried:.1%} | {one.n} |"
        for one in found.layers
    ]
    lines += [
        "",
        f"Over all layers {found.active:.0f} features are active on average; 64 are tried. "
        f"Gradient and removal agree on them by r = {found.pearson:.2f}, and on {found.top_5:.0%} "
        "of the five largest (means). The median of the largest change of the log-probability is "
        f"{found.largest.logprob:.1f}; after greetings it is "
        f"{found.largest_of_greetings.logprob:.1f}. Of the largest change of the target's logit "
        f"less the rival's it is {found.largest.logit:.1f}; after greetings, "
        f"{found.largest_of_greetings.logit:.1f}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it into the model's card."""
    torch.set_num_threads(1)  # more make a model of this size slower
    measured = table(measure())
    print(measured)
    card = BUNDLED_MODEL / "README.md"
    text = written(card.read_text(encoding="utf-8"), measured, "causes")
    card.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
