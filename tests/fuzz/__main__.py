"""Run the fuzz tests with many inputs of each kind, which differ in every run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .. import reliability

_FOLDER = Path(__file__).parent
KINDS = sorted(path.stem.removeprefix("test_") for path in _FOLDER.glob("test_*.py"))


class Collector:
    """A plugin of pytest that notes how long each kind took and whether it passed."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(KINDS, 0.0)
        self.broken: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """pytest calls this after the set-up, the call and the tear-down of each test."""
        kind = Path(report.fspath).stem.removeprefix("test_")
        self.seconds[kind] += report.duration
        if report.failed:
            self.broken.add(kind)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the chosen kinds; returns pytest's exit code."""
    arguments = _parse(argv)
    # The tests read these variables when pytest imports them below.
    os.environ["AXON_FUZZ_INPUTS"] = str(arguments.inputs)
    os.environ["AXON_FUZZ_SEED"] = str(arguments.seed)
    kinds = arguments.kind or KINDS
    print(f"seed {arguments.seed}, {arguments.inputs} inputs of each kind: {', '.join(kinds)}")
    notes = Collector()
    files = [str(_FOLDER / f"test_{kind}.py") for kind in kinds]
    code = pytest.main(["--timeout=0", "-q", "--durations=0", *files], plugins=[notes])
    result = document(arguments.seed, kinds, notes)
    if arguments.publish:
        reliability.publish("fuzz", result)
    print(json.dumps(result), flush=True)
    return int(code)


def document(seed: int, kinds: Sequence[str], notes: Collector) -> dict[str, Any]:
    """The result: for each kind its inputs, its seconds, and whether it held."""
    from .inputs import given_inputs

    return {
        "seed": seed,
        "kinds": {
            kind: {
                "inputs": given_inputs[kind],
                "seconds": round(notes.seconds[kind], 1),
                "held": kind not in notes.broken,
            }
            for kind in kinds
        },
    }


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description=__doc__)
    default = int(os.environ.get("AXON_FUZZ_INPUTS", "100000"))
    parser.add_argument(
        "--inputs", type=int, default=default, help="number of inputs of each kind: %(default)s"
    )
    parser.add_argument(
        "--kind", action="append", choices=KINDS, help="run only this kind; may be repeated"
    )
    reliability.common(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
