"""`make up` with a fake docker, and `make test-compose` without any."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from axon_dev import compose
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


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        (None, "Docker Engine and its Compose plugin, 2.20 or newer, are needed: install"),
        (
            ["""*) echo "docker: 'compose' is not a docker command" >&2; exit 1;;"""],
            "2.20 or newer",
        ),
        (
            ['*) echo "Cannot connect to the Docker daemon" >&2; exit 1;;'],
            "No Docker Engine answers",
        ),
        (['*) echo "permission denied ... Docker daemon" >&2; exit 1;;'], "to the group docker"),
        (['*) echo "first" >&2; echo "no such file" >&2; exit 14;;'], "no such file"),
    ],
)
def test_an_engine_that_cannot_be_used_is_explained_in_one_line(
    path: Path, cases: list[str] | None, told: str
) -> None:
    if cases:
        docker(path, *cases)
    with pytest.raises(Problem, match=told) as problem:
        compose.up()
    assert "\n" not in str(problem.value)


def stack(path: Path, page: int, *cases: str) -> None:
    """Installs a docker whose Compose publishes the page on a port."""
    ports = [{"target": 8080, "published": str(page), "host_ip": "127.0.0.1"}]
    ports += [{"target": 50051, "published": str(free_port())}]
    config = json.dumps({"name": "axon", "services": {"frontend": {"ports": ports}}})
    docker(path, f"*config*) echo '{config}';;", *cases)


def test_a_port_in_use_is_reported_before_the_build(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stack(path, port, "*build*) exit 9;;")
        with pytest.raises(Problem, match=rf"Port {port} .* make up AXON_PORT={port + 1}"):
            compose.up()


@pytest.mark.parametrize(
    ("state", "named"),
    [
        ("running Up 2 minutes (unhealthy)", "unhealthy"),
        ("restarting Restarting (1) 2 seconds ago", "restarting"),
        ("exited Exited (1) 3 seconds ago", "exited"),
    ],
)
def test_a_service_that_stays_in_trouble_is_named_with_its_last_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch, state: str, named: str
) -> None:
    listed = (
        f"ps*) echo 'gateway running Up 1 second (health: starting)'; echo 'inference {state}';;"
    )
    stack(path, free_port(), listed, "*logs*) echo 'no such model';;", "*build*) ;;", "*up*) ;;")
    monkeypatch.setattr(compose, "PATIENCE", 0.1)
    monkeypatch.setattr(compose, "why_not", lambda page: "the model is loading")
    with pytest.raises(Problem, match=f"^inference is {named}") as problem:
        compose.up()
    assert str(problem.value).endswith("    no such model")


def test_up_returns_when_the_page_is_ready(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack(path, port := free_port())
    monkeypatch.setattr(compose, "why_not", lambda page: None)
    compose.up()
    assert f"Axon is ready:  http://127.0.0.1:{port}\n" in capsys.readouterr().out


def test_without_an_engine_ci_skips_the_tests_and_says_so() -> None:
    command = ["make", "test-compose"]
    env = {**os.environ, "DOCKER_HOST": "unix:///no/such/socket", "CI": ""}
    assert subprocess.run(command, cwd=ROOT, env=env, capture_output=True).returncode != 0
    env["CI"] = "true"
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert "skipped, because no Docker Engine answers" in done.stdout
    assert "make --keep-going check test test-compose" in (ROOT / ".ci" / "run").read_text()


def test_a_choice_that_env_does_not_keep_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "ROOT", tmp_path)
    monkeypatch.setenv("AXON_MODEL", "gpt2-small")
    monkeypatch.delenv("AXON_SOURCES", raising=False)
    assert compose.forgotten("compose.yaml") == ["AXON_MODEL=gpt2-small"]
    assert compose.forgotten("compose.gpu.yaml")[1:] == ["COMPOSE_FILE=compose.gpu.yaml"]
    (tmp_path / ".env").write_text('AXON_MODEL="gpt2-small"\nCOMPOSE_FILE=compose.gpu.yaml\n')
    assert compose.forgotten("compose.gpu.yaml") == []
