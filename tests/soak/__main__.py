"""Kill one process after another while viewers watch, and check that no viewer misses a frame."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence

if __name__ == "__main__":  # settings in the shell must not change the result
    for _name in [name for name in os.environ if name.startswith("AXON_")]:
        del os.environ[_name]

from .. import reliability
from . import report, trial


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a soak; returns 1 if it found a fault."""
    arguments = _parse(argv)
    print(f"seed {arguments.seed}", flush=True)
    plan = trial.Plan(
        seconds=arguments.seconds,
        every=arguments.every,
        viewers=arguments.viewers,
        generating=arguments.generating,
        seed=arguments.seed,
    )
    outcome = asyncio.run(trial.run(plan, lambda line: print(line, flush=True)))
    result = report.document(outcome)
    for line in report.words(outcome):
        print(f"FAULT  {line}")
    print(report.table(result))
    failures = report.failures(result)
    for failure in failures:
        print(f"FAILED  {failure}")
    if arguments.publish:
        reliability.publish("soak", result)
    print(json.dumps(result), flush=True)
    return 1 if failures else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    default = trial.Plan()
    parser = argparse.ArgumentParser(prog="make soak ARGS=...", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=default.seconds, help="length of the run: %(default)s"
    )
    parser.add_argument(
        "--every", type=float, default=default.every, help="seconds between kills: %(default)s"
    )
    parser.add_argument(
        "--viewers", type=int, default=default.viewers, help="number of viewers: %(default)s"
    )
    parser.add_argument(
        "--generating", type=int, default=default.generating, help="number of rooms: %(default)s"
    )
    reliability.common(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
