"""Model families that no other test covers are checked when they are loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.config import Settings
from axon_inference.loading import ready
from axon_inference.loading.selfcheck import TESTED
from axon_inference.model import prepack
from axon_inference.model.configuration import ModelError
from axon_inference.model.network import ATTENTION
from axon_inference.step import attention
from transformers import AttentionInterface, AutoConfig

from .. import tiny


def load(folder: Path, slots: int = 2, **others: Any) -> ready.Loaded:
    sae = tiny.sae_folder(folder / "sae", "standard", "blocks.1.hook_resid_pre")
    settings = Settings(model=str(folder), sources=(str(sae),), slots=slots, device="cpu")
    return ready.load(replace(settings, **others))


@pytest.fixture
def olmo(tmp_path: Path) -> Path:
    return tiny.untested_folder(tmp_path, "olmo2")


def test_the_families_listed_as_tested_are_those_of_the_tests() -> None:
    configs = [AutoConfig.for_model(tiny.model_type(family)) for family in tiny.FAMILIES]
    assert {config.get_text_config().model_type for config in configs} == TESTED


@pytest.mark.parametrize("slots", [1, 2])
def test_a_family_that_passes_the_check_is_served(olmo: Path, slots: int) -> None:
    assert load(olmo, slots=slots).served.model == olmo.name


def test_a_family_that_fails_the_check_is_refused(
    olmo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*args: Any, scaling: float | None = None, **kwargs: Any) -> Any:
        return attention.attend(*args, scaling=2 * (scaling or 1), **kwargs)

    monkeypatch.setitem(AttentionInterface._global_mapping, ATTENTION, other)
    with pytest.raises(ModelError, match="olmo2 gives other probabilities in Axon's batch"):
        load(olmo)


@pytest.mark.parametrize(
    ("model_type", "weights"), [("olmo2", "full"), ("gpt2", "full"), ("gpt2", "float16")]
)
def test_wrongly_packed_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_type: str, weights: str
) -> None:
    """Also for a tested family, since packing depends on the machine's CPU."""

    def pack(network: torch.nn.Module, kind: type[prepack.PackedLinear]) -> None:
        class Broken(kind):  # type: ignore[misc, valid-type]
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                found: torch.Tensor = super().forward(x)
                return found * (1.01 if weights == "full" else 1.1)

        right(network, Broken)

    right = prepack.prepack
    monkeypatch.setattr(prepack, "prepack", pack)
    folder = tmp_path / "model"
    if model_type == "gpt2":
        tiny.gpt2_folder(folder)
    else:
        tiny.untested_folder(folder, model_type)
    with pytest.raises(ModelError, match=f"{model_type} gives other probabilities.*packed weights"):
        load(folder, weights=weights)


@pytest.mark.parametrize("model_type", ["olmo2", "gpt2"])
def test_half_precision_is_served(tmp_path: Path, model_type: str) -> None:
    make = tiny.gpt2_folder if model_type == "gpt2" else tiny.untested_folder
    folder = make(tmp_path / "model", *([] if model_type == "gpt2" else [model_type]))
    assert load(folder, dtype="bfloat16").served.model == folder.name
