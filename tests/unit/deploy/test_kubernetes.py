"""The manifests match Kubernetes' schemas and each other."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .manifests import BASE, CPU, GPU, documents, kustomization, merged

kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="kubernetes-validate is not installed: run make setup"
)

VERSION = "1.30"
OBJECTS = {(one["kind"], one["metadata"]["name"]): one for one in documents(BASE)}
WORKLOADS = [one for (kind, _), one in OBJECTS.items() if kind in ("Deployment", "StatefulSet")]


def name_of(document: dict[str, Any]) -> str:
    return f"{document['kind']}-{document['metadata']['name']}"


@pytest.mark.parametrize("document", list(OBJECTS.values()), ids=name_of)
def test_an_object_matches_its_schema(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize("patch", list(documents(GPU)), ids=name_of)
def test_a_patch_changes_an_existing_object(patch: dict[str, Any]) -> None:
    whole = merged(OBJECTS[patch["kind"], patch["metadata"]["name"]], patch)
    kubernetes_validate.validate(whole, VERSION, strict=True)
    (container,) = whole["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["readinessProbe"]  # merged, not replaced
    settings = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert settings["AXON_DEVICE"] == "cuda"


@pytest.mark.parametrize("overlay", [CPU, GPU], ids=["cpu", "gpu"])
def test_the_output_of_kustomize_is_valid(overlay: Path) -> None:
    if shutil.which("kustomize"):
        command = ["kustomize", "build", str(overlay)]
    elif shutil.which("kubectl"):
        command = ["kubectl", "kustomize", str(overlay)]
    else:
        pytest.skip("neither kustomize nor kubectl is on PATH")
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = list(yaml.safe_load_all(made))
    for document in found:
        kubernetes_validate.validate(document, VERSION, strict=True)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "axon"
    assert len(found) == len(OBJECTS)


def test_the_kustomizations_list_all_files_and_images() -> None:
    files = {file.name for file in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization(BASE)["resources"]) == files
    images = {
        container["image"]
        for one in WORKLOADS
        for container in one["spec"]["template"]["spec"]["containers"]
    }
    for overlay in (CPU, GPU):
        assert {image["name"] for image in kustomization(overlay)["images"]} == images


@pytest.mark.parametrize("workload", WORKLOADS, ids=name_of)
def test_a_pod_meets_the_restricted_standard(workload: dict[str, Any]) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["readinessProbe"]
        assert container["livenessProbe"]
        assert container["resources"]["limits"].keys() >= {"cpu", "memory"}
        ports = {port["name"] for port in container["ports"]}
        service = OBJECTS["Service", container["name"]]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@pytest.mark.parametrize("workload", WORKLOADS, ids=name_of)
def test_selectors_match_their_pods(workload: dict[str, Any]) -> None:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    name = workload["metadata"]["name"]
    assert workload["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["Service", name]["spec"]["selector"] == labels
    if budget := OBJECTS.get(("PodDisruptionBudget", name)):
        assert budget["spec"]["selector"]["matchLabels"] == labels
    if policy := OBJECTS.get(("NetworkPolicy", name)):
        assert policy["spec"]["podSelector"]["matchLabels"] == labels


def test_inference_is_scaled_by_a_metric_that_it_exports() -> None:
    from axon_inference.serving.metrics import Metrics

    (metric,) = OBJECTS["HorizontalPodAutoscaler", "inference"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    metrics = Metrics(running=lambda: 0, queued=lambda: 3, slots=lambda: 0)
    assert metrics._registry.get_sample_value(name) == 3
    adapter = yaml.safe_load((BASE.parent / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert name in rule["seriesQuery"]
    assert rule["name"]["as"] == name


COMPOSE = yaml.safe_load((BASE.parents[2] / "compose.yaml").read_text())["services"]


def test_kubernetes_runs_the_services_of_compose() -> None:
    """Those that Compose starts by default, from the same images."""
    services = {name for name, about in COMPOSE.items() if not about.get("profiles")}
    assert {one["metadata"]["name"] for one in WORKLOADS} == services
    for one in WORKLOADS:
        (container,) = one["spec"]["template"]["spec"]["containers"]
        built = "build" in COMPOSE[container["name"]]
        assert container["image"] == (f"axon-{container['name']}" if built else "redis")


@pytest.mark.parametrize("workload", WORKLOADS, ids=name_of)
def test_a_service_is_run_as_by_compose(workload: dict[str, Any]) -> None:
    """With the same command, limits, fixed addresses, places to write, and time to end."""
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    about = COMPOSE[container["name"]]
    if command := about.get("command"):
        assert container["args"] == shlex.split(command)
    default = re.compile(r"^\$\{\w+:?-(.*)\}$")
    unset = re.compile(r"\$\{\w+:?([-+])([^}]*)\}")
    limit = default.sub(r"\1", about["mem_limit"])
    assert container["resources"]["limits"]["memory"] == f"{limit[:-1]}{limit[-1].upper()}i"
    given = {variable["name"]: variable.get("value") for variable in container.get("env", ())}
    for name in ("AXON_BACKENDS", "AXON_REDIS_URL", "AXON_METRICS_PORT"):
        value = str((about.get("environment") or {}).get(name, ""))
        assert default.sub(r"\1", value) == (given.get(name) or "")
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    folders = {place.partition(":")[0] for place in about.get("tmpfs", ())}
    mounts = (mount for mount in about.get("volumes", ()) if isinstance(mount, str))
    # As they are where nobody sets anything.
    plain = (unset.sub(lambda one: one[2] if one[1] == "-" else "", mount) for mount in mounts)
    volumes = [mount.split(":") for mount in plain]
    folders |= {parts[1] for parts in volumes if parts[-1] != "ro"}
    assert mounted == folders
    pod = workload["spec"]["template"]["spec"]
    grace = int(about["stop_grace_period"].removesuffix("s"))
    assert pod.get("terminationGracePeriodSeconds", 30) >= grace


def test_the_networks_let_in_what_those_of_compose_do() -> None:
    """Only gateways reach Redis; only nginx and Prometheus reach the gateways."""
    assert {name for name, about in COMPOSE.items() if "data" in about["networks"]} == {
        "gateway",
        "redis",
    }
    policies = {name: one for (kind, name), one in OBJECTS.items() if kind == "NetworkPolicy"}
    callers = {
        name: {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
            for rule in one["spec"]["ingress"]
            for peer in rule.get("from", ())
            if "app.kubernetes.io/name" in peer.get("podSelector", {}).get("matchLabels", {})
        }
        for name, one in policies.items()
    }
    assert callers["redis"] == {"gateway"}
    assert callers["gateway"] == {"frontend", "prometheus"}
