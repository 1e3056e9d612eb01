"""The benchmark's arithmetic: medians, ratios within rounds, and taking turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Contestant = Callable[[], float]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """The median, the lowest and the highest value of several rounds."""

    value: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Measured:
        """The result of one or more rounds."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        if self.rounds == 1:
            return short(self.value)
        return f"{short(self.value)} ({short(self.low)} to {short(self.high)})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Measured:
    """The median over rounds of ours ÷ theirs. What slows down a whole round cancels out."""
    return Measured.of([a / b for a, b in zip(ours, theirs, strict=True)])


def take_turns(
    contestants: Mapping[str, Contestant], rounds: int, say: Say
) -> dict[str, list[float]]:
    """Runs every contestant once a round, always in the same order, so that noise affects all."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        for name, contestant in contestants.items():
            found[name].append(contestant())
        latest = "   ".join(f"{name} {short(values[-1])}" for name, values in found.items())
        say(f"  round {number} of {rounds}: {latest}")
    return found


def integral(points: Mapping[int, float], first: int, last: int) -> float:
    """The sum of a function over the integers first to last, by linear interpolation.

    `points` has its value at some of them, including the first and the last.
    """
    at = sorted(points)
    total = 0.0
    for number in range(first, last + 1):
        high = next(point for point in at if point >= number)
        low = max((point for point in at if point <= number), default=high)
        share = (number - low) / (high - low) if high > low else 0.0
        total += points[low] + share * (points[high] - points[low])
    return total


def short(value: float) -> str:
    """The value with three digits."""
    if abs(value) >= 999.5:  # the format below would use an exponent
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")
