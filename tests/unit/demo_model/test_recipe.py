"""The whole recipe on a tiny configuration: every step, and the files it leaves."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from demo_model import export, recipe
from demo_model.__main__ import main
from demo_model.config import QUICK
from sae_lens import SAE
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = pytest.mark.timeout(300)  # it trains a model and SAEs, however small


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("axon-demo")
    lines: list[str] = []
    metrics = recipe.run(QUICK, out, lines.append)
    assert any("5/5" in line for line in lines)
    return out, metrics


def test_leaves_a_model_that_the_ordinary_loaders_read(made: tuple[Path, Any]) -> None:
    out, _ = made
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    model = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32)
    ids = tokenizer("The capital of France", return_tensors="pt").input_ids
    assert model(ids).logits.shape == (1, ids.shape[1], len(tokenizer))
    assert tokenizer.decode(ids[0]) == "The capital of France"


def test_leaves_an_sae_for_every_layer(made: tuple[Path, Any]) -> None:
    out, _ = made
    for layer in range(QUICK.n_layers):
        sae = SAE.load_from_disk(out / "saes" / f"blocks.{layer}.hook_resid_post")
        assert (sae.cfg.d_in, sae.cfg.d_sae) == (QUICK.d_model, QUICK.d_sae)
        assert sae.cfg.metadata.neuronpedia_id == f"axon-demo/{layer}-res"
        assert sae.cfg.metadata.hook_name == f"blocks.{layer}.hook_resid_post"
        assert sae.cfg.metadata.prepend_bos is True
        assert sae.cfg.metadata.context_size == QUICK.context


def test_leaves_a_row_for_every_feature(made: tuple[Path, Any]) -> None:
    out, _ = made
    for layer in range(QUICK.n_layers):
        folder = out / "labels" / "axon-demo" / f"{layer}-res"
        rows = export.read(folder / "features")
        indices = [str(row["index"]) for row in rows]
        assert sorted(indices, key=int) == [str(index) for index in range(QUICK.d_sae)]
        assert indices == sorted(indices)  # as Neuronpedia orders them


def test_card_and_metrics_tell_the_same(made: tuple[Path, Any]) -> None:
    out, metrics = made
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    card = (out / "README.md").read_text()
    for sae in metrics["saes"]:
        assert f"{sae['explained_variance']:.3f}" in card
    assert f"{metrics['model']['heldout_loss']:.3f}" in card


def test_quick_needs_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo_model", "--quick"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "overwrite" in capsys.readouterr().err
