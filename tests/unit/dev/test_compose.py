"""`make up` and `make test-compose`, with a fake docker."""

import json
import socket
from pathlib import Path

import pytest
from axon_dev import compose, test
from axon_dev.console import ROOT, Problem

from tests.ports import free_port


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


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        (None, "no docker on PATH: install Docker Engine"),
        (['*) echo "Cannot connect to the daemon" >&2; exit 1;;'], "No Docker Engine answers"),
        (['*) echo "permission denied while" >&2; exit 1;;'], "to the group docker"),
        ([RUNS, compose_is("1.29.2")], "2.20 or newer is needed, not 1.29.2"),
        ([RUNS, compose_is("2.19.1")], "2.20 or newer is needed, not 2.19.1"),
    ],
)
def test_an_engine_that_cannot_be_used_is_explained(
    path: Path, monkeypatch: pytest.MonkeyPatch, cases: list[str] | None, told: str
) -> None:
    if cases:
        docker(path, *cases)
    with pytest.raises(Problem, match=told):
        compose.up()
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(Problem, match=told):
        test.test_compose()


@pytest.mark.parametrize("version", ["2.20.0", "v2.26.1-4", "5.0.0"])
def test_a_compose_that_is_new_enough_is_accepted(path: Path, version: str) -> None:
    docker(path, RUNS, compose_is(version))
    assert compose.why_no_engine() is None


def stack(path: Path, page: int, *cases: str) -> None:
    """Installs a docker whose Compose publishes the page on a port."""
    ports = [{"target": 8080, "published": str(page), "host_ip": "127.0.0.1"}]
    ports += [{"target": 50051, "published": str(free_port())}]
    config = json.dumps({"services": {"frontend": {"ports": ports}}})
    docker(path, RUNS, compose_is("2.26"), f"*config*) echo '{config}';;", *cases)


def test_a_port_in_use_is_reported_before_the_build(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stack(path, port, "*build*) exit 9;;")
        with pytest.raises(Problem, match=rf"Port {port} .* make up AXON_PORT={port + 1}"):
            compose.up()


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("state", [("running", "unhealthy"), ("restarting", ""), ("exited", "")])
def test_a_service_that_stays_in_trouble_is_named_with_its_last_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch, lines: bool, state: tuple[str, str]
) -> None:
    """Older versions of Compose print an array, newer ones an object a line."""
    containers = [
        {"Service": "gateway", "State": "running", "Health": "starting"},
        {"Service": "inference", "State": state[0], "Health": state[1]},
    ]
    text = "\n".join(map(json.dumps, containers)) if lines else json.dumps(containers)
    listed = f"*ps*--all*) echo '{text}';;"
    stack(path, free_port(), listed, "*logs*) echo 'no such model';;", "*build*) ;;", "*up*) ;;")
    monkeypatch.setattr(compose, "PATIENCE", 0.1)
    monkeypatch.setattr(compose, "why_not", lambda page: "the model is loading")
    with pytest.raises(Problem, match=f"inference is {state[1] or state[0]}") as problem:
        compose.up()
    assert str(problem.value).endswith("    no such model")


def test_up_returns_when_the_page_is_ready(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack(path, port := free_port())
    monkeypatch.setattr(compose, "why_not", lambda page: None)
    compose.up()
    assert f"Axon is ready:  http://127.0.0.1:{port}\n" in capsys.readouterr().out


def test_the_last_line_of_an_error_of_compose_is_the_problem(path: Path) -> None:
    failing = '*) echo "first" >&2; echo "no such file" >&2; exit 14;;'
    docker(path, RUNS, compose_is("2.26"), failing)
    with pytest.raises(Problem, match=r"^no such file$"):
        compose.up()


def test_without_an_engine_ci_skips_the_tests_and_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    assert test.test_compose() == 0
    assert "skipped" in (said := capsys.readouterr().out)
    assert "no docker on PATH" in said
    assert "make --keep-going check test test-compose" in (ROOT / ".ci" / "run").read_text()


def test_a_choice_that_env_does_not_keep_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "ROOT", tmp_path)
    monkeypatch.setenv("AXON_MODEL", "gpt2-small")
    monkeypatch.delenv("AXON_SOURCES", raising=False)
    assert compose.forgotten(compose.CPU) == ["AXON_MODEL=gpt2-small"]
    assert compose.forgotten(compose.GPU)[1:] == ["COMPOSE_FILE=compose.gpu.yaml"]
    (tmp_path / ".env").write_text('AXON_MODEL="gpt2-small"\nCOMPOSE_FILE=compose.gpu.yaml\n')
    assert compose.forgotten(compose.GPU) == []
