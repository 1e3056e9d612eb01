"""The arithmetic: medians, ratios round by round, and taking turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Contestant = Callable[[], float]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """A median of some rounds, with the lowest and the highest of them."""

    value: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Measured:
        """What several rounds found; there is at least one."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        if self.rounds == 1:
            return short(self.value)
        return f"{short(self.value)} ({short(self.low)} to {short(self.high)})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Measured:
    """The median over rounds of ours by theirs: what slows a whole round down cancels."""
    return Measured.of([a / b for a, b in zip(ours, theirs, strict=True)])


def take_turns(
    contestants: Mapping[str, Contestant], rounds: int, say: Say
) -> dict[str, list[float]]:
    """Every contestant once a round, in the same order, so that noise hits all alike."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        for name, contestant in contestants.items():
            found[name].append(contestant())
        latest = "   ".join(f"{name} {short(values[-1])}" for name, values in found.items())
        say(f"  round {number} of {rounds}: {latest}")
    return found


def integral(points: Mapping[int, float], first: int, last: int) -> float:
    """The sum of a function over the whole numbers first to last, by straight lines between
    points at some of them, the first and the last among those."""
    at = sorted(points)
    total = 0.0
    for number in range(first, last + 1):
        high = next(point for point in at if point >= number)
        low = max((point for point in at if point <= number), default=high)
        share = (number - low) / (high - low) if high > low else 0.0
        total += points[low] + share * (points[high] - points[low])
    return total


def short(value: float) -> str:
    """Three digits."""
    if abs(value) >= 999.5:  # which would be rounded to an exponent
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")
