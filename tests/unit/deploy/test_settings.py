"""Settings reach their services; those in the files for Compose and Kubernetes exist."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import axon_gateway.config
import axon_inference.config
import pytest
import yaml
from axon_service.settings import FromEnvironment

from .manifests import BASE, GPU, documents

ROOT = Path(__file__).resolve().parents[3]

SERVICES: dict[str, type[FromEnvironment]] = {
    "gateway": axon_gateway.config.Settings,
    "inference": axon_inference.config.Settings,
}
WRITER = runpy.run_path(str(ROOT / "deploy/make_settings.py"))
#: The variables that each service reads, including those of its libraries and nginx' template.
KNOWN = {
    "gateway": WRITER["FIXED"]["gateway"] | set(WRITER["variables"]("gateway")) | {"no_grpc_proxy"},
    "inference": WRITER["FIXED"]["inference"]
    | set(WRITER["variables"]("inference"))
    | {"NVIDIA_DRIVER_CAPABILITIES", "CUDA_CACHE_PATH"}
    | {"TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"},
    "frontend": set(
        re.findall(
            r"\$\{?(AXON_\w+)",
            "".join(file.read_text() for file in (ROOT / "frontend/nginx").rglob("*.*")),
        )
    ),
}
COMPOSE = ("compose.yaml", "deploy/gpu.yaml")
EXAMPLE = (ROOT / ".env.example").read_text()
#: Settings that a container gets in another form: what is a file or folder of the host, what Axon
#: needs by itself, and what nginx is told instead of the gateway.
TRANSLATED = {
    "AXON_LABELS": "/labels",
    "AXON_LABEL_OVERRIDES": "/run/label-overrides.json",
    "AXON_TRUSTED_PROXIES": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
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


def test_the_settings_files_are_what_their_program_writes() -> None:
    assert WRITER["passed"]() == (ROOT / "deploy/settings.yaml").read_text()
    assert WRITER["example"](EXAMPLE) == EXAMPLE


@pytest.mark.parametrize("service", list(SERVICES))
def test_every_setting_is_passed_on_or_fixed(service: str) -> None:
    own = {field.metadata["variable"] for field in fields(SERVICES[service])}
    listed = yaml.safe_load((ROOT / "deploy/settings.yaml").read_text())["services"][service]
    about = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][service]
    assert about["extends"] == {"file": "deploy/settings.yaml", "service": service}
    assert own - WRITER["FIXED"][service] <= listed["environment"].keys()
    assert set(listed["environment"].values()) == {None}


@pytest.mark.parametrize("service", list(SERVICES))
def test_passing_on_a_variable_that_is_not_set_removes_none_of_the_image(service: str) -> None:
    """Docker takes a variable without a value out of what the image sets."""
    image = set(re.findall(r"(\w+)=", (ROOT / service / "Dockerfile").read_text()))
    given = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][service]["environment"]
    assert image & set(WRITER["variables"](service)) <= given.keys()


def rendered(file: str, settings: Path) -> dict[str, dict[str, Any]]:
    """The services as `docker compose --env-file` reads them, in a shell that sets nothing."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("Compose is not installed here")
    command = ["docker", "compose", "--file", file, "--env-file", str(settings)]
    done = subprocess.run(
        [*command, "--profile", "*", "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    services: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return services


@pytest.mark.skipif(not shutil.which("docker"), reason="docker is not on PATH")
@pytest.mark.parametrize("file", ["compose.yaml", "compose.gpu.yaml"])
def test_every_setting_of_a_settings_file_reaches_its_container(file: str, tmp_path: Path) -> None:
    settings = tmp_path / "mine.env"
    names = {name for service in ("gateway", "inference") for name in WRITER["variables"](service)}
    settings.write_text("".join(f"{name}=/its/{name}\n" for name in names))
    services = rendered(file, settings)
    for service in ("gateway", "inference"):
        environment = services[service]["environment"]
        for name in WRITER["variables"](service):
            assert environment[name] == TRANSLATED.get(name, f"/its/{name}"), name
    mounts = {one["target"]: one["source"] for one in services["gateway"]["volumes"]}
    assert mounts["/labels"] == "/its/AXON_LABELS"
    assert mounts["/run/label-overrides.json"] == "/its/AXON_LABEL_OVERRIDES"
    assert services["frontend"]["environment"]["AXON_PROXY"] == "/its/AXON_TRUSTED_PROXIES"


@pytest.mark.skipif(not shutil.which("docker"), reason="docker is not on PATH")
@pytest.mark.parametrize("file", ["compose.yaml", "compose.gpu.yaml"])
def test_a_settings_file_of_one_line_is_enough(file: str, tmp_path: Path) -> None:
    settings = tmp_path / "mine.env"
    settings.write_text("AXON_PORT=8123\n")
    services = rendered(file, settings)
    assert services["frontend"]["ports"][0]["published"] == "8123"
    assert all(about["image"] for about in services.values())
    # Nothing is set to an empty text that would take the place of a default.
    assert "AXON_MAX_ROOMS" not in filled(services["gateway"])
    assert "AXON_SLOTS" not in filled(services["inference"])
    assert "NODE_IMAGE" not in filled(services["frontend"]["build"], "args")


def filled(about: dict[str, Any], key: str = "environment") -> dict[str, str]:
    return {name: value for name, value in about.get(key, {}).items() if value is not None}


def test_every_variable_has_a_default_and_is_in_the_example() -> None:
    for name in COMPOSE:
        text = (ROOT / name).read_text()
        assert re.findall(r"\$\{\w+\}", text) == []
        images = re.findall(r"^ +(\w+_IMAGE):$", text, re.MULTILINE)
        for variable in {*re.findall(r"\$\{(\w+)", text), *images}:
            assert f"\n#{variable}=" in EXAMPLE, variable


def test_every_variable_in_the_example_is_used() -> None:
    texts = "".join((ROOT / name).read_text() for name in (*COMPOSE, "deploy/settings.yaml"))
    for name in re.findall(r"^#(\w+)=", EXAMPLE, re.MULTILINE):
        used = f"${{{name}" in texts or f" {name}:" in texts
        assert used or name in ("COMPOSE_FILE", "COMPOSE_PROFILES"), name


def test_nobody_is_given_settings_by_git() -> None:
    """`.env` is the lab's own file: a later pull must not touch it."""
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_dockerfiles_agree_on_their_base_images() -> None:
    found: dict[str, set[str]] = {}
    for service in ("inference", "gateway", "frontend"):
        text = (ROOT / service / "Dockerfile").read_text()
        for name, default in re.findall(r"^ARG (\w+_IMAGE)=(.*)", text, re.MULTILINE):
            found.setdefault(name, set()).add(default)
        assert "# syntax=" not in text
    assert found.keys() == {"PYTHON_IMAGE", "NODE_IMAGE", "NGINX_IMAGE"}
    assert all(len(defaults) == 1 for defaults in found.values())
