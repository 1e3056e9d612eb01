"""Writes the figures in docs/reliability.md from the last results in docs/reliability/.

`make fuzz ARGS=--publish` and `make soak ARGS=--publish` use it.
"""

from __future__ import annotations

import argparse
import json
import secrets
from pathlib import Path
from typing import Any

from .bench import machine

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_HEADING = "## Figures\n"


def common(parser: argparse.ArgumentParser) -> None:
    """Adds the options that fuzz and soak have in common."""
    parser.add_argument(
        "--seed",
        type=int,
        default=secrets.randbits(32),
        help="repeats the run with this seed",
    )
    parser.add_argument(
        "--publish", action="store_true", help="write the figures into docs/reliability.md"
    )


def publish(name: str, result: dict[str, Any], docs: Path = _DOCS) -> None:
    """Stores a result with its date and machine, and rewrites the page's figures."""
    kept = docs / "reliability" / f"{name}.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps({"machine": machine.describe(), **result}, indent=2) + "\n")
    page = docs / "reliability.md"
    text = page.read_text().partition(_HEADING)[0].rstrip()
    found = {path.stem: json.loads(path.read_text()) for path in kept.parent.glob("*.json")}
    page.write_text(f"{text}\n\n{figures(found)}")


def figures(results: dict[str, dict[str, Any]]) -> str:
    """The page's last section."""
    parts = [_HEADING]
    for name, write in (("fuzz", _fuzz), ("soak", _soak)):
        if name in results:
            parts.append(write(results[name]))
    return "\n".join(parts)


def _where(result: dict[str, Any]) -> str:
    its = result["machine"]
    day = its["date"].partition("T")[0]
    return f"{day}, commit {its['commit']}, {its['cpu']}, {its['cores']} cores:"


def _fuzz(result: dict[str, Any]) -> str:
    rows = [
        f"| {kind} | {of['inputs']:,} | {of['seconds']:.0f} | {'held' if of['held'] else 'broke'} |"
        for kind, of in result["kinds"].items()
    ]
    head = ["| kind | inputs | seconds | |", "|---|---|---|---|"]
    return "\n".join(["`make fuzz`, " + _where(result), "", *head, *rows, ""])


def _soak(result: dict[str, Any]) -> str:
    from .soak import report

    rows = report.table(result)
    return "\n".join(["`make soak`, " + _where(result), "", "| | |", "|---|---|", rows, ""])
