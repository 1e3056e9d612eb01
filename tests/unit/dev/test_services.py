"""What `make labels` runs, and what `make run` starts."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from axon_dev import cli, environment, run
from axon_dev.console import Problem
from axon_dev.paths import LABELS


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """The command lines that would have run."""
    lines: list[list[Any]] = []

    def record(command: list[Any], **options: object) -> subprocess.CompletedProcess[bytes]:
        lines.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(environment, "setup", lambda: None)
    for name in ("SOURCE", "TO", "AXON_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return lines


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({"SOURCE": "m/8-res"}, ["m/8-res", "--to", str(LABELS)]),
        ({"SOURCE": "m/8-res,m/9-res", "TO": "away"}, ["m/8-res", "m/9-res", "--to", "away"]),
        ({"SOURCE": "m/8-res", "AXON_REDIS_URL": "redis://x"}, ["m/8-res"]),
    ],
)
def test_the_variables_become_arguments(
    commands: list[list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    arguments: list[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cli.labels() == 0
    [command] = commands
    assert command[1:4] == ["-m", "axon_gateway", "labels"]
    assert command[4:] == arguments


def test_without_a_source_a_line_says_what_to_do(commands: list[list[Any]]) -> None:
    with pytest.raises(Problem, match="make labels SOURCE="):
        cli.labels()
    assert commands == []


def test_a_run_with_other_backends_starts_no_inference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> list[str]:
        settings = run.Settings("127.0.0.1", 8000, 50051, "redis://x")
        return [service.name for service in run.services(settings, tmp_path / "socket")]

    monkeypatch.delenv("AXON_BACKENDS", raising=False)
    assert names() == ["inference", "gateway"]
    monkeypatch.setenv("AXON_BACKENDS", "gpu1:50051,gpu2:50051")
    assert names() == ["gateway"]


def test_the_gateway_of_a_run_gets_the_token_and_authority_for_grpc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AXON_GRPC_TOKENS", "a,b")
    monkeypatch.setenv("AXON_GRPC_TLS_CERT", "cert.pem")
    monkeypatch.setenv("AXON_BACKEND_TLS_CA", "ca.pem")
    settings = run.Settings("127.0.0.1", 8000, 50051, "redis://x")
    gateway = run.services(settings, tmp_path / "socket")[-1]
    assert gateway.environment["AXON_BACKEND_TOKEN"] == "a,b"
    assert gateway.environment["AXON_BACKEND_TLS_CA"] == "ca.pem"


def test_a_run_reads_the_labels_that_were_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def labels_of_a_run() -> str | None:
        settings = run.Settings("127.0.0.1", 8000, 50051, "redis://x")
        return run.services(settings, tmp_path / "socket")[-1].environment.get("AXON_LABELS")

    monkeypatch.delenv("AXON_LABELS", raising=False)
    monkeypatch.setattr(run, "LABELS", tmp_path / "none")
    assert labels_of_a_run() is None
    monkeypatch.setattr(run, "LABELS", tmp_path)
    assert labels_of_a_run() == str(tmp_path)
    monkeypatch.setenv("AXON_LABELS", "/mine")
    assert labels_of_a_run() == "/mine"
