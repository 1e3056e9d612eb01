"""What is committed: the bars it claims to pass, and a fresh look at the weights themselves."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import demo_model
import numpy as np
import pytest
import torch
from demo_model import corpus, export, findings, measure, probes, recipe, residuals, saes
from demo_model.chooser import GOOD_PRECISION, MAX_BASE_RATE, MIN_PRECISION, MIN_RECALL
from demo_model.corpus import Corpus
from demo_model.labels import FACTS
from demo_model.promoted import TYPE_NAME
from demo_model.world.writer import Writer
from sae_lens import SAE
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = pytest.mark.timeout(180)  # loads and runs the real model and all SAEs

FOLDER = Path(demo_model.__file__).parent
METRICS = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
LAYERS = range(METRICS["recipe"]["n_layers"])
FRESH_SEED = 4711  # of text that neither trained nor measured anything before
FRESH_TOKENS = 16_000
MEGABYTE = 1_000_000

# What the bundled model reaches, and must not lose: the share of right answers in text with
# held-out phrasings and combinations, each of them above what the best n-gram gets right. Where
# that is less than it should know (`card.AIMS`), the card says so.
RIGHT = {
    "capital": 0.95,
    "sums": 0.98,
    "two moves": 0.95,
    "holder": 0.76,
    "variable": 0.75,
    "agreement": 0.968,
    "closing": 0.99,
}
# ... of its SAEs,
L0 = 24
DEAD = (0.10, 0.16, 0.13, 0.16, 0.33)  # by layer; all should be 0.10
LOSS_RECOVERED = 0.95  # from mean ablation
# ... of the labels at the layers between the first and the last,
SINGLE_WORD = {1: 0.36, 2: 0.34, 3: 0.29}
PRECISE_FACTS = {1: 17, 2: 37, 3: 53}  # should be 150
# ... and of the files.
SIZE = 32 * MEGABYTE


@cache
def load() -> tuple[Any, Any]:
    model = AutoModelForCausalLM.from_pretrained(FOLDER / "model", dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(FOLDER / "model")


@cache
def fresh_text(held_out: bool = False) -> Corpus:
    model, tokenizer = load()
    writer = Writer(FRESH_SEED, held_out)
    return corpus.build(writer, tokenizer, FRESH_TOKENS, model.config.n_positions, with_words=True)


@cache
def fresh_loss() -> float:
    model, _ = load()
    return residuals.loss(model, fresh_text().rows)


@cache
def fresh_residuals() -> list[torch.Tensor]:
    """What is inside the model at fresh text."""
    model, _ = load()
    return findings.inside(model, fresh_text().rows)


def labels_of(layer: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The committed features and explanations of a layer, by feature."""
    folder = FOLDER / "labels" / saes.MODEL_ID / saes.source_id(layer)
    features, explanations = (
        {row["index"]: row for row in export.read(folder / kind)}
        for kind in ("features", "explanations")
    )
    return features, explanations


@pytest.mark.parametrize("task", RIGHT)
def test_reported_knowledge_passes_the_bars(task: str) -> None:
    found = METRICS["model"]["questions"][task]
    assert found["right"] >= RIGHT[task]
    assert found["right"] > found["ngram"]


@pytest.mark.parametrize("layer", LAYERS)
def test_reported_figures_pass_the_bars(layer: int) -> None:
    sae = METRICS["saes"][layer]
    assert sae["source"] == f"{saes.MODEL_ID}/{saes.source_id(layer)}"
    assert sae["l0"] <= L0
    assert sae["dead"] <= DEAD[layer]
    assert sae["loss_recovered_from_mean"] >= LOSS_RECOVERED


@pytest.mark.parametrize("layer", SINGLE_WORD)
def test_middle_layers_tell_more_than_words(layer: int) -> None:
    sae = METRICS["saes"][layer]
    assert sae["single_word"] <= SINGLE_WORD[layer]
    assert sae["precise_facts"] >= PRECISE_FACTS[layer]


