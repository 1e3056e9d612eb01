"""How Compose reads our files, and what pip would install in a CUDA image."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .stack import ROOT, Stack

pytestmark = pytest.mark.timeout(600)


def config(file: str, *arguments: str, **variables: str) -> dict[str, Any]:
    stack = Stack("axon-test-config", **variables)
    stack.files = [ROOT / file]
    text = stack.compose(*arguments, "config", "--format", "json").stdout
    found: dict[str, Any] = json.loads(text)["services"]
    return found


def test_the_gpu_file_is_complete_and_differs_only_in_inference() -> None:
    ports = {"AXON_PORT": "8000", "AXON_GRPC_PORT": "50051"}
    cpu, gpu = config("compose.yaml", **ports), config("compose.gpu.yaml", **ports)
    assert {name for name in gpu if gpu[name] != cpu[name]} == {"inference"}
    inference = gpu["inference"]
    (device,) = inference["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}
    capabilities = inference["environment"]["NVIDIA_DRIVER_CAPABILITIES"].split(",")
    assert set(capabilities) == {"compute", "utility"}  # what computing needs
    assert inference["build"]["args"]["TORCH"] == "cuda"
    assert inference["environment"]["AXON_MODEL"] == "gpt2-small"
    assert inference["environment"]["AXON_DEVICE"] == "cuda"
    assert inference["image"] == "axon-inference:test-cuda"


def test_gpt2_small_alone_means_its_source_of_layer_8() -> None:
    from axon_inference.catalog.selection import select

    (source,) = select("gpt2-small", ()).sources
    assert source.neuronpedia_id == "gpt2-small/8-res-jb"


@pytest.mark.parametrize("file", ["compose.yaml", "compose.gpu.yaml"])
def test_one_variable_switches_the_model(file: str) -> None:
    services = config(
        file, AXON_MODEL="gemma-2-2b", AXON_SOURCES="gemma-2-2b/20-gemmascope-res-16k"
    )
    assert services["inference"]["environment"]["AXON_MODEL"] == "gemma-2-2b"
    assert services["inference"]["environment"]["AXON_SOURCES"].startswith("gemma-2-2b/20")


def test_a_folder_of_models_is_mounted_read_only(tmp_path: Path) -> None:
    def models(**variables: str) -> dict[str, Any]:
        mounts = config("compose.yaml", **variables)["inference"]["volumes"]
        (mount,) = [one for one in mounts if one["target"] == "/models"]
        assert mount["read_only"]
        return dict(mount)

    assert models()["type"] == "volume"  # an empty volume
    mine = models(AXON_MODELS_DIR=str(tmp_path))
    assert (mine["type"], mine["source"]) == ("bind", str(tmp_path))


def test_by_default_the_page_is_public_and_grpc_is_local() -> None:
    stack = Stack("axon-test-config")
    for name in ("AXON_HOST", "AXON_PORT", "AXON_GRPC_PORT"):
        del stack.variables[name]
    services = json.loads(stack.compose("config", "--format", "json").stdout)["services"]
    assert [name for name in services if services[name].get("ports")] == ["frontend"]
    places = {(one["host_ip"], one["published"]) for one in services["frontend"]["ports"]}
    assert places == {("0.0.0.0", "8000"), ("127.0.0.1", "50051")}


def test_observability_is_a_profile() -> None:
    assert not {"prometheus", "grafana"} & config("compose.yaml").keys()
    services = config("compose.yaml", "--profile", "observability")
    assert {"prometheus", "grafana"} <= services.keys()
    for name in ("prometheus", "grafana"):
        for mount in services[name]["volumes"]:
            assert mount["type"] == "volume" or Path(mount["source"]).exists()
        for port in services[name].get("ports", []):
            assert port["host_ip"] == "127.0.0.1"


def test_the_cuda_image_gets_the_cuda_build(tmp_path: Path) -> None:
    """Asks pip what it would install from the package index alone."""
    found = re.search(r'"(torch==[\d.]+)"', (ROOT / "inference/pyproject.toml").read_text())
    assert found
    plain = {k: v for k, v in os.environ.items() if k not in ("PIP_FIND_LINKS", "PIP_CONFIG_FILE")}
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--no-deps", "--quiet", "--report", str(tmp_path / "report.json")]
    done = subprocess.run(
        [*command, found[1]],
        env={**plain, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"the package index cannot be asked: {done.stderr.strip().splitlines()[-1]}")
    (torch,) = json.loads((tmp_path / "report.json").read_text())["install"]
    assert "+cpu" not in torch["metadata"]["version"]
    needed = torch["metadata"]["requires_dist"]
    assert [need for need in needed if need.startswith("nvidia-cudnn")]
