"""`make pin`, `make bundle` and `make check-audit`, with fake programs."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from axon_dev import audit, images
from axon_dev.console import ROOT, Problem

from .test_compose import docker

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that name images."""
    for name in (*images.NAMING, "compose.gpu.yaml", ".env.example", "deploy/restore.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(images, "ROOT", tmp_path)
    return tmp_path


def test_pin_writes_the_digest_of_every_image_we_do_not_build(path: Path, checkout: Path) -> None:
    docker(path, f"""*imagetools*) echo '"{DIGEST}"';;""")
    images.pin()
    images.pin()  # replaces digests, too
    for name in images.NAMING:
        text = (checkout / name).read_text()
        assert re.sub(f"@{DIGEST}", "", text) == (ROOT / name).read_text()
        assert text.count(DIGEST) == len(images.IMAGE.findall(text)) > 0


def test_pin_changes_nothing_if_a_digest_cannot_be_looked_up(path: Path, checkout: Path) -> None:
    docker(path, '*imagetools*) echo "no such host" >&2; exit 1;;')
    with pytest.raises(Problem, match=r"digest of grafana/\S+ cannot be looked up \(no such host"):
        images.pin()
    assert (checkout / "compose.yaml").read_text() == (ROOT / "compose.yaml").read_text()


def test_a_bundle_has_the_images_the_models_and_the_files(path: Path, checkout: Path) -> None:
    docker(
        path,
        "*config*) echo redis:7-alpine; echo axon-gateway:latest;;",
        '*"save --output"*) echo "$5 $4" > "$3";;',
        "*tar*) echo models;;",
    )
    command = ["sh", ROOT / "deploy/bundle.sh"]
    variables = {"PATH": os.environ["PATH"], "TO": "made"}
    subprocess.run(command, cwd=checkout, env=variables, check=True)
    made = checkout / "made"
    assert (made / "images.tar").read_text() == "redis:7-alpine axon-gateway:latest\n"
    assert (made / "models.tar").read_text() == "models\n"
    assert {"compose.yaml", "deploy", "restore.sh"} <= {file.name for file in made.iterdir()}
    again = subprocess.run(command, cwd=checkout, env=variables, capture_output=True, text=True)
    assert (again.returncode, "made exists already" in again.stderr) == (1, True)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What pip-audit and npm audit print, in this order."""
    texts: list[str] = []

    class Done:
        def __init__(self) -> None:
            self.stdout = texts.pop(0)

    monkeypatch.setattr(audit, "install", lambda: None)
    monkeypatch.setattr(audit, "uv_environment", dict)
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: Done())
    return texts


def test_known_vulnerabilities_are_listed(answers: list[str]) -> None:
    flaw = {"id": "PYSEC-1", "fix_versions": ["2.0"]}
    package: dict[str, Any] = {"name": "thing", "version": "1.0", "vulns": [flaw]}
    page = {"three": {"range": "<1", "severity": "high"}}
    answers += [json.dumps({"dependencies": [package]}), json.dumps({"vulnerabilities": page})]
    with pytest.raises(Problem) as problem:
        audit.audit()
    assert "thing 1.0: PYSEC-1 (fixed in 2.0)" in str(problem.value)
    assert "three <1: high" in str(problem.value)


def test_an_audit_that_nobody_answers_says_that_it_was_skipped(
    answers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    skipped = {"name": "thing", "skip_reason": "not found"}
    answers += [json.dumps({"dependencies": [skipped]}), json.dumps({"error": {}})]
    audit.audit()
    assert capsys.readouterr().out.count("skipped") == 2


def test_an_audit_without_findings_says_so(
    answers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    package = {"name": "thing", "version": "1.0", "vulns": []}
    answers += [json.dumps({"dependencies": [package]}), json.dumps({"vulnerabilities": {}})]
    audit.audit()
    assert capsys.readouterr().out.count("no known vulnerabilities") == 2


def test_the_workflow_publishes_every_image_that_compose_uses() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/images.yaml").read_text())
    job = workflow["jobs"]["publish"]
    published = {
        f"axon-{one['service']}{one['suffix']}" for one in job["strategy"]["matrix"]["include"]
    }
    texts = "".join((ROOT / name).read_text() for name in ("compose.yaml", "deploy/gpu.yaml"))
    used = re.findall(r"(axon-\w+):\$\{AXON_TAG:-latest\}(-cuda)?", texts)
    assert published == {name + suffix for name, suffix in used}
    for one in job["strategy"]["matrix"]["include"]:
        assert (ROOT / one["service"] / "Dockerfile").is_file()
    # No steps of other authors, and a token that can do no more than this.
    assert all("uses" not in step for step in job["steps"])
    assert workflow["permissions"] == {"contents": "read", "packages": "write"}
