"""Which Python `make` chooses; the Pythons here are scripts that only print a version."""

import shutil
import subprocess
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[3] / ".dev" / "launch.sh"
TOOLS = ("sh", "sed", "dirname")


class Machine:
    """A machine that has only a checkout and the Pythons that a test installs."""

    def __init__(self, root: Path) -> None:
        self.checkout = root / "a checkout"
        self.bin = root / "bin"
        (self.checkout / ".dev").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(LAUNCH, self.checkout / ".dev")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))

    def python(self, name: str, version: str | None, folder: Path | None = None) -> Path:
        """Install a Python. Without a version it fails when it is run, as a pyenv shim may."""
        path = (folder or self.bin) / name
        answer = f"echo {version}" if version else "exit 127"
        path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && {{ {answer}; exit; }}\necho "$0" "$@"\n')
        path.chmod(0o755)
        return path

    def launch(self, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / "sh"), str(self.checkout / ".dev" / "launch.sh"), "run", "-x"]
        environment = {"PATH": str(self.bin)} | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_runs(result: subprocess.CompletedProcess[str], python: Path, machine: Machine) -> None:
    assert result.stderr == ""
    assert result.stdout.strip() == f"{python} {machine.checkout}/.dev/dev.py run -x"


@pytest.mark.parametrize("version", ["3.11.0", "3.12.9", "3.13.0"])
def test_a_python3_of_a_supported_version_is_used(machine: Machine, version: str) -> None:
    python = machine.python("python3", version)
    machine.python("python3.12", "3.12.1")
    assert_runs(machine.launch(), python, machine)


@pytest.mark.parametrize("unfit", ["3.9.2", "3.14.0", None])
def test_a_python3_of_another_version_is_not_used(machine: Machine, unfit: str | None) -> None:
    machine.python("python3", unfit)
    machine.python("python3.12", None)
    python = machine.python("python3.11", "3.11.2")
    assert_runs(machine.launch(), python, machine)


def test_without_a_supported_python_a_line_names_what_was_found(machine: Machine) -> None:
    machine.python("python3", "3.14.0")
    machine.python("python3.11", "3.1.1")
    result = machine.launch()
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "Python 3.11, 3.12 or 3.13 is needed" in result.stderr
    assert "found: python3 is 3.14.0, python3.11 is 3.1.1." in result.stderr


def test_without_any_python_a_line_says_so(machine: Machine) -> None:
    result = machine.launch()
    assert result.returncode == 1
    assert "found: none that runs." in result.stderr


def test_the_variable_python_decides(machine: Machine, tmp_path: Path) -> None:
    machine.python("python3", "3.11.2")
    python = machine.python("my python", "3.12.4", tmp_path)
    assert_runs(machine.launch(PYTHON=str(python)), python, machine)


@pytest.mark.parametrize("version", ["3.8.1", None])
def test_a_python_of_another_version_in_the_variable_is_refused(
    machine: Machine, version: str | None
) -> None:
    machine.python("python3", "3.11.2")
    python = machine.python("mine", version)
    result = machine.launch(PYTHON="mine")
    assert result.returncode == 1
    assert python.name in result.stderr


def test_an_environment_keeps_its_python(machine: Machine, tmp_path: Path) -> None:
    machine.python("python3", "3.11.2")
    python = machine.python("earlier", "3.12.4", tmp_path)
    (machine.checkout / ".venv").mkdir()
    (machine.checkout / ".venv" / "pyvenv.cfg").write_text(f"home = /x\nexecutable = {python}\n")
    assert_runs(machine.launch(), python, machine)
    python.unlink()
    assert_runs(machine.launch(), machine.bin / "python3", machine)
