"""Reads the Kubernetes manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

KUBERNETES = Path(__file__).resolve().parents[3] / "deploy" / "kubernetes"
BASE = KUBERNETES / "base"
CPU = KUBERNETES / "overlays" / "cpu"
GPU = KUBERNETES / "overlays" / "gpu"


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """All objects in a folder except the kustomization."""
    for file in sorted(folder.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            yield from yaml.safe_load_all(file.read_text())


def kustomization(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge as far as these overlays need it: list items are merged by name."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return base | {
            key: merged(base[key], value) if key in base else value for key, value in patch.items()
        }
    if isinstance(base, list) and isinstance(patch, list) and "name" in patch[0]:
        names = {item["name"]: item for item in patch}
        kept = [merged(item, names.pop(item["name"], {})) for item in base]
        return kept + list(names.values())
    return patch
