"""Choose a label for every feature on one set of text, and score it on another.

A feature *fires* where its activation is above zero. A label is a statement, or two or three
statements of one kind joined by "or"; it holds at a position or it does not. On the text that
scores it:

    precision = share of the positions where the feature fires at which the label holds
    recall    = share of the positions where the label holds at which the feature fires
    base rate = share of all positions at which the label holds
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from demo_model.facts import Facts, Ints, Kind, Statement

MAX_BASE_RATE = 0.10  # a label that holds more often says too little
GOOD_PRECISION = 0.80
_MIN_HOLDS = 5  # statements that hold less often are accidents
_MAX_JOINED = 3
_JOIN_CANDIDATES = 40
_KIND_COST = 0.03  # a more telling kind of statement may score this much lower


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


def allowed(facts: Facts) -> Facts:
    """The facts without statements that hold too seldom or too often for a label."""
    base = facts.counts()
    return facts.keep((base >= _MIN_HOLDS) & (base <= MAX_BASE_RATE * facts.n_positions))


class Chooser:
    """Finds the statements that say best where a feature fires."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._base = facts.counts()
        self._where = facts.by_statement()
        self._worth = np.array([1 - _KIND_COST * kind for _, kind in facts.statements])
        self._joinable = np.array([kind <= Kind.CONTEXT for _, kind in facts.statements])

    def best(self, positions: Ints) -> tuple[list[int], bool]:
        """One statement if it is surely precise, else several, else the nearest miss.

        With it, whether it is surely precise. No statement where none holds at all.
        """
        hits = self._facts.counts(positions)
        held = hits.nonzero()[0]
        if not len(held):
            return [], False
        hits = hits[held]
        # F1 of precision and recall, with a bonus for telling kinds of statements
        telling = self._worth[held] * 2 * hits / (len(positions) + self._base[held])
        safe = _lower_bound(hits, len(positions)) >= GOOD_PRECISION
        if safe.any():
            return [int(held[np.argmax(np.where(safe, telling, -1))])], True
        wanted = np.where(self._joinable[held], hits * (0.2 + telling), -1)
        joined = self._join(positions, held[np.argsort(-wanted)[:_JOIN_CANDIDATES]])
        if joined:
            return joined, True
        return [int(held[np.argmax(hits / len(positions) + 0.1 * telling)])], False

    def _join(self, positions: Ints, candidates: Ints) -> list[int]:
        """Up to three of the candidates that together are surely precise, or nothing."""
        covers = np.stack([self._mask(number)[positions] for number in candidates])
        chosen: list[int] = []
        covered = np.zeros(len(positions), dtype=bool)
        base = 0
        while len(chosen) < _MAX_JOINED:
            best = int(np.argmax((covers & ~covered).sum(axis=1)))
            chosen.append(int(candidates[best]))
            covered |= covers[best]
            base += self._base[candidates[best]]
            if base > MAX_BASE_RATE * self._facts.n_positions:
                return []
            if _lower_bound(covered.sum(keepdims=True), len(positions))[0] >= GOOD_PRECISION:
                return chosen
        return []

    def _mask(self, number: int) -> NDArray[np.bool_]:
        """Where a statement holds, over all positions."""
        mask = np.zeros(self._facts.n_positions, dtype=bool)
        mask[self._where[number]] = True
        return mask


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


def _lower_bound(hits: Ints, total: int, z: float = 1.0) -> NDArray[np.float64]:
    """Wilson's lower bound of a share, so that few firings are not taken for certainty."""
    share = hits / total
    centre = share + z * z / (2 * total)
    spread = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (centre - spread) / (1 + z * z / total)


def summary(fired: Firings, scores: dict[int, Score]) -> dict[str, float]:
    """How good the labels of one SAE are, over its live features; one without a label is bad."""
    live = [feature for feature, positions in enumerate(fired.positions) if len(positions)]
    measured = [scores[feature] for feature in live if feature in scores]
    precise = sum(score.precision >= GOOD_PRECISION for score in measured)
    return {
        "live": len(live),
        "labelled": len(measured),
        "labels_precise": precise / max(1, len(live)),
        "median_precision": float(np.median([score.precision for score in measured])),
        "median_recall": float(np.median([score.recall for score in measured])),
        "median_base_rate": float(np.median([score.base_rate for score in measured])),
    }
