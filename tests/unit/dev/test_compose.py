"""`make up`, `make down` and `make test-compose`, with a fake docker."""

from __future__ import annotations

from pathlib import Path

import pytest
from axon_dev import compose, engine, test
from axon_dev.console import Problem
from axon_dev.paths import ROOT, STATE
from axon_dev.steps import StepFailed


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that has only the programs that a test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def docker(path: Path, *cases: str) -> None:
    """Installs a fake docker: a shell script whose `case` has these branches."""
    program = path / "docker"
    program.write_text('#!/bin/sh\ncase "$*" in\n' + "\n".join(cases) + "\nesac\n")
    program.chmod(0o755)


RUNS = 'version*) echo "20.10.24";;'


def compose_is(version: str) -> str:
    return f'"compose version"*) echo "{version}";;'


def test_without_docker_a_line_says_what_to_install(path: Path) -> None:
    assert "no docker on PATH: install Docker Engine" in str(engine.why_none())
    with pytest.raises(Problem, match="no docker on PATH"):
        engine.require()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Cannot connect to the Docker daemon", "No Docker Engine answers"),
        ("permission denied while trying to connect", "to the group docker"),
    ],
)
def test_an_engine_that_does_not_answer_is_explained(path: Path, said: str, told: str) -> None:
    docker(path, f'version*) echo "{said}" >&2; exit 1;;')
    assert told in str(engine.why_none())


@pytest.mark.parametrize("version", ["1.29.2", "2.19.1", "nothing"])
def test_a_compose_that_is_too_old_is_refused(path: Path, version: str) -> None:
    docker(path, RUNS, compose_is(version))
    assert f"2.20 or newer is needed, and there is {version}" in str(engine.why_none())


@pytest.mark.parametrize("version", ["2.20.0", "v2.26.1-4", "5.0.0"])
def test_a_compose_that_is_new_enough_is_accepted(path: Path, version: str) -> None:
    docker(path, RUNS, compose_is(version))
    assert engine.why_none() is None


def test_containers_are_read_from_older_and_newer_versions_of_compose(path: Path) -> None:
    one, two = '{"Service":"redis"}', '{"Service":"gateway"}'
    for told in (f"{one}\\n{two}\\n", f"[{one},{two}]"):
        docker(path, f"*ps*) /usr/bin/printf '{told}';;")
        assert [found["Service"] for found in engine.containers("compose.yaml")] == [
            "redis",
            "gateway",
        ]
    docker(path, "*ps*) ;;")
    assert engine.containers("compose.yaml") == []


def test_the_last_line_of_an_error_of_compose_is_the_problem(path: Path) -> None:
    docker(path, '*) echo "first" >&2; echo "no such file" >&2; exit 14;;')
    with pytest.raises(Problem, match=r"^no such file$"):
        engine.config("compose.yaml")


def test_published_ports_are_read_from_composes_config() -> None:
    ports = [
        {"target": 8080, "published": "80"},
        {"target": 50051, "published": "50052", "host_ip": "127.0.0.1"},
    ]
    assert compose.published({"services": {"frontend": {"ports": ports}}}) == {
        "AXON_PORT": ("0.0.0.0", 80),
        "AXON_GRPC_PORT": ("127.0.0.1", 50052),
    }


@pytest.mark.parametrize(
    ("state", "health", "trouble"),
    [
        ("running", "healthy", False),
        ("running", "starting", False),
        ("running", "", False),
        ("running", "unhealthy", True),
        ("restarting", "", True),
        ("exited", "", True),
    ],
)
def test_containers_in_trouble_are_recognised(state: str, health: str, trouble: bool) -> None:
    assert compose.in_trouble({"State": state, "Health": health}) is trouble


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("#14 [inference packages 3/5] RUN pip install", "inference: RUN pip install"),
        ("#14 2.41 Collecting numpy", None),
        ("#14 DONE 3.2s", None),
    ],
)
def test_progress_is_taken_from_lines_of_output(line: str, shown: str | None) -> None:
    assert compose.built(line) == shown


@pytest.mark.parametrize(
    ("output", "help_line"),
    [
        (
            'could not select device driver "nvidia" with capabilities: [[gpu]]',
            "install the NVIDIA driver and the NVIDIA container toolkit",
        ),
        ("Bind for 0.0.0.0:8000 failed: port is already allocated", "A port is in use"),
        ("write /var/lib: no space left on device", "The disk is full"),
        ("lookup registry.example: no such host", "is this machine on a network"),
    ],
)
def test_known_errors_of_the_engine_are_explained_in_one_line(output: str, help_line: str) -> None:
    failure = StepFailed("Starting the services", output, STATE / "logs" / "x.log")
    assert help_line in compose.explain(failure).splitlines()[0]


def test_without_an_engine_ci_skips_the_tests_and_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    assert test.test_compose() == 0
    assert "skipped" in (said := capsys.readouterr().out)
    assert "no docker on PATH" in said
    monkeypatch.delenv("CI")
    with pytest.raises(Problem, match="no docker on PATH"):
        test.test_compose()


def test_ci_runs_test_compose() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "make --keep-going check test test-compose" in text
