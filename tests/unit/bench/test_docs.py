"""docs/performance.md is made from the committed results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench import docs
from tests.bench.figures import ENGINE


def result(**changes: Any) -> dict[str, Any]:
    return {
        "tap_on_vs_off": 0.91,
        "eight_vs_naive": 21.5,
        "memory_vs_weights": 1.2,
        "graph_vs_eager": None,
        "fanout_lost": None,
        "fanout_p99_ms": 140,
        "spread": {
            "tap_on_vs_off": {"low": 0.9, "high": 0.92, "rounds": 5},
            "eight_vs_naive": {"low": 20, "high": 22, "rounds": 5},
            "memory_vs_weights": {"low": 1.2, "high": 1.2, "rounds": 1},
            "fanout_p99_ms": {"low": 130, "high": 150, "rounds": 5},
        },
        "rates": {"naive tokens/s": 4.3},
        "missing": {"graph_vs_eager": "no GPU", "fanout_lost": "there is no measurement of it yet"},
        "machine": {
            "cpu": "A CPU",
            "cores": 2,
            "memory_gb": 24.0,
            "gpu": None,
            "torch": "2.13.0",
            "transformers": "5.23.0",
            "date": "2026-11-22T10:00:00+00:00",
            "commit": "abc123",
        },
        "quick": False,
        "bandwidth_gb_s": 17.5,
        "floor_ms": 32.6,
        **changes,
    }


def test_the_page_matches_the_committed_results() -> None:
    assert docs.PAGE.read_text() == docs.render(docs.load()), "run `make bench-docs`"


def test_committed_results_have_enough_rounds() -> None:
    for one in docs.load():
        for figure in ENGINE:
            if one.get(figure.key) is not None:
                assert one["spread"][figure.key]["rounds"] >= 5, figure.key


def test_figures_stand_beside_their_targets() -> None:
    page = docs.render([result()])
    assert "## A CPU, 2 cores, 2026-11-22" in page
    assert "17.5 GB/s" in page
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    ends = {line.split("`")[1]: line.split("|")[3:6] for line in lines}
    assert ends == {
        "tap_on_vs_off": [" 0.910 (0.900 to 0.920) ", " ≥ 0.88 ", " met "],
        "eight_vs_naive": [" 21.5 (20.0 to 22.0) ", " ≥ 30 ", " **not met** "],
        "memory_vs_weights": [" 1.20 ", "  ", "  "],
        "fanout_p99_ms": [" 140 (130 to 150) ", " ≤ 100 ", " **not met** "],
    }
    assert "Not measured (no GPU): `graph_vs_eager`." in page
    assert "naive tokens/s 4.30" in page


def test_a_gpu_names_its_section() -> None:
    machine = {**result()["machine"], "gpu": "A GPU"}
    assert "## A GPU, 2 cores" in docs.render([result(machine=machine)])


def test_without_results_the_page_says_so() -> None:
    assert "No result" in docs.render([])


def test_the_result_of_a_quick_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(result(quick=True)))
    with pytest.raises(ValueError, match=r"x\.json is of a quick run"):
        docs.load(tmp_path)
