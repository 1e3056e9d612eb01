"""`make test` installs Chromium where it can, and else says what to install."""

import os
from pathlib import Path

import pytest
from axon_dev import test as command
from axon_dev.console import Problem
from axon_dev.steps import StepFailed


class Machine:
    """A machine that has only the programs that a test installs."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.steps: list[list[str]] = []
        patch.setenv("PATH", str(folder))
        patch.setattr(command, "run_step", lambda title, line: self.steps.append(line))

    def install(self, name: str, exit_code: int = 0) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\nexit {exit_code}\n")
        (self.folder / name).chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return Machine(tmp_path, monkeypatch)


def test_with_a_browser_nothing_is_done(machine: Machine) -> None:
    machine.install("apt-get")
    machine.install("chromium")
    command.system_packages()
    assert machine.steps == []


def test_root_installs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    machine.install("apt-get")
    command.system_packages()
    assert [step[-1] for step in machine.steps] == ["update", "chromium"]
    assert machine.steps[0][0] == "env"


def test_sudo_without_a_password_installs(machine: Machine) -> None:
    machine.install("apt-get")
    machine.install("sudo")
    command.system_packages()
    assert [step[-1] for step in machine.steps] == ["update", "chromium"]
    assert machine.steps[0][:3] == [str(machine.folder / "sudo"), "-n", "env"]


@pytest.mark.parametrize("programs", [["apt-get"], ["sudo"], []])
def test_otherwise_a_line_says_what_to_install(machine: Machine, programs: list[str]) -> None:
    for program in programs:
        machine.install(program)
    with pytest.raises(Problem, match="apt install chromium"):
        command.system_packages()


def test_sudo_with_a_password_is_not_used(machine: Machine) -> None:
    machine.install("apt-get")
    machine.install("sudo", exit_code=1)
    with pytest.raises(Problem, match="apt install chromium"):
        command.system_packages()


def test_a_failed_installation_is_reported(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(title: str, line: list[str]) -> None:
        raise StepFailed(title, "E: no such package", command.ROOT / "log")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(command, "run_step", fail)
    machine.install("apt-get")
    with pytest.raises(Problem, match="E: no such package"):
        command.system_packages()
