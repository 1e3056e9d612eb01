"""The settings in the files for Compose and Kubernetes exist in the services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import axon_gateway.config
import axon_inference.config
import pytest
import yaml

from .manifests import BASE, GPU, documents

ROOT = Path(__file__).resolve().parents[3]

GATEWAY = {field.metadata["variable"] for field in fields(axon_gateway.config.Settings)}
INFERENCE = {field.metadata["variable"] for field in fields(axon_inference.config.Settings)}
#: The variables that each service reads, including those of its libraries and nginx' template.
KNOWN = {
    "gateway": GATEWAY,
    "inference": INFERENCE
    | {"HF_TOKEN", "HF_HUB_OFFLINE", "HF_HOME"}
    | {"NVIDIA_DRIVER_CAPABILITIES", "CUDA_CACHE_PATH"}
    | {"TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"},
    "frontend": set(
        re.findall(
            r"\$\{(AXON_\w+)\}", (ROOT / "frontend/nginx/templates/axon.conf.template").read_text()
        )
    ),
}


def given() -> Iterator[tuple[str, str, str]]:
    """All settings in the files, as (file, service, setting)."""
    for name in ("compose.yaml", "deploy/gpu.yaml"):
        for service, about in yaml.safe_load((ROOT / name).read_text())["services"].items():
            if service in KNOWN:
                yield from ((name, service, key) for key in about.get("environment") or {})
    for document in [*documents(BASE), *documents(GPU)]:
        for container in containers(document):
            for variable in container.get("env", []):
                yield "kubernetes", container["name"], variable["name"]


def containers(document: dict[str, Any]) -> list[dict[str, Any]]:
    template = document.get("spec", {}).get("template", {})
    found: list[dict[str, Any]] = template.get("spec", {}).get("containers", [])
    return found


@pytest.mark.parametrize(("file", "service", "name"), sorted(set(given())))
def test_each_setting_exists_in_its_service(file: str, service: str, name: str) -> None:
    assert name in KNOWN[service] | {"NAMESPACE"}


def test_every_variable_in_compose_is_defined() -> None:
    """Each has a default where it is used, or a value in .env."""
    defined = set(re.findall(r"^(\w+)=", (ROOT / ".env").read_text(), re.MULTILINE))
    for name in ("compose.yaml", "deploy/gpu.yaml"):
        used = set(re.findall(r"\$\{(\w+)\}", (ROOT / name).read_text()))
        assert used <= defined


def test_every_variable_in_env_is_used() -> None:
    texts = "".join((ROOT / name).read_text() for name in ("compose.yaml", "deploy/gpu.yaml"))
    for name in re.findall(r"^(\w+)=", (ROOT / ".env").read_text(), re.MULTILINE):
        assert f"${{{name}" in texts, name


def test_dockerfiles_use_the_base_images_in_env() -> None:
    env = dict(re.findall(r"^(\w+_IMAGE)=(.*)", (ROOT / ".env").read_text(), re.MULTILINE))
    for service in ("inference", "gateway", "frontend"):
        text = (ROOT / service / "Dockerfile").read_text()
        for name, default in re.findall(r"^ARG (\w+_IMAGE)=(.*)", text, re.MULTILINE):
            assert env[name] == default
        assert "# syntax=" not in text
