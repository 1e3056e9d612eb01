"""Features read from the weights agree with TransformerLens' folded unembedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.config import Settings
from axon_inference.loading.ready import load
from axon_inference.model.features import FeatureReader, Unembedding
from transformers import AutoModelForCausalLM

from .. import tiny
from . import reference

HOOK = "blocks.1.hook_resid_post"
INDEX = 17


def uneven_norm(folder: Path) -> Path:
    """Change the saved model's final norm so that it scales every dimension differently."""
    network = AutoModelForCausalLM.from_pretrained(folder)
    norms = [m for name, m in network.named_modules() if name.endswith(("ln_f", "norm"))]
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in norms[-1].parameters():
            parameter += torch.randn(parameter.shape, generator=generator) * 0.5
    network.save_pretrained(folder)
    return folder


def folder_of(family: str, folder: Path) -> Path:
    if family == "gpt2":
        return uneven_norm(tiny.gpt2_folder(folder))
    return uneven_norm(tiny.family_folder(folder, family))


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2"])
def test_effects_are_those_of_fold_ln(family: str, tmp_path: Path) -> None:
    """A feature changes the logits by `W_dec[i] @ W_U` per unit of activation."""
    folder = folder_of(family, tmp_path / "model")
    folded = reference.boot(folder, fold_ln=True)
    [sae] = reference.load_saes([tiny.sae_folder(tmp_path / "sae", "standard", HOOK)])
    network = AutoModelForCausalLM.from_pretrained(folder)
    unembedding = Unembedding.of(folded.adapter, network)
    for row in sae.W_dec[:8]:
        torch.testing.assert_close(unembedding.effects(row), row @ folded.W_U, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> tuple[FeatureReader, Any, Any]:
    """The service's reader, and the folded model and SAE that it must agree with."""
    root = tmp_path_factory.mktemp("reading")
    folder = folder_of("gpt2", root / "model")
    sae = tiny.sae_folder(root / "sae", "standard", HOOK)
    loaded = load(Settings(model=str(folder), sources=(str(sae),), device="cpu"))
    [plain] = reference.load_saes([sae])
    return loaded.reader, reference.boot(folder, fold_ln=True), plain


def test_lists_are_ranked(reading: tuple[FeatureReader, Any, Any]) -> None:
    reader, model, sae = reading
    logits = (sae.W_dec[INDEX] @ model.W_U).detach()
    order = logits.argsort(descending=True).tolist()
    found = reader.read(0, INDEX, 12)
    assert [effect.token_id for effect in found.promoted] == order[:12]
    assert [effect.token_id for effect in found.suppressed] == order[::-1][:12]
    for effect in (*found.promoted, *found.suppressed):
        assert effect.logit == pytest.approx(float(logits[effect.token_id]), abs=1e-5)
        assert effect.text == model.tokenizer.decode([effect.token_id])
    rows = sae.W_dec.detach()
    cosines = torch.cosine_similarity(rows, rows[INDEX][None])
    nearest = [i for i in cosines.argsort(descending=True).tolist() if i != INDEX]
    assert [near.index for near in found.neighbors] == nearest[:12]
    assert found.neighbors[0].cosine == pytest.approx(float(cosines[nearest[0]]), abs=1e-5)


def test_a_limit_is_a_prefix(reading: tuple[FeatureReader, Any, Any]) -> None:
    reader = reading[0]
    whole, some = reader.read(0, INDEX, 100), reader.read(0, INDEX, 3)
    assert some.promoted == whole.promoted[:3]
    assert some.neighbors == whole.neighbors[:3]
    assert all(effect.logit > 0 for effect in whole.promoted)
    assert all(effect.logit < 0 for effect in whole.suppressed)
