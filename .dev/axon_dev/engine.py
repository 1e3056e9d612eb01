"""Docker: whether there is a usable engine, and what Compose answers."""

import json
import re
import shutil
import subprocess
from typing import Any

from axon_dev.console import Problem
from axon_dev.paths import ROOT

OLDEST = (2, 20)  # the first Compose with `include`, which compose.gpu.yaml uses
INSTALL = "install Docker Engine with its Compose plugin (on Debian docker.io and docker-compose)"


def why_none() -> str | None:
    """One line that says why no engine can be used; None when one can."""
    if shutil.which("docker") is None:
        return f"There is no docker on PATH: {INSTALL}."
    engine = _docker("version", "--format", "{{.Server.Version}}")
    if engine.returncode != 0:
        if "permission denied" in engine.stderr.lower():
            return "This user may not use Docker's socket: add the user to the group docker."
        return "No Docker Engine answers: start it (systemctl start docker), or " + INSTALL + "."
    version = _docker("compose", "version", "--short")
    found = tuple(int(number) for number in re.findall(r"\d+", version.stdout)[:2])
    if found < OLDEST:
        least = ".".join(map(str, OLDEST))
        had = version.stdout.strip() or "none"
        return f"Docker Compose {least} or newer is needed, and there is {had}: {INSTALL}."
    return None


def require() -> None:
    """Raise Problem unless an engine can be used."""
    if reason := why_none():
        raise Problem(reason)


def compose(file: str, *arguments: str) -> list[str]:
    """The command line of `docker compose` with one of our files, valid in any folder."""
    return ["docker", "compose", "--file", str(ROOT / file), *arguments]


def ask(file: str, *arguments: str) -> str:
    """What `docker compose` prints. Raises Problem with its last line when it fails."""
    done = subprocess.run(compose(file, *arguments), cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem((done.stderr.strip().splitlines() or [f"{file} cannot be used"])[-1])
    return done.stdout


def config(file: str) -> dict[str, Any]:
    """The file as Compose understands it, with all variables filled in."""
    found: dict[str, Any] = json.loads(ask(file, "config", "--format", "json"))
    return found


def containers(file: str) -> list[dict[str, Any]]:
    """All containers of the project, with at least Service, Name, State and Health."""
    # Newer versions of Compose print one object a line, older ones an array.
    text = ask(file, "ps", "--all", "--format", "json").strip()
    if text.startswith("["):
        found: list[dict[str, Any]] = json.loads(text)
        return found
    return [json.loads(line) for line in text.splitlines()]


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(arguments, 1, "", "no answer within 30 s")
