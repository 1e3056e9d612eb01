"""The JSON document of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .figures import ALL
from .groups import Results
from .stats import Measured


def document(results: Results, wanted: Iterable[str], about: dict[str, Any]) -> dict[str, Any]:
    """All wanted figures with their lowest and highest rounds, the rates behind them, and `about`.

    A figure that was not measured is null and has its reason under `missing`.
    """
    keys = [figure.key for figure in ALL if figure.key in set(wanted)]
    found = {key: results.figures[key] for key in keys if key in results.figures}
    missing = {key: results.missing.get(key, "not measured") for key in keys if key not in found}
    return {
        **{key: _rounded(found[key].value) if key in found else None for key in keys},
        "spread": {key: _spread(measured) for key, measured in found.items()},
        "rates": {name: _rounded(measured.value) for name, measured in results.rates.items()},
        "missing": missing,
        **about,
    }


def _spread(measured: Measured) -> dict[str, float]:
    return {
        "low": _rounded(measured.low),
        "high": _rounded(measured.high),
        "rounds": measured.rounds,
    }


def _rounded(value: float) -> float:
    """Four digits; more would only show noise."""
    return float(f"{value:.4g}")
