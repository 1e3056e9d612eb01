"""`make bench-docs`: writes docs/performance.md from the committed results.

`make bench ARGS="--json docs/performance/NAME.json"` writes a result; NAME is machine and date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .figures import ALL, Figure
from .stats import short
from .subject import ROOT

RESULTS = ROOT / "docs" / "performance"
PAGE = ROOT / "docs" / "performance.md"

_INTRODUCTION = Path(__file__).with_name("introduction.md")
_NOTHING = "\nNo result has been committed yet.\n"


def load(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The results, sorted by file name. Raises ValueError for the result of a quick run."""
    results = []
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
        if result["quick"]:
            raise ValueError(f"{path.name} is of a quick run, whose numbers mean nothing")
        results.append(result)
    return results


def render(results: Iterable[Mapping[str, Any]]) -> str:
    """The whole page."""
    return _INTRODUCTION.read_text() + ("".join(_section(result) for result in results) or _NOTHING)


def _section(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    what = machine["gpu"] or machine["cpu"]
    parts = [
        f"\n## {what}, {machine['cores']} cores, {machine['date'][:10]}\n",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:g} GB; "
        f"torch {machine['torch']}, transformers {machine['transformers']}, commit "
        f"{machine['commit']}. Memory is read at {result['bandwidth_gb_s']:g} GB/s, so a token of "
        f"one stream takes at least {result['floor_ms']:g} ms.\n",
        "| key | meaning | measured | target | |",
        "|---|---|---|---|---|",
        *(_row(figure, result) for figure in ALL if result.get(figure.key) is not None),
        *_missing(result["missing"]),
        "\nRates behind these figures: "
        + ", ".join(f"{n} {short(v)}" for n, v in result["rates"].items())
        + ".",
    ]
    return "\n".join(parts) + "\n"


def _row(figure: Figure, result: Mapping[str, Any]) -> str:
    value, spread = result[figure.key], result["spread"][figure.key]
    measured = short(value)
    if spread["rounds"] > 1:
        measured += f" ({short(spread['low'])} to {short(spread['high'])})"
    target = ""
    if figure.target is not None:
        target = f"{'≤' if figure.at_most else '≥'} {figure.target:,g}"
    outcome = {True: "met", False: "**not met**", None: ""}[figure.met(value)]
    return f"| `{figure.key}` | {figure.about} | {measured} | {target} | {outcome} |"


def _missing(missing: Mapping[str, str]) -> list[str]:
    """One line for each reason, with the keys that were not measured for this reason."""
    reasons = dict.fromkeys(missing.values())
    return [
        f"\nNot measured ({reason}): "
        + ", ".join(f"`{key}`" for key, why in missing.items() if why == reason)
        + "."
        for reason in reasons
    ]


def main() -> int:
    """Write the page."""
    PAGE.write_text(render(load()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
