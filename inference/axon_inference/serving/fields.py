"""Bad fields of a request, and what error messages quote of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# How much of a request an error quotes. Errors travel in gRPC's trailing metadata, of which clients
# take 8 KB; a byte beyond ASCII takes up to six there.
_QUOTED_BYTES = 48
_QUOTED_NAMES = 6


@dataclass(frozen=True)
class Violation:
    """One bad field, by its path in the request, what would be right, and a code for programs."""

    field: str
    description: str
    reason: str = "OUT_OF_RANGE"


class InvalidRequest(ValueError):
    """The request cannot be served as it stands."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations


def quoted(text: str, most_bytes: int = _QUOTED_BYTES) -> str:
    """A value of a request as an error message shows it: in quotes, and cut if it is long."""
    whole = text.encode(errors="replace")
    cut = whole[:most_bytes].decode(errors="ignore")
    return repr(cut + "..." if len(whole) > most_bytes else cut)


def listed(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - _QUOTED_NAMES
    return ", ".join(names[:_QUOTED_NAMES]) + (f" and {more} more" if more > 0 else "")


def check(
    wrong: list[Violation],
    field: str,
    value: float,
    low: float,
    high: float,
    above: bool = False,
    also: str = "",
) -> None:
    """Note a value outside [low, high], or (low, high] if `above`, or not a finite number.

    `also` says in the message what else is allowed.
    """
    # Written so that NaN, which compares false with everything, is refused.
    inside = low < value <= high if above else low <= value <= high
    # Bounds such as 0.1 are not exact in float32, which messages use.
    near = not above and math.isclose(value, low, rel_tol=1e-6)
    if math.isinf(value) or not (inside or near):
        begins = f"above {low}" if above else f"{low}"
        limits = f"{begins} to {high}" if math.isfinite(high) else f"{begins} or more"
        shown = value if isinstance(value, int) else f"{value:g}"
        wrong.append(Violation(field, f"is {shown}; it must be {also}{limits}"))
