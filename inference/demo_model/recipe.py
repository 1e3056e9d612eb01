"""The whole recipe: text, tokenizer, model, SAEs, labels, measurements, model card."""

import json
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model import (
    card,
    corpus,
    export,
    facts,
    labels,
    measure,
    model,
    residuals,
    saes,
    shapes,
    tokenizer,
)
from demo_model.config import Recipe
from demo_model.corpus import Corpus
from demo_model.directions import starting_directions
from demo_model.facts import Statement
from demo_model.text import Writer

Progress = Callable[[str], None]
Metrics = dict[str, Any]

# Each kind of text has a seed of its own, so that none is part of another.
_TRAIN, _HELDOUT, _CHOICE, _TOKENIZER, _TRAIN_AGAIN = range(1, 6)
_TOKENIZER_DOCUMENTS = 4000
PROMPTS = (
    "The capital of France is",
    "Once upon a time",
    "Anna is hungry.",
    "If you mix blue and yellow,",
    "3 + 4 =",
    "def double(x):",
)


def run(recipe: Recipe, out: Path, progress: Progress) -> Metrics:
    """Write model/, saes/, labels/, metrics.json and README.md into `out`; returns the metrics."""
    started = time.monotonic()
    _make_reproducible(recipe)
    progress("1/5 text and tokenizer")
    words = train_tokenizer(recipe)
    texts = training_texts(recipe, words)
    heldout = annotated(recipe, words, _HELDOUT, recipe.heldout_tokens)
    choice = annotated(recipe, words, _CHOICE, recipe.choice_tokens)

    lm = model.create(recipe, words)
    for course, rows in zip(recipe.courses, texts, strict=True):
        progress(f"2/5 language model: {rows.numel():,} tokens")
        model.train(lm, rows, course, progress)
    save_model(lm, words, out / "model")
    metrics: Metrics = {"recipe": asdict(recipe), "text": text_figures(recipe)}
    metrics["model"] = model_figures(lm, words, heldout)
    progress(f"  held-out loss {metrics['model']['heldout_loss']:.3f}")

    progress("3/5 residuals and facts")
    # An SAE's batches are too small to gain from a second thread.
    torch.set_num_threads(1)
    features = _Features(recipe, lm, words, texts[0], heldout, choice)

    progress("4/5 sparse autoencoders and labels")
    metrics["saes"] = []
    for layer in range(recipe.n_layers):
        metrics["saes"].append(features.run_layer(layer, out))
        progress("  " + card.sae_line(metrics["saes"][-1]))

    progress("5/5 model card")
    metrics["seconds"] = round(time.monotonic() - started)
    metrics["bytes"] = committed_bytes(out)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card.render(metrics), encoding="utf-8")
    return metrics


def train_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """The tokenizer, from text of its own."""
    documents = islice(Writer(recipe.seed + _TOKENIZER).documents(), _TOKENIZER_DOCUMENTS)
    texts = [document.text for document in documents]
    return tokenizer.train(texts, recipe.vocab_size, recipe.context)


def training_texts(recipe: Recipe, words: PreTrainedTokenizerFast) -> list[torch.Tensor]:
    """New text [n_rows, context] for each course."""
    return [
        corpus.build(
            Writer(recipe.seed + seed, course.revision), words, course.tokens, recipe.context
        ).rows
        for course, seed in zip(recipe.courses, (_TRAIN, _TRAIN_AGAIN), strict=False)
    ]


def annotated(
    recipe: Recipe, words: PreTrainedTokenizerFast, seed_offset: int, n_tokens: int
) -> Corpus:
    """Text with the origin of every word."""
    writer = Writer(recipe.seed + seed_offset)
    return corpus.build(writer, words, n_tokens, recipe.context, with_words=True)


def save_model(lm: GPT2LMHeadModel, words: PreTrainedTokenizerFast, folder: Path) -> None:
    """A Hugging Face folder that `AutoModelForCausalLM` and `AutoTokenizer` load."""
    shutil.rmtree(folder, ignore_errors=True)
    lm.save_pretrained(folder)
    words.save_pretrained(folder)


def text_figures(recipe: Recipe) -> Metrics:
    """How varied the text is."""
    writer = Writer(recipe.seed, revision=True)
    sources = {shape.source for topic in writer.topics for shape in topic.shapes}
    return {
        "topics": sorted({topic.name for topic in writer.topics}),
        "shapes": len(sources),
        "countries": len(writer.vocabulary.records["country"]),
        "heldout_phrasings": len(shapes.heldout_phrasings()),
    }


