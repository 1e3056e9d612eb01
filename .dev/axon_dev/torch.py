"""Install torch before all other packages, so that none of them replaces the chosen build."""

import importlib.metadata
import os
import re
import sys
from pathlib import Path

from axon_dev.console import Problem, say
from axon_dev.paths import LOCK, VENV
from axon_dev.pip import pip

# On Linux PyPI has the CUDA build (several GB with its libraries); this index has the CPU build. It
# is used for torch alone.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def flavour() -> str:
    """The value of TORCH: "cpu", "cuda", or "" for the installed build, else the CPU build."""
    asked = os.environ.get("TORCH", "")
    if asked not in ("", "cpu", "cuda"):
        raise Problem(f"TORCH={asked} is not a build of torch: use TORCH=cpu or TORCH=cuda.")
    return asked


def fits() -> bool:
    """Whether .venv has the locked version of torch in the requested build."""
    installed = _installed()
    if installed is None or installed[0].split("+")[0] != locked():
        return False
    return flavour() in ("", installed[1])


def install() -> None:
    """Install the locked torch unless .venv has it."""
    if fits():
        return
    # The version alone cannot tell CPU from CUDA to pip, so a change of build must be forced.
    plain: tuple[str | Path, ...] = ("install", "--force-reinstall", "-c", LOCK, *wanted("cuda"))
    if flavour() == "cuda" or sys.platform != "linux":
        pip("Installing torch", *plain)
        return
    try:
        pip("Installing torch", "install", "--force-reinstall", "--no-deps", *wanted("cpu"))
    except Problem as problem:
        if flavour() == "cpu":
            raise
        # This downloads several GB, so the user is told before it begins.
        say(f"{problem}\nThe CPU build of torch cannot be downloaded from {CPU_INDEX}.")
        say("Installing the package index's own build, with CUDA: several GB (Ctrl-C to stop).")
        pip("Installing torch with CUDA", *plain)


def wanted(build: str) -> tuple[str, ...]:
    """The locked torch in a build (cpu or cuda), as arguments of pip or lines of requirements.

    The CPU build is asked for as "+cpu", so that pip cannot install another build instead.
    """
    if build == "cuda":
        return (f"torch=={locked()}",)
    return (f"--extra-index-url={CPU_INDEX}", f"torch=={locked()}+cpu")


def locked() -> str:
    """The version of torch that the lock pins."""
    match = re.search(r"^torch==([\d.]+)$", LOCK.read_text(), re.MULTILINE)
    if match is None:
        raise Problem(f"{LOCK.name} does not pin torch: run make lock.")
    return match[1]


def _installed() -> tuple[str, str] | None:
    """Version and build of the torch in .venv, read from its files; an import takes seconds."""
    for site in VENV.glob("lib/python*/site-packages"):
        for found in importlib.metadata.distributions(name="torch", path=[str(site)]):
            text = Path(str(found.locate_file("torch/version.py"))).read_text()
            cpu = re.search(r"^cuda\b[^=]*= None", text, re.MULTILINE)
            return found.version, "cpu" if cpu else "cuda"
    return None
