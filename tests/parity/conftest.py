"""A Hugging Face cache of the test's own, for models and SAEs that come by their public names."""

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
    """What HF_HOME/hub is to huggingface_hub while the test runs; the hub itself is offline."""
    return HubCache(tmp_path / "hub", monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models of a few thousand weights only lose by threads, and lose a lot on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def shapes_from_files() -> Iterator[None]:
    """SAELens asks the network for the shapes in Gemma Scope 2's files, even if it has them."""
    from huggingface_hub import hf_hub_download
    from sae_lens.loading import pretrained_sae_loaders as loaders

    def shapes(repository: str, name: str) -> dict[str, Any]:
        with safe_open(Path(hf_hub_download(repository, name)), framework="pt") as file:
            return {key: list(file.get_tensor(key).shape) for key in file.keys()}  # noqa: SIM118

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders, "get_safetensors_tensor_shapes", shapes)
        yield
