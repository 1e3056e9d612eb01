"""Measure, and print what the memory's speed allows, then each figure, then one line of JSON."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import subject

if __name__ == "__main__":  # not when a test imports this module
    # Set before the Hugging Face libraries are imported: download nothing, and `gpt2` is our model.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_CACHE"] = str(subject.FOLDER / "hub")
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    for _name in [name for name in os.environ if name.startswith("AXON_")]:
        del os.environ[_name]

from . import figures, machine, parity, report
from .bandwidth import weights_read
from .groups import GROUPS, QUICK, Bench, Plan, Results
from .stats import Measured

_ENGINE_KEYS = {figure.key for figure in figures.ENGINE}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns 1 if Axon and the reference give different results."""
    arguments = _parse(argv)
    _be_quiet()
    about: dict[str, Any] = {"machine": machine.describe(), "quick": arguments.quick}
    _say(", ".join(f"{name} {value}" for name, value in about["machine"].items()))
    if arguments.quick:
        _say("A quick run shows that everything works. Its numbers mean nothing.")
    bench = _bench(arguments)
    results = Results()
    try:
        about |= _begin(bench, arguments.only)
        _measure(bench, arguments.only, results)
    except parity.ParityFailed as failure:
        print(f"No figures: Axon and the reference differ. {failure}", file=sys.stderr)
        return 1
    line = json.dumps(report.document(results, arguments.only, about))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(json.loads(line), indent=2) + "\n")
    _say(line)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    parser.add_argument("--only", type=_keys, metavar="KEY,...", help="measure only these figures")
    parser.add_argument("--rounds", type=int, metavar="N", help="number of rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result to a file")
    arguments = parser.parse_args(argv)
    arguments.only = arguments.only or {figure.key for figure in figures.ALL}
    return arguments


def _keys(text: str) -> set[str]:
    keys = set(text.split(","))
    if unknown := keys - {figure.key for figure in figures.ALL}:
        known = ", ".join(figure.key for figure in figures.ALL)
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {known}")
    return keys


def _be_quiet() -> None:
    """Silence the output of the libraries."""
    from transformers.utils import logging as theirs

    theirs.set_verbosity_error()
    theirs.disable_progress_bar()
    logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def _bench(arguments: argparse.Namespace) -> Bench:
    import torch

    plan = QUICK if arguments.quick else Plan()
    if arguments.rounds:
        plan = Plan(**{**vars(plan), "rounds": arguments.rounds})
    _say(f"Model and SAE: {subject.FOLDER} (they are made the first time, in about a minute)")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Bench(subject.prepare(), plan, device, _say)


def _begin(bench: Bench, keys: set[str]) -> dict[str, Any]:
    """Measure the memory's speed, and check that Axon and the reference agree."""
    speed = Measured.of([bench.bandwidth.measure() / 1e9 for _ in range(5)])
    needed = weights_read(bench.subject)
    floor = needed / speed.value / 1e6
    _say(
        f"Memory is read at {speed} GB/s; a token of one stream reads {needed / 1e6:.0f} MB of "
        f"float32 weights, so it takes at least {floor:.1f} ms: {1e3 / floor:.1f} tokens/s"
    )
    about: dict[str, Any] = {"bandwidth_gb_s": round(speed.value, 2), "floor_ms": round(floor, 2)}
    if keys & _ENGINE_KEYS:
        prompts = [bench.ours.prompt_ids(bench.text(seed, 4 + 8 * seed)) for seed in range(4)]
        parity.check(bench.ours, bench.naive, prompts, bench.plan.new)
        active = bench.naive.active(bench.naive.reference(prompts[1], bench.plan.new).ids).float()
        _say(
            f"Parity: {len(prompts)} prompts, alone and batched, give the reference's tokens and "
            f"features; L0 {active.mean():.0f} ({active.min():.0f} to {active.max():.0f}) "
            f"of {subject.WIDTH}"
        )
        about["l0"] = round(float(active.mean()), 1)
    return about


def _measure(bench: Bench, keys: set[str], results: Results) -> None:
    measured: set[str] = set()
    for of_group, measure in GROUPS:
        measured.update(of_group)
        wanted = keys & set(of_group)
        if not wanted:
            continue
        if measure.__name__ == "gpu" and bench.device != "cuda":
            results.missing |= dict.fromkeys(of_group, "no GPU")
            continue
        _say(f"{measure.__name__}: {measure.__doc__}")
        measure(bench, results)
        for figure in figures.ALL:
            if figure.key in wanted and figure.key in results.figures:
                _say(_line(figure, results.figures[figure.key]))
    results.missing |= dict.fromkeys(keys - measured, "there is no measurement of it yet")


def _line(figure: figures.Figure, measured: Measured) -> str:
    met = figure.met(measured.value)
    bound = "at most" if figure.at_most else "at least"
    outcome = "" if met is None else f"{bound} {figure.target:g}: {'met' if met else 'NOT met'}"
    return f"{figure.key:30} {measured!s:28} {outcome}".rstrip()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
