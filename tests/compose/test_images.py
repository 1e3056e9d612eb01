"""The images: their size, user and contents, and how fast they are rebuilt after a change."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from .stack import ROOT, Stack, docker

pytestmark = pytest.mark.timeout(3600)

MB = 10**6


def pinned(name: str) -> str:
    """The base image that a Dockerfile names."""
    texts = "".join((ROOT / one / "Dockerfile").read_text() for one in ("gateway", "frontend"))
    return re.findall(rf"^ARG {name}=(\S+)", texts, re.MULTILINE)[0]


def size(image: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


@pytest.mark.parametrize(
    ("image", "base", "most"),
    [("axon-gateway", "PYTHON_IMAGE", 300), ("axon-frontend", "NGINX_IMAGE", 100)],
)
def test_an_image_adds_little_to_its_base(images: None, image: str, base: str, most: int) -> None:
    added = size(f"{image}:test") - size(pinned(base))
    assert 0 < added <= most * MB, f"{added / MB:.0f} MB"


def test_the_cpu_image_has_no_cuda(images: None) -> None:
    find = (
        "import importlib.metadata as m, torch;"
        "print(torch.version.cuda, [d.name for d in m.distributions()"
        " if d.name.startswith(('nvidia', 'cuda', 'triton'))])"
    )
    run = ("run", "--rm", "axon-inference:test", "python", "-c", find)
    assert docker(*run, seconds=300).strip() == "None []"


@pytest.mark.parametrize("image", ["axon-inference", "axon-gateway", "axon-frontend"])
def test_an_image_declares_a_user_that_is_not_root(images: None, image: str) -> None:
    user = json.loads(docker("image", "inspect", f"{image}:test"))[0]["Config"]["User"]
    assert user.split(":")[0].isdigit()  # Kubernetes can check only a number
    assert user.split(":")[0] != "0"


def test_the_gateway_has_no_torch_and_the_page_no_sources(images: None) -> None:
    gateway = ("run", "--rm", "axon-gateway:test", "sh", "-c", "ls /opt/axon/lib/*/site-packages")
    assert "torch" not in docker(*gateway).split()
    listing = docker("run", "--rm", "axon-frontend:test", "find", "/usr/share/nginx/html")
    assert "index.html.gz" in listing
    assert ".ts\n" not in listing
    assert "node_modules" not in listing


@pytest.mark.parametrize(
    ("service", "file"),
    [
        ("inference", "inference/axon_inference/__init__.py"),
        ("gateway", "gateway/axon_gateway/__init__.py"),
        ("frontend", "frontend/src/main.ts"),
    ],
)
def test_a_change_of_code_is_built_in_seconds(
    images: None, tmp_path: Path, service: str, file: str
) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True).stdout.split("\n"):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / file).open("a") as code:
        code.write("\n")
    stack = Stack("axon-test-change", AXON_TAG="test-change")
    stack.files = [tmp_path / "compose.yaml"]
    started = time.monotonic()
    done = stack.compose("--progress", "plain", "build", service)
    took = time.monotonic() - started
    docker("image", "rm", f"axon-{service}:test-change")
    steps = dict(re.findall(r"^#(\d+) (\[.*)", done.stdout + done.stderr, re.MULTILINE))
    cached = set(re.findall(r"^#(\d+) CACHED", done.stdout + done.stderr, re.MULTILINE))
    installs = {n for n, step in steps.items() if re.search(r"uv pip install|npm ci", step)}
    assert installs
    assert installs <= cached
    # On an idle machine Python takes 1 s and the page 4 s.
    assert took < 120, f"{took:.0f} s"


def test_nginx_accepts_its_configuration(images: None) -> None:
    writable = ("--tmpfs", "/tmp", "--tmpfs", "/etc/nginx/conf.d:mode=1777")
    command = ("docker", "run", "--rm", "--read-only", *writable, "axon-frontend:test")
    done = subprocess.run([*command, "nginx", "-t"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
    # nginx warns about this form, and versions before 1.25 have no other.
    assert "[warn]" not in done.stderr.replace('[warn] 1#1: the "listen ... http2"', "")
