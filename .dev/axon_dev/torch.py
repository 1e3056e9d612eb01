"""torch, installed before everything else so that the right build is chosen once and never
replaced.
"""

import importlib.metadata
import os
import re
import sys
from pathlib import Path

from axon_dev.console import Problem, say
from axon_dev.paths import LOCK, VENV
from axon_dev.pip import pip

# On Linux the package index has the CUDA build (several GB with its libraries); this one has the
# CPU build. It is asked for torch alone.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def flavour() -> str:
    """The build asked for with TORCH=cpu or TORCH=cuda; empty: whatever is installed, else the CPU
    build.
    """
    asked = os.environ.get("TORCH", "")
    if asked not in ("", "cpu", "cuda"):
        raise Problem(f"TORCH={asked} is not a build of torch: use TORCH=cpu or TORCH=cuda.")
    return asked


def fits() -> bool:
    """Whether the environment has the locked version in the build that was asked for."""
    installed = _installed()
    if installed is None or installed[0].split("+")[0] != locked():
        return False
    return flavour() in ("", installed[1])


def install() -> None:
    """Install the locked torch unless it is there."""
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
        # Not by accident: it is said, and before it begins.
        say(f"{problem}\nThe CPU build of torch cannot be had from {CPU_INDEX}.")
        say("Taking the package index's own build, with CUDA: several GB (Ctrl-C to stop).")
        pip("Installing torch with CUDA", *plain)


def wanted(build: str) -> tuple[str, ...]:
    """The locked torch in a build (cpu or cuda), as lines of a requirements file or arguments.

    The CPU build goes by its full name, so that no other can come in its place.
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
    """Version and build of the torch in .venv, from its files: an import would take seconds."""
    for site in VENV.glob("lib/python*/site-packages"):
        for found in importlib.metadata.distributions(name="torch", path=[str(site)]):
            text = Path(str(found.locate_file("torch/version.py"))).read_text()
            cpu = re.search(r"^cuda\b[^=]*= None", text, re.MULTILINE)
            return found.version, "cpu" if cpu else "cuda"
    return None