def test_sizes() -> None:
    assert recipe.committed_bytes(FOLDER) == METRICS["bytes"]
    assert METRICS["bytes"] <= SIZE


def test_card_is_of_these_figures() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for task in RIGHT:
        assert f"{METRICS['model']['questions'][task]['right']:.1%}" in card
    for sae in METRICS["saes"]:
        assert f"{sae['explained_variance']:.3f}" in card


@pytest.mark.parametrize("layer", LAYERS)
def test_every_live_feature_says_what_it_is(layer: int) -> None:
    features, explanations = labels_of(layer)
    assert len(features) == METRICS["saes"][layer]["width"]
    live = {index for index, row in features.items() if row["frac_nonzero"]}
    assert live <= explanations.keys()
    for row in explanations.values():
        assert (row["modelId"], row["layer"]) == (saes.MODEL_ID, saes.source_id(layer))
        assert str(row["description"]).strip()
        assert ("scores" in row) == (row["typeName"] != TYPE_NAME)


@pytest.mark.parametrize("layer", LAYERS)
def test_reported_labels_are_those_in_the_files(layer: int) -> None:
    features, explanations = labels_of(layer)
    live = {index for index, row in features.items() if row["frac_nonzero"]}
    labels = [row for index, row in explanations.items() if "scores" in row and index in live]
    precise = [row for row in labels if row["scores"][0]["value"] >= GOOD_PRECISION]
    facts = {kind.name.lower() for kind in FACTS}
    sae = METRICS["saes"][layer]
    assert (sae["live"], sae["labelled"]) == (len(live), len(labels))
    # Scores are rounded in the files: one at the very limit may count on the other side.
    assert len(precise) / len(live) == pytest.approx(sae["labels_precise"], abs=1e-3)
    assert sum(row["kind"] in facts for row in precise) == pytest.approx(
        sae["precise_facts"], abs=1
    )
    for row in labels:
        assert row["scores"][0]["value"] >= MIN_PRECISION - 1e-4
        assert row["recall"] >= MIN_RECALL - 1e-4
        # Measured on other text than chose the label, so a little above the limit is possible.
        assert row["baseRate"] <= 1.2 * MAX_BASE_RATE


def test_capital_of_france() -> None:
    model, tokenizer = load()
    assert measure.continuations(model, tokenizer, ["The capital of France is"], 1) == [" Paris"]


def test_knows_its_own_text() -> None:
    assert fresh_loss() == pytest.approx(METRICS["model"]["heldout_loss"], rel=0.05)


def test_answers_fresh_questions() -> None:
    model, tokenizer = load()
    text = fresh_text(held_out=True)
    asked = probes.questions(text, tokenizer)
    right = probes.answered(model, text.rows, asked)
    for task, share in probes.shares(asked, right).items():
        n = sum(question.task == task for question in asked)
        reported = METRICS["model"]["questions"][task]["right"]
        # Few questions of a kind stray by chance: four standard errors and a little.
        assert abs(share - reported) <= 0.02 + 4 * np.sqrt(0.25 / n), task


@pytest.mark.nightly
@pytest.mark.parametrize("layer", LAYERS)
def test_saes_on_fresh_text(layer: int) -> None:
    model, _ = load()
    inside = fresh_residuals()[layer]
    sae = SAE.load_from_disk(FOLDER / "saes" / residuals.hook_name(layer))
    figures = measure.measure_sae(model, sae, layer, fresh_text().rows, inside, fresh_loss())
    # A sample this small strays a little from the figures of the whole held-out text, which are
    # what the bars are for; weights that do not belong together stray much further.
    reported = METRICS["saes"][layer]
    assert figures.explained_variance == pytest.approx(reported["explained_variance"], abs=0.01)
    assert figures.l0 == pytest.approx(reported["l0"], rel=0.03)
    assert figures.recovered_from_mean == pytest.approx(
        reported["loss_recovered_from_mean"], abs=0.01
    )
