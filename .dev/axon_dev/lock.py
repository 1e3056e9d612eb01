"""`make lock`: compile all declared requirements into requirements.lock."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from axon_dev import environment, torch
from axon_dev.console import Problem
from axon_dev.paths import LOCK, PACKAGES, REQUIREMENTS, VENV_PYTHON
from axon_dev.pip import pip
from axon_dev.steps import StepFailed, run_step

HEADER = """\
# Every version Axon is developed, tested and shipped with, for Python 3.11 and 3.12. Made by `make
# lock` from proto/, inference/ and gateway/pyproject.toml and .dev/requirements/*.in: change those,
# not this. Used as constraints, so that each place installs only what it needs, for example the
# gateway's image:   pip install -c requirements.lock ./proto ./gateway
"""
CUDA = re.compile(r"^(nvidia-|cuda-|triton)", re.MULTILINE)


def lock() -> int:
    """Compile the lock; versions that still fit stay unless ARGS=--upgrade."""
    environment.setup()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for package in PACKAGES:
            lines = "".join(f"{need}\n" for need in environment.declared(package))
            (folder / f"{package.name}.in").write_text(lines)
        for file in REQUIREMENTS.glob("*.in"):
            shutil.copy(file, folder)
        shutil.copy(LOCK, folder)
        compile_in(folder)
        text = clean((folder / LOCK.name).read_text())
    if found := CUDA.findall(text):
        raise Problem(
            f"The lock would contain CUDA ({', '.join(found)}): is {torch.CPU_INDEX} reachable?"
        )
    LOCK.write_text(text)
    return 0


def compile_in(folder: Path) -> None:
    """Run pip-compile over the .in files of `folder`.

    The CPU build of torch does not depend on CUDA. It is downloaded first, because pip-compile, if
    given its index, would look there for every other package as well.
    """
    wheels = folder / "wheels"
    wanted = (f"torch=={torch.locked()}", "--extra-index-url", torch.CPU_INDEX)
    pip("Fetching torch", "download", "--no-deps", "--dest", wheels, *wanted)
    command: list[str | Path] = [
        *(VENV_PYTHON, "-m", "piptools", "compile", "--quiet", "--strip-extras", "--no-header"),
        *("--allow-unsafe", "--no-emit-index-url", "--no-emit-find-links"),
        *("--no-emit-trusted-host", "--no-emit-options"),
        *("--find-links", wheels, "--output-file", LOCK.name),
        *os.environ.get("ARGS", "").split(),
        *sorted(file.name for file in folder.glob("*.in")),
    ]
    try:
        run_step("Compiling requirements.lock", command, cwd=folder)
    except StepFailed as failure:
        raise Problem(str(failure)) from None


def clean(text: str) -> str:
    """The lock as it is committed: torch without the "+cpu", since each machine chooses a build."""
    pins = re.sub(r"^(torch==[\d.]+)\+\w+", r"\1", text, flags=re.MULTILINE)
    return HEADER + pins.lstrip()
