"""Build the page with npm when its sources have changed."""

from axon_dev import node
from axon_dev.console import Problem
from axon_dev.paths import FRONTEND, PAGE, STATE
from axon_dev.stamps import Stamp, digest, tree
from axon_dev.steps import StepFailed, run_step

# Folders whose contents do not change the built page.
NOT_SOURCES = ("node_modules", "dist", "test", "coverage")


def install() -> None:
    """Install the page's npm packages exactly as package-lock.json says."""
    stamp = Stamp(FRONTEND / "node_modules" / ".axon-stamp")
    wanted = digest(FRONTEND / "package.json", FRONTEND / "package-lock.json")
    if stamp.matches(wanted):
        return
    stamp.clear()
    _run("Installing the page's packages", "ci", "--no-audit", "--no-fund")
    stamp.write(wanted)


def build() -> None:
    """Build frontend/dist unless it is up to date."""
    wanted = digest(*tree(FRONTEND, skip=NOT_SOURCES))
    stamp = Stamp(STATE / "page.stamp")
    if stamp.matches(wanted) and (PAGE / "index.html").is_file():
        return
    install()
    stamp.clear()
    _run("Building the page", "run", "build")
    stamp.write(wanted)


def _run(title: str, *arguments: str) -> None:
    try:
        run_step(title, node.npm(*arguments), cwd=FRONTEND, env=node.environment())
    except StepFailed as failure:
        raise Problem(str(failure)) from None
