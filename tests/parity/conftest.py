"""A separate Hugging Face cache for tests that load models and SAEs by their public names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from ..releases import HubCache


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubCache:
    """huggingface_hub's cache while the test runs; the hub itself is offline."""
    return HubCache(tmp_path / "hub", monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Use one thread: more make models of this size slower, on a busy machine much slower."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def shapes_from_files() -> Iterator[None]:
    """Read the shapes of Gemma Scope 2 from its files; SAELens would always ask the network."""
    from huggingface_hub import hf_hub_download
    from sae_lens.loading import pretrained_sae_loaders as loaders

    def shapes(repository: str, name: str) -> dict[str, Any]:
        with safe_open(Path(hf_hub_download(repository, name)), framework="pt") as file:
            return {key: list(file.get_tensor(key).shape) for key in file.keys()}  # noqa: SIM118

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders, "get_safetensors_tensor_shapes", shapes)
        yield
