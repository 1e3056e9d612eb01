"""The Makefile's targets as functions."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

from axon_dev import check, compose, environment, lock, page, run, test
from axon_dev.console import Problem, say
from axon_dev.paths import BUILD, FRONTEND, LABELS, PAGE, ROOT, STATE, VENV, VENV_PYTHON

INTERRUPTED = 130


def setup() -> int:
    """Install and build what `make run` needs, without running it."""
    environment.setup()
    page.build()
    return 0


def proto() -> int:
    """Generate the stubs of the gRPC contract."""
    environment.setup()
    return subprocess.run([VENV_PYTHON, "proto/generate.py"], cwd=ROOT).returncode


def demo_model() -> int:
    """Train the bundled model."""
    environment.setup()
    return subprocess.run([VENV_PYTHON, "-m", "demo_model"], cwd=ROOT / "inference").returncode


def bench() -> int:
    """Run the benchmark; its arguments come from the variable ARGS."""
    return _trial("tests.bench")


def check_quality() -> int:
    """Check the running server at AXON_URL; further arguments come from the variable ARGS."""
    environment.setup()
    arguments = shlex.split(os.environ.get("ARGS", ""))
    return subprocess.run([VENV_PYTHON, "-m", "tests.quality", *arguments], cwd=ROOT).returncode


def bench_docs() -> int:
    """Write docs/performance.md from the committed results."""
    environment.setup()
    return subprocess.run([VENV_PYTHON, "-m", "tests.bench.docs"], cwd=ROOT).returncode


def fuzz() -> int:
    """Run the fuzz tests; their arguments come from the variable ARGS."""
    return _trial("tests.fuzz")


def soak() -> int:
    """Kill gateways and Redis while many viewers watch; arguments come from the variable ARGS."""
    return _trial("tests.soak")


def _trial(module: str) -> int:
    environment.setup()
    arguments = shlex.split(os.environ.get("ARGS", ""))
    return subprocess.run([VENV_PYTHON, "-m", module, *arguments], cwd=ROOT).returncode


def labels() -> int:
    """Download the labels of the sources in SOURCE.

    They are written as files into the folder TO. Without TO they go into the Redis of
    AXON_REDIS_URL; without both, into the folder where `make run` finds them.
    """
    sources = [name for name in os.environ.get("SOURCE", "").split(",") if name]
    if not sources:
        raise Problem("SOURCE is missing. For example: make labels SOURCE=gpt2-small/8-res-jb")
    environment.setup()
    folder = os.environ.get("TO") or ("" if os.environ.get("AXON_REDIS_URL") else str(LABELS))
    to = ["--to", folder] if folder else []
    return subprocess.run(
        [VENV_PYTHON, "-m", "axon_gateway", "labels", *sources, *to], cwd=ROOT
    ).returncode


def clean() -> int:
    """Remove what `make` created: .venv, page, labels, logs, Redis' data, caches, bench's model."""
    caches = [ROOT / name for name in (".pytest_cache", ".mypy_cache", ".ruff_cache")]
    for folder in (PAGE, FRONTEND / "node_modules", VENV, STATE, BUILD, *caches):
        shutil.rmtree(folder, ignore_errors=True)
    return 0


COMMANDS: dict[str, Callable[[], int]] = {
    "setup": setup,
    "run": run.run,
    "up": compose.up,
    "up-gpu": compose.up_gpu,
    "down": compose.down,
    "test": test.test,
    "test-nightly": test.test_nightly,
    "test-compose": test.test_compose,
    "check": check.check,
    "check-quality": check_quality,
    "fmt": check.fmt,
    "proto": proto,
    "demo-model": demo_model,
    "labels": labels,
    "bench": bench,
    "bench-docs": bench_docs,
    "fuzz": fuzz,
    "soak": soak,
    "lock": lock.lock,
    "clean": clean,
}


def main() -> int:
    """Run the command named on the command line; a Problem is printed without a traceback."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        return COMMANDS[sys.argv[1]]()
    except Problem as problem:
        print(f"axon: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted.")
        return INTERRUPTED


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C."""
    raise KeyboardInterrupt
