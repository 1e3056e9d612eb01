"""The removals that an explanation tries: of all that are possible, or of the most promising."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from axon_inference.engine.base import Base
from axon_inference.engine.effects import Active, Removal


@dataclass(eq=False, slots=True)
class Attempt:
    """A removal on its way: where it takes something away, and how much.

    `alone` says that its feature is active at this position only. What is `watched` is run for what
    it does further on, and its own effect is not told.
    """

    removal: Removal
    positions: list[int]
    activations: list[float]
    alone: bool = False
    watched: bool = False
    slot: int = -1
    fed: int = 0

    @property
    def start(self) -> int:
        """The first position that it changes."""
        return self.positions[0]


@dataclass(frozen=True)
class Candidates:
    """What is tried: `attempts`, and by removal at one position what the gradient promises of it.

    There are `tried` of those, of `active`.
    """

    attempts: list[Attempt]
    estimates: dict[Removal, float]
    active: int
    tried: int


def choose(base: Base) -> Candidates:
    """All candidates, or those with the largest estimates; each at its position, and its feature
    at all positions."""
    tried, estimates = base.candidates, dict[Removal, float]()
    if base.estimates is not None:
        best = np.argsort(-np.abs(base.estimates), kind="stable")[: base.query.limit]
        tried = base.candidates.where(best)
        estimates = dict(zip(tried.at(), base.estimates[best].tolist(), strict=True))
    features = dict.fromkeys(zip(tried.source.tolist(), tried.feature.tolist(), strict=True))
    everywhere = [
        _attempt(base, base.candidates, Removal(source, feature, None))
        for source, feature in features
    ]
    several = [one for one in everywhere if one and len(one.positions) > 1]
    spread = {one.removal[:2] for one in several}
    attempts = [
        Attempt(removal, [position], [activation], alone=removal[:2] not in spread)
        for removal, position, activation in zip(
            tried.at(), tried.position.tolist(), tried.activation.tolist(), strict=True
        )
    ]
    attempts += several
    if (path := base.query.path) and (watched := _attempt(base, base.active, path)):
        watched.watched = True
        attempts.append(watched)
    return Candidates(attempts, estimates, len(base.candidates), len(tried))


def _attempt(base: Base, active: Active, removal: Removal) -> Attempt | None:
    """A removal of what is active, None if nothing is."""
    here = (active.source == removal.source) & (active.feature == removal.feature)
    here &= active.position >= int(base.query.has_bos)
    if removal.position is not None:
        here &= active.position == removal.position
    found = active.where(here)
    if not len(found):
        return None
    return Attempt(removal, found.position.tolist(), found.activation.tolist())
