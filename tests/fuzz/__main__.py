"""Give each kind of hostile input many inputs, other ones at every run."""

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
    """Notes how long each kind took and whether it held, as pytest goes on."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(KINDS, 0.0)
        self.broken: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test's set-up, call or end is over."""
        kind = Path(report.fspath).stem.removeprefix("test_")
        self.seconds[kind] += report.duration
        if report.failed:
            self.broken.add(kind)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the kinds asked for; 1 if one of them broke."""
    arguments = _parse(argv)
    # Read when the tests are imported, which pytest does below.
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
    """What is reported: each kind's inputs and seconds, and whether it held."""
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
    parser.add_argument("--inputs", type=int, default=default, help="of each kind: %(default)s")
    parser.add_argument(
        "--kind", action="append", choices=KINDS, help="this one alone; may be repeated"
    )
    reliability.common(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
