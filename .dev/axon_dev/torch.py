"""torch, installed before everything else so that the right build is chosen once and never
replaced.
"""

import importlib.metadata
import os
import re
from pathlib import Path

from axon_dev.console import Problem
from axon_dev.paths import LOCK, VENV
from axon_dev.pip import pip

# On Linux the package index has the CUDA build (several GB with its libraries); this one has the
# CPU build, whose version "2.13.0+cpu" pip prefers. It is asked for torch alone.
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
    arguments = ("install", "--force-reinstall", f"torch=={locked()}", "-c", LOCK)
    if flavour() == "cuda":
        pip("Installing torch for CUDA", *arguments)
    else:
        pip("Installing torch", *arguments, "--no-deps", "--extra-index-url", CPU_INDEX)


def locked() -> str:
    """The version of torch that the lock pins."""
    match = re.search(r"^torch==([\d.]+)$", LOCK.read_text(), re.MULTILINE)
    if match is None:
        raise Problem(f"{LOCK.name} does not pin torch: run make lock.")
    return match[1]


def _installed() -> tuple[str, str] | None:
    """Version and build of the torch in .venv, read from its files: importing it would take
    seconds.
    """
    for site in VENV.glob("lib/python*/site-packages"):
        for found in importlib.metadata.distributions(name="torch", path=[str(site)]):
            text = Path(str(found.locate_file("torch/version.py"))).read_text()
            cpu = re.search(r"^cuda\b[^=]*= None", text, re.MULTILINE)
            return found.version, "cpu" if cpu else "cuda"
    return None
