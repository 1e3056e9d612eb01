"""The Python environment: .venv with the packages of the lock and our own three, editable.

It is set up again only when the lock, a requirements file, a pyproject.toml, the Python or the
checkout's folder has changed.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from axon_dev import node, redis, torch
from axon_dev.console import Problem, say
from axon_dev.paths import LOCK, PACKAGES, REQUIREMENTS, ROOT, STATE, VENV, VENV_PYTHON
from axon_dev.pip import pip
from axon_dev.stamps import Stamp, digest
from axon_dev.steps import run_step


def setup() -> None:
    """Install what the lock says into .venv; does nothing when .venv already has it."""
    for package in PACKAGES:
        if not (package / "pyproject.toml").is_file():
            raise Problem(
                f"{package.name}/pyproject.toml is missing: this checkout of Axon is incomplete."
            )
    wanted = sections()
    stamp = Stamp(VENV / "axon.stamp")
    with _alone():
        if stamp.matches(_digest(wanted)) and torch.fits():
            return
        stamp.clear()
        make_venv()
        repair(VENV)
        _install(wanted)
        stamp.write(_digest(wanted))


def sections() -> list[str]:
    """The files of .dev/requirements that this machine needs."""
    return ["dev"] + ["node"] * (not node.on_path()) + ["redis"] * (not redis.on_path())


def declared(package: Path) -> list[str]:
    """What one of our packages needs from the index: to build, to run, and for its extras."""
    pyproject = tomllib.loads((package / "pyproject.toml").read_text())
    extras = pyproject["project"].get("optional-dependencies", {}).values()
    needs = [*pyproject["build-system"]["requires"], *chain(*extras)]
    return needs + to_run(package)


def to_run(package: Path) -> list[str]:
    """What one of our packages needs from the index to run."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    return [need for need in project.get("dependencies", []) if not need.startswith("axon-")]


def _digest(sections: list[str]) -> str:
    """A hash of everything that decides what .venv must contain."""
    # ROOT is part of it because an environment that was moved no longer works.
    files = [LOCK, *(REQUIREMENTS / f"{section}.in" for section in sections)]
    files += [package / "pyproject.toml" for package in PACKAGES]
    return digest(str(ROOT), sys.version, *sections, *files)


@contextmanager
def _alone() -> Iterator[None]:
    """Let only one `make` set up at a time.

    pip inherits the lock: if `make` is killed while pip runs, the lock is held until pip ends.
    """
    STATE.mkdir(exist_ok=True)
    with (STATE / "setup.lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is setting up this checkout; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_venv() -> None:
    """Create .venv with this Python unless a usable one exists."""
    if VENV.exists():
        if usable():
            return
        say("The environment .venv is broken, was moved or has another Python; recreating it.")
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Problem(
            f"This Python ({sys.executable}) cannot make environments: apt install python3-venv "
            f"(or python{version}-venv), then run make again."
        )
    shutil.rmtree(VENV, ignore_errors=True)
    run_step("Creating .venv", [sys.executable, "-m", "venv", VENV])


def usable() -> bool:
    """Whether .venv runs, has pip and this Python's version, and was created in this folder."""
    config = VENV / "pyvenv.cfg"  # names the folder it was created in; its scripts depend on that
    if not config.is_file() or not VENV_PYTHON.exists():
        return False
    probe = subprocess.run(
        [VENV_PYTHON, "-c", "import pip, sys; print(sys.version)"], capture_output=True, text=True
    )
    return probe.stdout.strip() == sys.version and f" {VENV}\n" in config.read_text()


def repair(venv: Path) -> None:
    """Remove packages that a killed pip left half installed; pip would take them for installed.

    pip writes RECORD last, so a distribution without RECORD is incomplete. A folder or file named
    "~name" belongs to a distribution that pip was removing.
    """
    for site in venv.glob("lib/python*/site-packages"):
        for info in site.glob("*.dist-info"):
            if not (info / "RECORD").is_file():
                shutil.rmtree(info)
        for remains in site.glob("~*"):
            shutil.rmtree(remains) if remains.is_dir() else remains.unlink()


def _install(sections: list[str]) -> None:
    needs = [need for package in PACKAGES for need in declared(package)]
    files = [part for section in sections for part in ("-r", REQUIREMENTS / f"{section}.in")]
    ours = [part for package in PACKAGES for part in ("-e", package)]
    say("Installing what Axon needs into .venv (about 2 GB; only when requirements have changed).")
    torch.install()
    pip("Installing packages", "install", "-c", LOCK, *files, *needs)
    # Downloads nothing: the step before installed every dependency and every build backend.
    pip("Installing Axon", "install", "--no-deps", "--no-build-isolation", *ours)
    pip("Checking packages", "check")
