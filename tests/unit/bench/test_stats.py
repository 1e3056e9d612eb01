"""The benchmark's arithmetic."""

from __future__ import annotations

import pytest

from tests.bench.stats import Measured, integral, ratio, short, take_turns


def test_a_median_with_its_extremes() -> None:
    assert Measured.of([3, 1, 2, 100, 4]) == Measured(3, 1, 100, 5)
    assert Measured.of([1.0, 2.0]).value == 1.5
    assert str(Measured.of([1.0, 2.0])) == "1.50 (1.00 to 2.00)"
    assert str(Measured.of([12.34])) == "12.3"


def test_a_ratio_is_taken_within_each_round() -> None:
    """A round in which the machine is twice as slow changes nothing."""
    theirs = [1.0, 2.0, 1.0, 4.0, 1.0]
    assert ratio([6 * value for value in theirs], theirs) == Measured(6, 6, 6, 5)
    assert ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0]) == Measured(3, 2, 4, 3)
    with pytest.raises(ValueError, match="longer"):
        ratio([1.0], [1.0, 2.0])


def test_contestants_take_turns() -> None:
    order: list[str] = []

    def contestant(name: str) -> float:
        order.append(name)
        return float(len(order))

    said: list[str] = []
    contestants = {name: lambda name=name: contestant(name) for name in "ab"}
    assert take_turns(contestants, 3, said.append) == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert order == ["a", "b"] * 3
    assert said[-1] == "  round 3 of 3: a 5.00   b 6.00"


@pytest.mark.parametrize(("first", "last"), [(12, 211), (12, 12), (12, 40)])
def test_an_integral_over_straight_lines_is_the_sum(first: int, last: int) -> None:
    def step(length: int) -> float:
        return 0.1 + 0.003 * length

    points = {length: step(length) for length in {*range(first, last, 25), last}}
    expected = sum(step(length) for length in range(first, last + 1))
    assert integral(points, first, last) == pytest.approx(expected)


def test_an_integral_follows_its_points() -> None:
    assert integral({0: 0.0, 2: 2.0, 4: 0.0}, 0, 4) == pytest.approx(0 + 1 + 2 + 1 + 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (0.92, "0.920"), (6, "6.00"), (99.96, "100"), (123.4, "123"), (999.9, "1,000")],
)
def test_three_digits(value: float, text: str) -> None:
    assert short(value) == text
