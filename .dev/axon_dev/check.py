"""`make check`: format, lint, types, layers, the gRPC contract, the page.

All checks run. A check that fails shows its output.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from axon_dev import environment, node, page
from axon_dev.console import Problem, say
from axon_dev.paths import FRONTEND, ROOT, VENV, VENV_PYTHON


@dataclass(frozen=True)
class Check:
    """A command that fails when something is not as it should be."""

    name: str
    command: tuple[str, ...]
    cwd: Path = ROOT
    environment: Mapping[str, str] | None = None


def tool(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line of a program of .venv."""
    return (str(VENV / "bin" / name), *arguments)


def checks() -> list[Check]:
    """All checks, the quick ones first."""
    python = str(VENV_PYTHON)
    return [
        Check("ruff format", tool("ruff", "format", "--check")),
        Check("ruff check", tool("ruff", "check")),
        Check("buf lint", tool("buf", "lint"), ROOT / "proto"),
        Check("generated stubs", (python, "proto/generate.py", "--check")),
        Check("layers", tool("lint-imports", "--no-cache")),
        Check("mypy", (python, "-m", "mypy")),
        Check("page", tuple(node.npm("run", "check")), FRONTEND, node.environment()),
    ]


def check() -> int:
    """Run all checks; the exit code is 1 when one of them fails."""
    environment.setup()
    page.install()
    failed = [check.name for check in checks() if not _passes(check)]
    if failed:
        raise Problem(
            f"make check failed: {', '.join(failed)}. (make fmt fixes format and simple lint.)"
        )
    return 0


def fmt() -> int:
    """Format everything and fix what ruff can fix by itself."""
    environment.setup()
    page.install()
    commands = [
        Check("ruff check --fix", tool("ruff", "check", "--fix")),
        Check("ruff format", tool("ruff", "format")),
        Check("buf format", tool("buf", "format", "--write"), ROOT / "proto"),
        Check("page", tuple(node.npm("run", "format")), FRONTEND, node.environment()),
    ]
    failed = [command.name for command in commands if not _passes(command)]
    return 1 if failed else 0


def _passes(check: Check) -> bool:
    started = time.monotonic()
    result = subprocess.run(
        check.command,
        cwd=check.cwd,
        env=check.environment or os.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    took = time.monotonic() - started
    say(f"{'ok    ' if result.returncode == 0 else 'FAILED'}  {check.name:<18} {took:6.1f} s")
    if result.returncode != 0:
        say("".join(f"        {line}\n" for line in result.stdout.strip().splitlines()))
    return result.returncode == 0