def model_figures(lm: GPT2LMHeadModel, words: PreTrainedTokenizerFast, heldout: Corpus) -> Metrics:
    """What the language model knows."""
    loss = residuals.loss(lm, heldout.rows)
    countries = Writer(0).vocabulary.records["country"]
    shares = measure.capitals_right(lm, words, shapes.heldout_phrasings(), countries)
    return {
        "parameters": sum(p.numel() for p in lm.parameters()),
        "heldout_tokens": heldout.rows.numel(),
        "heldout_loss": loss,
        "heldout_perplexity": float(np.exp(loss)),
        "capitals_right": sum(share.at_once for share in shares.values()) / len(shares),
        "capitals_named": sum(share.named for share in shares.values()) / len(shares),
        "capitals_by_phrasing": {phrasing: asdict(share) for phrasing, share in shares.items()},
        "continuations": dict(
            zip(PROMPTS, measure.continuations(lm, words, list(PROMPTS), 40), strict=True)
        ),
    }


def committed_bytes(out: Path) -> int:
    """Size of everything that the recipe writes and the repository keeps, in bytes."""
    return sum(
        path.stat().st_size
        for folder in ("model", "saes", "labels")
        for path in (out / folder).rglob("*")
        if path.is_file()
    )


class _Features:
    """What training, labelling and measuring the SAEs of all layers share."""

    def __init__(
        self,
        recipe: Recipe,
        lm: GPT2LMHeadModel,
        words: PreTrainedTokenizerFast,
        train: torch.Tensor,
        heldout: Corpus,
        choice: Corpus,
    ) -> None:
        self._recipe, self._lm, self._heldout = recipe, lm, heldout
        sae_rows = train[: -(-recipe.sae_tokens // recipe.context)]
        self._train = inside(lm, sae_rows)
        self._heldout_residuals = inside(lm, heldout.rows)
        self._choice_residuals = inside(lm, choice.rows)
        self._choice_facts = facts.collect(choice.words, token_texts(words, choice.rows))
        heldout_facts = facts.collect(heldout.words, token_texts(words, heldout.rows))
        self._heldout_facts = heldout_facts
        self._where: dict[Statement, facts.Ints] = dict(
            zip(heldout_facts.statements, heldout_facts.by_statement(), strict=True)
        )
        self._loss = residuals.loss(lm, heldout.rows)

    def run_layer(self, layer: int, out: Path) -> Metrics:
        """Train, save, label and measure the SAE of one layer."""
        folder = out / "saes" / residuals.hook_name(layer)
        start = starting_directions(
            self._choice_residuals[layer], self._choice_facts, self._recipe.d_sae
        )
        sae = saes.save(saes.train(self._train[layer], start, layer, self._recipe), folder)
        x = self._heldout_residuals[layer]
        figures = measure.measure_sae(self._lm, sae, layer, self._heldout.rows, x, self._loss)
        fired = labels.firings(measure.encode(sae, x), sae.cfg.d_sae)
        fired_for_choice = labels.firings(
            measure.encode(sae, self._choice_residuals[layer]), sae.cfg.d_sae
        )
        chosen = labels.choose(fired_for_choice, self._choice_facts)
        scores = {
            label.feature: labels.score(label, fired, self._heldout_facts, self._where)
            for label in chosen
        }
        source = saes.source_id(layer)
        target = out / "labels" / saes.MODEL_ID / source
        export.write_labels(target, source, chosen, scores)
        export.write_features(target, source, fired)
        return {
            "source": f"{saes.MODEL_ID}/{source}",
            "hook": residuals.hook_name(layer),
            "width": sae.cfg.d_sae,
            **asdict(figures),
            "loss_recovered": figures.recovered,
            "loss_recovered_from_mean": figures.recovered_from_mean,
            **labels.summary(fired, scores),
        }


def inside(lm: GPT2LMHeadModel, rows: torch.Tensor) -> list[torch.Tensor]:
    """Residuals of every layer at the positions of all tokens but `<|endoftext|>`."""
    kept = residuals.is_text(lm, rows).flatten()
    return [residual[kept] for residual in residuals.collect(lm, rows)]


def token_texts(words: PreTrainedTokenizerFast, rows: torch.Tensor) -> list[list[str]]:
    """The text of every token."""
    texts = [words.decode([token]) for token in range(len(words))]
    return [[texts[token] for token in row] for row in rows.tolist()]


def _make_reproducible(recipe: Recipe) -> None:
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    np.random.seed(recipe.seed)
    random.seed(recipe.seed)
