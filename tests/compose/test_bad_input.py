"""Mistakes of a user: each gives one clear line and an unhealthy service, and no restart loop."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import aiohttp
import pytest

from .conftest import Maker
from .stack import ROOT, Stack, docker

pytestmark = pytest.mark.timeout(900)


def make(stack: Stack, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs `make TARGET` as a user of this stack does."""
    return subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=ROOT,
        env={**stack.environment, **variables},
        capture_output=True,
        text=True,
        timeout=600,
    )


def assert_told_once(stack: Stack, service: str, words: str) -> None:
    """Exactly one line of the log has these words; the service is unhealthy and not restarted."""
    about = stack.inspect(service)
    stack.wait_until("unhealthy", lambda: stack.health(service) == "unhealthy", 180)
    lines = [line for line in stack.logs(service).splitlines() if words in line]
    assert len(lines) == 1, stack.logs(service)
    assert "Traceback" not in stack.logs(service)
    assert about["RestartCount"] == stack.inspect(service)["RestartCount"] == 0


async def assert_page_says(stack: Stack, words: str) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{stack.url}/readyz") as answer:
        assert answer.status == 503
        assert words in (await answer.json())["message"]
    async with aiohttp.ClientSession() as http, http.get(stack.url) as answer:
        assert answer.status == 200  # the page opens nevertheless


async def test_a_wrong_model_name(another: Maker) -> None:
    stack = another(AXON_MODEL="gpt9-enormous")
    done = make(stack, "up")
    assert done.returncode == 2  # make's, for a recipe that failed
    assert "Waiting: " in done.stdout
    assert "inference is unhealthy" in done.stderr
    assert "AXON_MODEL='gpt9-enormous' is neither a preset" in done.stderr
    assert_told_once(stack, "inference", "AXON_MODEL='gpt9-enormous' is neither a preset")
    await assert_page_says(stack, "gpt9-enormous")


async def test_no_internet_on_first_download(another: Maker, tmp_path: Path) -> None:
    offline = tmp_path / "offline.yaml"
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    offline.write_text(json.dumps({"services": {"inference": {"environment": nowhere}}}))
    stack = another(AXON_MODEL="gpt2-small", HF_HUB_OFFLINE="")
    stack.files.append(offline)
    stack.up()
    stack.wait_until("unhealthy", lambda: stack.health("inference") == "unhealthy", 180)
    lines = [line for line in stack.logs("inference").splitlines() if "cannot be reached" in line]
    assert 1 <= len(lines) <= 6  # one line for each try, with growing pauses between them
    assert "trying again in" in lines[0]
    assert "Traceback" not in stack.logs("inference")
    assert stack.inspect("inference")["RestartCount"] == 0
    await assert_page_says(stack, "cannot be reached")


@pytest.mark.parametrize(
    ("memory", "words"),
    [("300m", "MB are needed without any model"), ("600m", "needs about")],
)
async def test_too_little_memory(another: Maker, memory: str, words: str) -> None:
    stack = another(AXON_INFERENCE_MEMORY=memory, AXON_SLOTS="4000")
    stack.up()
    stack.wait_until("it is told", lambda: words in stack.logs("inference"), 180)
    assert_told_once(stack, "inference", words)
    await assert_page_says(stack, words)


def test_a_setting_that_cannot_be_used(another: Maker) -> None:
    stack = another(AXON_SLOTS="many")
    stack.up("inference")
    assert_told_once(stack, "inference", "AXON_SLOTS")


def test_a_port_in_use(another: Maker) -> None:
    stack = another()
    with socket.create_server(("127.0.0.1", stack.port)):
        done = make(stack, "up")
        assert done.returncode == 2  # make's, for a recipe that failed
        (line, _) = done.stderr.strip().splitlines()  # the other is make's
        assert line.startswith(f"axon: Port {stack.port} on 127.0.0.1 is in use.")
        assert "make up AXON_PORT=" in line
        raw = stack.compose("up", "--detach", "--no-deps", "frontend", check=False)
    assert raw.returncode != 0
    assert "in use" in raw.stderr or "already allocated" in raw.stderr


def test_no_engine(another: Maker) -> None:
    done = make(another(), "up", DOCKER_HOST="unix:///no/such/socket")
    assert done.returncode == 2  # make's, for a recipe that failed
    (line, _) = done.stderr.strip().splitlines()  # the other is make's
    assert line.startswith("axon: No Docker Engine answers")
    skipped = make(another(), "test-compose", DOCKER_HOST="unix:///no/such/socket", CI="true")
    assert skipped.returncode == 0
    assert "skipped" in skipped.stdout
    assert "Cannot connect to the Docker daemon" in skipped.stderr


@pytest.mark.skipif(
    "nvidia" in subprocess.getoutput("docker info --format '{{json .Runtimes}}'"),
    reason="containers on this machine can use its GPU",
)
def test_no_gpu(another: Maker) -> None:
    stack = another()
    stack.files = [ROOT / "compose.gpu.yaml"]
    docker("tag", "axon-inference:test", "axon-inference:test-cuda")
    try:
        done = stack.compose("up", "--detach", "--no-build", "inference", check=False)
    finally:
        docker("image", "rm", "axon-inference:test-cuda")
    assert done.returncode != 0
    assert "could not select device driver" in done.stderr.splitlines()[-1]


def test_a_missing_certificate_is_named(another: Maker, tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such.pem")
    stack = another(AXON_GRPC_TLS_CERT=missing, AXON_GRPC_TLS_KEY=missing)
    done = stack.compose("up", "--detach", "--no-deps", "frontend", check=False)
    assert done.returncode != 0
    assert missing in done.stderr
    assert not os.path.lexists(missing)
