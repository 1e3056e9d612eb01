"""Measure Axon on this machine's GPU: parity, speed, memory and the timeline of a step.

Each case runs in a process of its own, so that one which fails or hangs costs the others nothing.
The results so far are always in the folder: gpu.json, and gpu.svg, a picture of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import machine
from ..subject import FOLDER, ROOT
from . import picture

#: Of GPT-2's shape: what matters most comes first, should time run out.
CASES = tuple((dtype, n) for n in (1, 13) for dtype in ("float32", "bfloat16", "tf32"))
NO_GPU = 3
#: What is left for the last case must suffice to start it.
_LEAST_SECONDS = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 if everything succeeded, 1 if something failed, 3 without a GPU."""
    arguments = _parse(argv)
    try:
        from .case import TINY, Case
    except ImportError as error:
        print(f"axon: {_how(f'{sys.executable}: {error}')}", file=sys.stderr)
        return NO_GPU
    if not arguments.rehearse and (missing := _no_gpu()):
        print(f"axon: {_how(missing)}", file=sys.stderr)
        return NO_GPU
    cases = [TINY] if arguments.rehearse else [Case(dtype, n) for dtype, n in CASES]
    deadline = time.monotonic() + 60 * arguments.minutes
    about = {**machine.describe(), "driver": _driver(), "rehearsal": arguments.rehearse}
    results: dict[str, Any] = {"machine": about, "cases": {}}
    arguments.out.mkdir(parents=True, exist_ok=True)
    for index, case in enumerate(cases):
        print(case.name, flush=True)
        left = deadline - time.monotonic()
        # No case may take the time of all that follow.
        share = left / (len(cases) - index) * 1.5 if index + 1 < len(cases) else left
        results["cases"][case.name] = _measured(case.text(), arguments.out, min(left, share))
        _write(results, arguments.out)
    failed = [
        f"{name}: {part}: {why}"
        for name, case_found in results["cases"].items()
        for part, why in case_found["failed"].items()
    ]
    print(json.dumps(_without_events(results)), flush=True)
    for line in failed:
        print(f"FAILED {line}", file=sys.stderr)
    return 1 if failed else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-gpu ARGS=...", description=__doc__)
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="tiny, on the CPU: it only shows that all of it runs",
    )
    parser.add_argument("--minutes", type=float, default=8.5, help="the most it may take (8.5)")
    parser.add_argument("--out", type=Path, default=FOLDER.parent / "bench-gpu", metavar="FOLDER")
    return parser.parse_args(argv)


def _no_gpu() -> str:
    """Why there is no GPU to measure; empty if there is one."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} of {sys.executable} is a build for the CPU alone"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} sees no GPU: does nvidia-smi work here?"
    return ""


def _how(missing: str) -> str:
    return (
        f"nothing was measured: {missing}. This benchmark needs an NVIDIA GPU, and the Python of "
        ".venv (make setup TORCH=cuda) or one named by PYTHON=... whose torch sees it"
    )


def _driver() -> str | None:
    """The name, driver and memory of each GPU, by nvidia-smi."""
    command = [
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total",
        "--format=csv,noheader",
    ]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _measured(case: str, folder: Path, seconds: float) -> dict[str, Any]:
    """What a process found about a case, as far as it came."""
    if seconds < _LEAST_SECONDS:
        return {"found": {}, "failed": {"all of it": "no time was left"}}
    file = folder / "case.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.bench.gpu.measure", case, str(file)]
    ended = ""
    with subprocess.Popen(command, cwd=ROOT, env=_environment(), start_new_session=True) as process:
        try:
            if code := process.wait(seconds):
                ended = f"the process ended with {code}"
        except subprocess.TimeoutExpired:
            ended = f"it took more than its {seconds:.0f} s"
        finally:
            _end(process.pid)
    found: dict[str, Any] = {"found": {}, "failed": {}}
    if file.is_file():
        found = json.loads(file.read_text())
        file.unlink()
    if ended:
        found["failed"]["the rest"] = ended
    return found


def _end(group: int) -> None:
    """Kill what a case has left: itself, if it hangs, and its server."""
    try:
        os.killpg(group, 9)
    except ProcessLookupError:
        return


def _environment() -> dict[str, str]:
    """Default settings, no downloads, and the packages of this checkout, installed or not."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AXON_")}
    paths = [str(ROOT), *(str(ROOT / name) for name in ("proto", "inference"))]
    kept["PYTHONPATH"] = os.pathsep.join([*paths, kept.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**kept, "HF_HUB_OFFLINE": "1", "KINETO_LOG_LEVEL": "5"}


def _write(results: dict[str, Any], folder: Path) -> None:
    (folder / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "gpu.svg").write_text(picture.draw(results))


def _without_events(results: dict[str, Any]) -> dict[str, Any]:
    """The results without the single events of the timelines, short enough for one line."""
    copy: dict[str, Any] = json.loads(json.dumps(results))
    for case in copy["cases"].values():
        for timeline in case["found"].get("timelines", {}).values():
            del timeline["events"]
    return copy


if __name__ == "__main__":
    sys.exit(main())
