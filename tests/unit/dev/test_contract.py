"""`make check-contract`: no released field changes its number or its meaning."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUF = shutil.which("buf") or str(Path(sys.executable).with_name("buf"))
PROTO = "proto/axon/v1/inference.proto"


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def checked(folder: Path) -> tuple[bool, str]:
    command = ["make", "--no-print-directory", "check-contract"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "proto/buf.yaml", PROTO):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/buf").symlink_to(BUF)
    git(tmp_path, "init")
    git(tmp_path, "add", "Makefile", "proto")
    git(tmp_path, "commit", "--message", "first")
    return tmp_path


def test_the_contract_is_compared_with_the_last_tag(checkout: Path) -> None:
    passed, told = checked(checkout)
    assert passed, told
    assert "compared with nothing" in told
    git(checkout, "tag", "v0.1.0")
    passed, told = checked(checkout)
    assert passed, told
    assert "compatible with v0.1.0" in told
    text = (checkout / PROTO).read_text()
    (checkout / PROTO).write_text(text.replace("string prompt = 1;", "string prompt = 99;", 1))
    passed, told = checked(checkout)
    assert not passed
    assert "prompt" in told
