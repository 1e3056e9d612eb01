"""What is committed: the bars it claims to pass, and a fresh look at the weights themselves."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import demo_model
import pytest
import torch
from demo_model import corpus, export, measure, recipe, residuals, shapes, vocabulary
from demo_model.labels import MAX_BASE_RATE
from demo_model.text import Writer
from sae_lens import SAE
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = pytest.mark.timeout(180)  # loads and runs the real model and all SAEs

FOLDER = Path(demo_model.__file__).parent
METRICS = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
LAYERS = range(METRICS["recipe"]["n_layers"])
FRESH_SEED = 4711  # of text that neither trained nor measured anything before
FRESH_TOKENS = 16_000
MEGABYTE = 1_000_000

# The bars of the bundled model.
CAPITALS = 0.90
EXPLAINED_VARIANCE = 0.95
L0 = 24
LOSS_RECOVERED = 0.95
DEAD = 0.10
PRECISE_LABELS = 0.70


@cache
def load() -> tuple[Any, Any]:
    model = AutoModelForCausalLM.from_pretrained(FOLDER / "model", dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(FOLDER / "model")


@cache
def fresh_text() -> tuple[torch.Tensor, list[torch.Tensor]]:
    model, tokenizer = load()
    context = model.config.n_positions
    rows = corpus.build(Writer(FRESH_SEED), tokenizer, FRESH_TOKENS, context).rows
    return rows, recipe.inside(model, rows)


def test_reported_knowledge_passes_the_bars() -> None:
    assert METRICS["model"]["capitals_right"] >= CAPITALS
    assert len(METRICS["model"]["capitals_by_phrasing"]) >= 10


@pytest.mark.parametrize("layer", LAYERS)
def test_reported_figures_pass_the_bars(layer: int) -> None:
    sae = METRICS["saes"][layer]
    assert sae["source"] == f"axon-demo/{layer}-res"
    assert sae["explained_variance"] >= EXPLAINED_VARIANCE
    assert sae["l0"] <= L0
    assert sae["loss_recovered"] >= LOSS_RECOVERED
    assert sae["dead"] <= DEAD
    assert sae["labels_precise"] >= PRECISE_LABELS


def test_sizes() -> None:
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(sizes) <= 16 * MEGABYTE
    assert max(sizes) <= 9 * MEGABYTE
    assert recipe.committed_bytes(FOLDER) == METRICS["bytes"]


def test_card_is_of_these_figures() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"{METRICS['model']['capitals_right']:.1%}" in card
    for sae in METRICS["saes"]:
        assert f"{sae['explained_variance']:.3f}" in card


@pytest.mark.parametrize("layer", LAYERS)
def test_every_feature_has_a_label_or_is_dead(layer: int) -> None:
    folder = FOLDER / "labels" / "axon-demo" / f"{layer}-res"
    features = {row["index"]: row for row in export.read(folder / "features")}
    labels = {row["index"]: row for row in export.read(folder / "explanations")}
    assert len(features) == METRICS["saes"][layer]["width"]
    for index, row in features.items():
        # One that the choosing text never fired has no label; it counts as not precise.
        assert index in labels or row["frac_nonzero"] < 1e-4, index
    for row in labels.values():
        assert row["modelId"] == "axon-demo"
        assert row["layer"] == f"{layer}-res"
        assert str(row["description"]).strip()


@pytest.mark.parametrize("layer", LAYERS)
def test_share_of_precise_labels_follows_from_the_labels(layer: int) -> None:
    rows = export.read(FOLDER / "labels" / "axon-demo" / f"{layer}-res" / "explanations")
    live: list[Any] = [row for row in rows if row["heldoutFirings"]]
    precise = [row for row in live if row["scores"][0]["value"] >= 0.8]
    reported = METRICS["saes"][layer]
    assert len(precise) / reported["live"] == pytest.approx(reported["labels_precise"], abs=1e-3)
    # Measured on other text than chose the label, so a little above the limit is possible.
    assert all(row["baseRate"] <= 1.2 * MAX_BASE_RATE for row in rows)


def test_capital_of_france() -> None:
    model, tokenizer = load()
    assert measure.continuations(model, tokenizer, ["The capital of France is"], 1) == [" Paris"]


def test_capitals_in_phrasings_never_trained_on() -> None:
    model, tokenizer = load()
    countries = vocabulary.load().records["country"][::6]
    shares = measure.capitals_right(model, tokenizer, shapes.heldout_phrasings(), countries)
    # A sixth of the countries: a little below the whole's bar is no sign of anything.
    assert sum(share.at_once for share in shares.values()) / len(shares) >= CAPITALS - 0.03


def test_knows_its_own_text() -> None:
    model, _ = load()
    rows, _ = fresh_text()
    reported = METRICS["model"]["heldout_loss"]
    assert residuals.loss(model, rows) == pytest.approx(reported, rel=0.05)


@pytest.mark.parametrize("layer", LAYERS)
def test_saes_on_fresh_text(layer: int) -> None:
    model, _ = load()
    rows, inside = fresh_text()
    sae = SAE.load_from_disk(FOLDER / "saes" / residuals.hook_name(layer))
    x = inside[layer]
    figures = measure.measure_sae(model, sae, layer, rows, x, residuals.loss(model, rows))
    # A sample this small strays a little from the figures of the whole held-out text, which are
    # what the bars are for; weights that do not belong together stray much further.
    reported = METRICS["saes"][layer]
    assert figures.explained_variance == pytest.approx(reported["explained_variance"], abs=0.01)
    assert figures.l0 == pytest.approx(reported["l0"], rel=0.03)
    assert figures.recovered == pytest.approx(reported["loss_recovered"], abs=0.01)
