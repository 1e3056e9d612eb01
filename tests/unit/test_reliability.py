"""The figures in docs/reliability.md come from the last results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .. import reliability
from ..fuzz.__main__ import KINDS
from ..soak import report

SOAK: dict[str, Any] = {
    "seconds": 600,
    "viewers": 200,
    "generating": 8,
    "kills": {"gateway A": 10, "redis": 9},
    "reconnects": 4000,
    "frames": 1_234_567,
    **dict.fromkeys(report.FAULTS, 0),
    "generations_begun": 700,
    "generations_ended": {"finished": 650, "gateway_lost": 50},
    "delivery_ms": {"p50": 1.5, "p99": 20.25},
    "back_s": 2.5,
    "tokens_again_s": None,
    "untold_rooms": 0,
    "tracebacks": [],
}
FUZZ: dict[str, Any] = {
    "seed": 7,
    "kinds": {
        "frames": {"inputs": 100_000, "seconds": 61.2, "held": True},
        "text": {"inputs": 2000, "seconds": 3.0, "held": False},
    },
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "reliability.md").write_text("# Reliability\n\nWhat is promised.\n")
    return tmp_path


def test_the_page_gets_the_figures_of_each_trial_and_keeps_the_rest(docs: Path) -> None:
    for _ in range(2):  # the second time replaces what the first wrote
        reliability.publish("soak", SOAK, docs)
        reliability.publish("fuzz", FUZZ, docs)
    page = (docs / "reliability.md").read_text()
    assert page.startswith("# Reliability\n\nWhat is promised.\n\n## Figures\n\n`make fuzz`, 20")
    assert page.count("## Figures") == 1
    for row in (
        "| frames | 100,000 | 61 | held |",
        "| text | 2,000 | 3 | broke |",
        "| frames delivered | 1,234,567 |",
        "| lost / doubled / reordered | 0 / 0 / 0 |",
        "| kills | gateway A 10, redis 9 |",
        "| delivery p50 / p99 | 1.5 ms / 20.25 ms |",
        "| tokens in all rooms after a kill | not always within 30 s |",
    ):
        assert f"\n{row}\n" in page


def test_the_page_describes_each_kind_of_input() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == KINDS


def test_a_soak_fails_for_each_kind_of_fault() -> None:
    whole = {**SOAK, "tokens_again_s": 3.0}
    assert report.failures(whole) == []
    assert report.failures(SOAK) == [
        "after a kill, not everybody was given tokens again within 30 s"
    ]
    for changed in ({"lost": 1}, {"untold_rooms": 2}, {"tracebacks": ["gateway A"]}):
        assert len(report.failures({**whole, **changed})) == 1
