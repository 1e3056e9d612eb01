"""compose.gpu.yaml: what CUDA needs on a read-only file system, and its health check."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from axon_inference import __main__ as program

ROOT = Path(__file__).resolve().parents[3]


def inference(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())["services"]["inference"]
    return found


GPU = inference("deploy/gpu.yaml")


def test_every_cache_is_in_the_volume() -> None:
    """Only it and /tmp can be written, and nothing in /tmp may be run, as compiled kernels are."""
    base = inference("compose.yaml")
    merged = yaml.safe_load((ROOT / "compose.yaml").read_text())["x-service"] | base
    assert merged["read_only"]
    assert merged["tmpfs"] == ["/tmp:mode=1777"]
    assert "kernels:/cache" in GPU["volumes"]
    caches = [value for name, value in GPU["environment"].items() if "CACHE_" in name]
    assert len(caches) == 3
    assert len(set(caches)) == 3
    assert all(PurePosixPath(path).is_relative_to("/cache") for path in caches)
    # Everything else that libraries write to a home folder goes to /tmp.
    image = (ROOT / "inference/Dockerfile").read_text()
    assert re.search(r"^ +HOME=/tmp ", image, re.MULTILINE)
    assert re.search(r"install --directory --owner axon .* /data", image)
    # For any user (AXON_USER).
    assert re.search(r"install --directory --mode 1777 /cache", image)
    # With numbers of its own, the user has a name, which some libraries need for their folders.
    assert "useradd --uid 10001" in image


def test_shared_memory_keeps_its_place() -> None:
    """CUDA and torch may use /dev/shm, which Docker mounts unless a file takes its place."""
    base = inference("compose.yaml")
    for about in (base, GPU):
        mounts = [*about.get("volumes", []), *about.get("tmpfs", [])]
        assert not any("/dev" in str(mount) for mount in mounts)
        assert "ipc" not in about


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def test_a_check_waits_for_a_slow_first_load_and_a_failure_is_told_within_two_minutes() -> None:
    check = GPU["healthcheck"]
    assert check["test"] == ["CMD", "python", "-m", "axon_inference", "healthcheck", "--wait"]
    assert program._parser().parse_args(check["test"][4:]).wait
    assert seconds(check["timeout"]) >= 1800
    interval, start = seconds(check["interval"]), seconds(check["start_period"])
    assert start + (check["retries"] + 1) * interval <= 120
