"""`make check-audit`: known vulnerabilities in the packages that the locks name."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from axon_dev.console import Problem, say
from axon_dev.install import FRONTEND, LOCK, UV, install, uv_environment

PIP_AUDIT = "pip-audit==2.10.1"


def audit() -> None:
    """Raise Problem for each known vulnerability. Where nobody can be asked, say so."""
    install()
    python: list[str | Path] = [
        UV,
        "tool",
        "run",
        PIP_AUDIT,
        "--requirement",
        LOCK,
        "--disable-pip",
    ]
    python += ["--progress-spinner", "off", "--format", "json"]
    # What only builds and tests the page is not in it.
    page = ["npm", "audit", "--omit", "dev", "--package-lock-only", "--json"]
    found = [*_ask("Python", python, _of_python), *_ask("the page", page, _of_the_page)]
    if found:
        raise Problem(
            "Packages with known vulnerabilities; take newer ones (make lock ARGS=--upgrade, or "
            "npm update in frontend/):\n" + "\n".join(f"    {line}" for line in found)
        )


def _ask(what: str, command: Sequence[str | Path], read: Any) -> list[str]:
    done = subprocess.run(
        command, cwd=FRONTEND, env=uv_environment(), capture_output=True, text=True
    )
    try:
        found = list(read(json.loads(done.stdout)))
    except (ValueError, KeyError):
        say(f"Audit of {what}: skipped, because no index that tells of vulnerabilities answers.")
        return []
    say(f"Audit of {what}: {len(found) or 'no'} known vulnerabilities")
    return found


def _of_python(report: dict[str, Any]) -> Iterator[str]:
    told = [one for one in report["dependencies"] if "vulns" in one]
    if not told:
        raise KeyError("vulns")
    for one in told:
        for flaw in one["vulns"]:
            better = ", ".join(flaw["fix_versions"]) or "none yet"
            yield f"{one['name']} {one['version']}: {flaw['id']} (fixed in {better})"


def _of_the_page(report: dict[str, Any]) -> Iterator[str]:
    for name, flaw in report["vulnerabilities"].items():
        yield f"{name} {flaw['range']}: {flaw['severity']}"
