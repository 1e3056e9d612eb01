"""The words that say best where a feature fires: the tokens that it fires at, or fires after.

They are chosen on one half of a text and scored on the other, with

    precision = share of the tokens where the feature fires at which the words hold
    recall    = share of the tokens where the words hold at which the feature fires

The same words in another case, or with another space, are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axon_inference.labelling.contexts import Ints, Text

#: A label that is kept has at least these on held-out text, where its feature fires so often.
MIN_PRECISION, MIN_RECALL, MIN_FIRINGS = 0.5, 0.02, 5
#: Words of a label, and by how much of F1 one more has to make it better.
_MOST, _WORTH = 3, 0.02


@dataclass(frozen=True)
class Score:
    """How well words say where a feature fires, on held-out text."""

    precision: float
    recall: float
    #: Tokens there where it fires.
    firings: int

    @property
    def stands(self) -> bool:
        """Whether the words say enough to be shown."""
        return (
            self.firings >= MIN_FIRINGS
            and self.precision >= MIN_PRECISION
            and self.recall >= MIN_RECALL
        )


@dataclass(frozen=True)
class Wording:
    """What a feature fires at, and how well that holds."""

    description: str
    score: Score


class Wordings:
    """Chooses words for one feature after another."""

    def __init__(self, text: Text) -> None:
        self._held_out = text.held_out
        words = [token.strip().lower() or token for token in text.tokens]
        names, here = np.unique(np.array(words, dtype=object), return_inverse=True)
        self._names: list[str] = names.tolist()
        before = np.roll(here, 1)
        before[np.diff(text.window, prepend=-1) != 0] = len(names)  # a window's first has none
        self._kinds: tuple[tuple[str, Ints], ...] = (("at", here), ("after", before))
        count = len(names) + 1
        #: How often each word is there, on each half.
        self._totals = {
            (kind, half): np.bincount(of[self._held_out == half], minlength=count)
            for kind, of in self._kinds
            for half in (False, True)
        }

    def of(self, tokens: Ints) -> Wording | None:
        """The best words for a feature that fires at these tokens; None if none stand."""
        held_out = self._held_out[tokens]
        choosing, scoring = tokens[~held_out], tokens[held_out]
        if not len(choosing) or not len(scoring):
            return None
        candidates = [
            (*self._chosen(kind, of[choosing]), kind, of[scoring]) for kind, of in self._kinds
        ]
        _, words, kind, there = max(candidates, key=lambda one: one[0])
        if not words:
            return None
        hits = int(np.isin(there, words).sum())
        total = int(self._totals[kind, True][words].sum())
        score = Score(hits / len(there), hits / total if total else 0.0, len(there))
        return Wording(self._described(kind, words), score) if score.stands else None

    def _chosen(self, kind: str, found: Ints) -> tuple[float, list[int]]:
        """The words among those found that have the best F1, and that."""
        totals = self._totals[kind, False]
        words, counts = np.unique(found, return_counts=True)
        known = words < len(self._names)
        words, counts = words[known], counts[known]
        # A word that is everywhere says little, however often the feature fires at it.
        value = counts * (counts / np.maximum(totals[words], 1))
        order = np.argsort(-value, kind="stable")[:_MOST]
        best, chosen = 0.0, 0
        for n in range(1, len(order) + 1):
            hits, of = counts[order[:n]].sum(), totals[words[order[:n]]].sum()
            f1 = 2 * hits / (len(found) + of)
            if f1 > best + _WORTH:
                best, chosen = float(f1), n
        return best, words[order[:chosen]].tolist()

    def _described(self, kind: str, words: Sequence[int]) -> str:
        *most, last = (f'"{_shown(self._names[word])}"' for word in words)
        named = f"{', '.join(most)} or {last}" if most else last
        return f"{'after ' if kind == 'after' else ''}the token{'s' if most else ''} {named}"


def _shown(word: str) -> str:
    return word if word.isprintable() else repr(word)[1:-1]


def promoted(texts: Sequence[str]) -> str:
    """What a feature without words is called: by the tokens that it makes likelier."""
    return "promotes: " + ", ".join(_shown(text.strip(" ")) or "a space" for text in texts)
