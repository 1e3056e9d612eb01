"""Which statement says best where a feature fires."""

import numpy as np
from numpy.typing import NDArray

from demo_model.facts import Facts, Ints
from demo_model.statements import Kind

MAX_BASE_RATE = 0.20  # a label that holds more often says too little
GOOD_PRECISION = 0.80
MIN_PRECISION = 0.50  # of a label that is kept
MIN_RECALL = 0.02
_SAFE_RECALL = 0.03  # on the choosing text, to keep MIN_RECALL on other text
_MIN_HOLDS = 5  # statements that hold less often are accidents
_NEAR_PRECISION = 0.55
_MAX_JOINED = 3
_JOINED_ADDS = 0.1  # share of the firings that each of several statements must add
_JOIN_CANDIDATES = 40
_AS_GOOD = 0.02  # of two statements whose F1 is this close, the more telling one is the label
# Words first: a feature of two words is one, whatever else they share.
_JOINABLE = (Kind.WORD, Kind.CONCEPT, Kind.WORLD, Kind.STRUCTURE, Kind.NEXT, Kind.CONTEXT)


def allowed(facts: Facts) -> Facts:
    """The facts without statements that hold too seldom or too often for a label."""
    base = facts.counts()
    return facts.keep((base >= _MIN_HOLDS) & (base <= MAX_BASE_RATE * facts.n_positions))


class Chooser:
    """Finds the statements that say best where a feature fires."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._base = facts.counts()
        self._kind = np.array([kind for _, kind in facts.statements], dtype=np.int64)

    def best(self, positions: Ints) -> tuple[list[int], bool]:
        """One statement if it is surely precise, else several, else the nearest miss.

        With it, whether it is surely precise. No statement where none holds at all. The topic of a
        text says little of where in it a feature fires: it counts where nothing else is precise.
        """
        hits = self._facts.counts(positions)
        held = hits.nonzero()[0]
        if not len(held):
            return [], False
        hits = hits[held]
        f1 = 2 * hits / (len(positions) + self._base[held])
        enough = hits >= _SAFE_RECALL * self._base[held]
        safe = (_lower_bound(hits, len(positions)) >= GOOD_PRECISION) & enough
        near = (hits >= _NEAR_PRECISION * len(positions)) & enough
        telling = self._kind[held] != Kind.TOPIC
        if (one := safe & telling).any():
            return [self._most_telling(held[one], f1[one])], True
        for kind in _JOINABLE:
            joined = self._join(positions, held, f1, kind)
            if joined:
                return joined, True
        for one, sure in ((safe, True), (near & telling, False), (near, False)):
            if one.any():
                return [self._most_telling(held[one], f1[one])], sure
        return [self._most_telling(held, hits / len(positions) + 0.1 * f1)], False

    def _most_telling(self, numbers: Ints, worth: NDArray[np.float64]) -> int:
        """The best statement, or a more telling one that is as good.

        A word keeps its place against all that is not better: a feature that fires on one word is
        a detector of that word, whatever else holds wherever the word stands.
        """
        as_good = numbers[worth >= worth.max() - _AS_GOOD]
        worth = worth[worth >= worth.max() - _AS_GOOD]
        kinds = self._kind[as_good]
        wanted = Kind.WORD if (kinds == Kind.WORD).any() else kinds.min()
        return int(as_good[np.argmax(np.where(kinds == wanted, worth, -1))])

    def _join(self, positions: Ints, held: Ints, f1: NDArray[np.float64], kind: Kind) -> list[int]:
        """Up to three statements of one kind that together are surely precise, or nothing."""
        of_kind = self._kind[held] == kind
        candidates = held[of_kind][np.argsort(-f1[of_kind])[:_JOIN_CANDIDATES]]
        if not len(candidates):
            return []
        covers = self._facts.table(positions, candidates)
        chosen: list[int] = []
        covered = np.zeros(len(positions), dtype=bool)
        while len(chosen) < _MAX_JOINED:
            adds = (covers & ~covered).sum(axis=1)
            best = int(np.argmax(adds))
            if adds[best] < _JOINED_ADDS * len(positions):
                return []
            chosen.append(int(candidates[best]))
            covered |= covers[best]
            hits = covered.sum(keepdims=True)
            if _lower_bound(hits, len(positions))[0] >= GOOD_PRECISION:
                base = self._base[chosen].sum()
                usual = base <= MAX_BASE_RATE * self._facts.n_positions
                return chosen if usual and hits[0] >= _SAFE_RECALL * base else []
        return []


def _lower_bound(hits: Ints, total: int, z: float = 1.0) -> NDArray[np.float64]:
    """Wilson's lower bound of a share, so that few firings are not taken for certainty."""
    share = hits / total
    centre = share + z * z / (2 * total)
    spread = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (centre - spread) / (1 + z * z / total)
