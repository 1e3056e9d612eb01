"""`make check-audit`: known vulnerabilities in the packages that the locks name."""

import json
import subprocess
from typing import Any

from axon_dev.console import Problem, say
from axon_dev.install import FRONTEND, LOCK, UV, install, uv_environment

PIP_AUDIT = (UV, "tool", "run", "pip-audit==2.10.1", "--requirement", str(LOCK), "--disable-pip")
COMMANDS = {
    "Python": (*PIP_AUDIT, "--progress-spinner", "off", "--format", "json"),
    # What only builds and tests the page is not in it.
    "the page": ("npm", "audit", "--omit", "dev", "--package-lock-only", "--json"),
}


def audit() -> None:
    """Raise Problem for each known vulnerability. Where nobody can be asked, say so."""
    install()
    env, found = uv_environment(), []
    for what, command in COMMANDS.items():
        done = subprocess.run(command, cwd=FRONTEND, env=env, capture_output=True, text=True)
        try:
            some = _flaws(json.loads(done.stdout))
        except (ValueError, KeyError):
            say(
                f"Audit of {what}: skipped, because no index that tells of vulnerabilities answers."
            )
            continue
        say(f"Audit of {what}: {len(some) or 'no'} known vulnerabilities")
        found += some
    if found:
        raise Problem(
            "Packages with known vulnerabilities; take newer ones (make lock ARGS=--upgrade, or "
            "npm update in frontend/):\n" + "\n".join(f"    {line}" for line in found)
        )


def _flaws(report: dict[str, Any]) -> list[str]:
    """A line for each flaw in a report of pip-audit or npm; KeyError if it does not tell."""
    if "dependencies" not in report:
        flaws = report["vulnerabilities"].items()
        return [f"{name} {flaw['range']}: {flaw['severity']}" for name, flaw in flaws]
    told = [one for one in report["dependencies"] if "vulns" in one]
    if not told:
        raise KeyError("vulns")
    return [
        f"{one['name']} {one['version']}: {flaw['id']} "
        f"(fixed in {', '.join(flaw['fix_versions']) or 'none yet'})"
        for one in told
        for flaw in one["vulns"]
    ]
