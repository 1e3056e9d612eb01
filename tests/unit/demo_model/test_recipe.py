"""The whole recipe on a tiny configuration: every step, and the files it leaves."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from demo_model import export, recipe
from demo_model.card import QUESTIONS
from demo_model.config import QUICK
from demo_model.kept import Kept
from sae_lens import SAE
from transformers import AutoModelForCausalLM, AutoTokenizer

# It trains a model and SAEs, however small.
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

LAYERS = range(QUICK.n_layers)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run whose work is not cleared away, as if it had been stopped at its very end."""
    out = tmp_path_factory.mktemp("axon-demo")
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kept, "clear", lambda self: None)
        metrics = recipe.run(QUICK, out, out / "work", lines.append)
    assert [line[:3] for line in lines if line[0].isdigit()] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
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
    for layer in LAYERS:
        sae = SAE.load_from_disk(out / "saes" / f"blocks.{layer}.hook_resid_post")
        assert (sae.cfg.d_in, sae.cfg.d_sae) == (QUICK.d_model, QUICK.d_sae[layer])
        assert sae.cfg.metadata.neuronpedia_id == f"axon-demo/{layer}-res"
        assert sae.cfg.metadata.hook_name == f"blocks.{layer}.hook_resid_post"
        assert sae.cfg.metadata.prepend_bos is True
        assert sae.cfg.metadata.context_size == QUICK.context


def test_leaves_a_row_for_every_feature(made: tuple[Path, Any]) -> None:
    out, _ = made
    for layer in LAYERS:
        folder = out / "labels" / "axon-demo" / f"{layer}-res"
        rows = export.read(folder / "features")
        indices = [str(row["index"]) for row in rows]
        assert sorted(indices, key=int) == [str(index) for index in range(QUICK.d_sae[layer])]
        assert indices == sorted(indices)  # as Neuronpedia orders them


def test_labels_are_scored_and_the_rest_is_told_by_what_it_promotes(made: tuple[Path, Any]) -> None:
    out, metrics = made
    for layer, sae in zip(LAYERS, metrics["saes"], strict=True):
        folder = out / "labels" / "axon-demo" / f"{layer}-res"
        fires = {row["index"] for row in export.read(folder / "features") if row["frac_nonzero"]}
        rows = export.read(folder / "explanations")
        assert {row["index"] for row in rows} >= fires
        scored = [row for row in rows if "scores" in row and row["index"] in fires]
        assert len(fires) == sae["live"]
        assert len(scored) == sae["labelled"]


def test_asks_what_the_card_explains(made: tuple[Path, Any]) -> None:
    _, metrics = made
    questions = metrics["model"]["questions"]
    assert {"sums", "place", "two moves", "holder", "agreement", "closing"} <= questions.keys()
    for task, found in questions.items():
        assert 0 <= found["right"] <= 1
        assert 0 <= found["ngram"] <= 1
        assert found["asked"] > 0, task
    assert metrics["model"]["continuations"].keys() == set(recipe.PROMPTS)


def test_card_and_metrics_tell_the_same(made: tuple[Path, Any]) -> None:
    out, metrics = made
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    card = (out / "README.md").read_text()
    for sae in metrics["saes"]:
        assert f"{sae['explained_variance']:.3f}" in card
    for task in QUESTIONS.keys() & metrics["model"]["questions"].keys():
        assert f"{metrics['model']['questions'][task]['right']:.1%}" in card
    assert f"{metrics['model']['heldout_loss']:.3f}" in card


def test_a_second_run_finds_everything_and_makes_the_same(made: tuple[Path, Any]) -> None:
    out, metrics = made
    files = {path: path.read_bytes() for path in contents(out)}
    lines: list[str] = []
    again = recipe.run(QUICK, out, out / "work", lines.append)
    found = [line.split(":")[0].strip() for line in lines if "found by an earlier run" in line]
    assert found == ["knows", *(f"sae-{layer}" for layer in LAYERS), "swaps"]
    assert any("going on after step" in line for line in lines)
    assert {**again, "seconds": 0} == {**metrics, "seconds": 0}
    assert {path: path.read_bytes() for path in contents(out)} == files
    assert not (out / "work").exists()


def contents(out: Path) -> list[Path]:
    """What the repository keeps."""
    folders = [out / name for name in ("model", "saes", "labels")]
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]
