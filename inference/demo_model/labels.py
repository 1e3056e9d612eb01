"""Choose a label for every feature on one set of text, and score it on another.

A feature *fires* where its activation is above zero. A label is a statement, or two or three
statements of one kind joined by "or"; it holds at a position or it does not. On the text that
scores it:

    precision = share of the positions where the feature fires at which the label holds
    recall    = share of the positions where the label holds at which the feature fires
    base rate = share of all positions at which the label holds

A label that does not stand up to this is given up: `promoted.py` then says what the feature does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from demo_model.chooser import GOOD_PRECISION as GOOD_PRECISION
from demo_model.chooser import MAX_BASE_RATE as MAX_BASE_RATE
from demo_model.chooser import MIN_PRECISION, MIN_RECALL, Chooser, allowed
from demo_model.facts import Facts, Ints
from demo_model.statements import Kind, Statement

_ON_ONE_WORD = 0.9
FACTS = (Kind.WORLD, Kind.STRUCTURE)  # what no single word tells


@dataclass(frozen=True)
class Firings:
    """Where each feature fires, and how strongly, over positions other than `<|endoftext|>`."""

    n_positions: int
    positions: list[Ints]  # per feature, ascending
    activations: list[NDArray[np.float32]]


@dataclass(frozen=True)
class Label:
    """What a feature is about: statements that are true or false at each position."""

    feature: int
    statements: tuple[Statement, ...]

    @property
    def description(self) -> str:
        """The label as people read it."""
        return " or ".join(text for text, _ in self.statements)

    @property
    def kind(self) -> Kind:
        """The least telling kind of its statements: with one word in it, it is about words."""
        return max(kind for _, kind in self.statements)


@dataclass(frozen=True)
class Score:
    """How well a label says where its feature fires, on text that did not choose it."""

    firings: int
    precision: float
    recall: float
    base_rate: float


def firings(activations: Iterable[torch.Tensor], d_sae: int) -> Firings:
    """From dense activations, in parts [n_positions, d_sae] that follow each other."""
    start, found = 0, [(torch.zeros(0, 2, dtype=torch.long), torch.zeros(0))]
    for part in activations:
        where = part.nonzero()
        found.append((where + torch.tensor([start, 0]), part[where[:, 0], where[:, 1]]))
        start += len(part)
    where, values = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = torch.argsort(where[:, 1], stable=True)
    bounds = torch.bincount(where[:, 1], minlength=d_sae).cumsum(0)[:-1].numpy()
    return Firings(
        start,
        np.split(where[order, 0].numpy(), bounds),
        np.split(values[order].numpy(), bounds),
    )


def choose(fired: Firings, facts: Facts) -> list[Label]:
    """The best label of each feature that fires in the choosing text."""
    facts = allowed(facts)
    chooser = Chooser(facts)
    labels = []
    for feature, positions in enumerate(fired.positions):
        if len(positions):
            chosen, _ = chooser.best(positions)
            if chosen:
                labels.append(Label(feature, tuple(facts.statements[n] for n in chosen)))
    return labels


def score(label: Label, fired: Firings, facts: Facts, where: dict[Statement, Ints]) -> Score:
    """Measure a label on other text than chose it; `where` has the positions of each statement."""
    empty = np.zeros(0, dtype=np.int64)
    holds = np.unique(np.concatenate([where.get(s, empty) for s in label.statements]))
    positions = fired.positions[label.feature]
    hits = len(np.intersect1d(holds, positions, assume_unique=True))
    return Score(
        firings=len(positions),
        precision=hits / len(positions) if len(positions) else 0.0,
        recall=hits / len(holds) if len(holds) else 0.0,
        base_rate=len(holds) / facts.n_positions,
    )


def stands_up(score: Score) -> bool:
    """Whether a label says enough of where its feature fires to be shown."""
    return score.precision >= MIN_PRECISION and score.recall >= MIN_RECALL


def settle(labels: list[Label], scores: Mapping[int, Score]) -> list[Label]:
    """The labels that stand up to being scored."""
    return [label for label in labels if stands_up(scores[label.feature])]


def summary(
    fired: Firings, labels: list[Label], scores: Mapping[int, Score], facts: Facts
) -> dict[str, Any]:
    """How good the `labels` that were kept are, over the live features of one SAE.

    `kinds` are shares of the live features by what the label speaks of; a feature without a label
    counts as "none", and as not precise. `single_word` is the share whose label is one word,
    `fires_on_one_word` the share that fires nearly always on the same word, whatever its label.
    """
    live = [feature for feature, positions in enumerate(fired.positions) if len(positions)]
    kept = [label for label in labels if len(fired.positions[label.feature])]
    measured = [scores[label.feature] for label in kept]
    precise = [label for label in kept if scores[label.feature].precision >= GOOD_PRECISION]
    share = 1 / max(1, len(live))
    words = [label for label in kept if label.kind == Kind.WORD]
    kinds = {kind.name.lower(): 0.0 for kind in Kind}
    for label in kept:
        kinds[label.kind.name.lower()] += share
    return {
        "live": len(live),
        "labelled": len(kept),
        "labels_precise": len(precise) * share,
        "single_word": sum(len(label.statements) == 1 for label in words) * share,
        "several_words": sum(len(label.statements) > 1 for label in words) * share,
        "fires_on_one_word": _on_one_word(fired, live, facts) * share,
        "precise_beyond_words": sum(label.kind != Kind.WORD for label in precise),
        "precise_facts": sum(label.kind in FACTS for label in precise),
        "kinds": {**kinds, "none": 1 - len(kept) * share},
        "median_precision": _median([score.precision for score in measured]),
        "median_recall": _median([score.recall for score in measured]),
        "median_base_rate": _median([score.base_rate for score in measured]),
    }


def _on_one_word(fired: Firings, live: list[int], facts: Facts) -> int:
    """How many features have nine in ten of their firings on one and the same word."""
    words = facts.keep(np.array([kind == Kind.WORD for _, kind in facts.statements]))
    return sum(
        int(words.counts(fired.positions[feature]).max(initial=0))
        >= _ON_ONE_WORD * len(fired.positions[feature])
        for feature in live
    )


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else 0.0
