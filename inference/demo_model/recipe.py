"""The whole recipe: text, tokenizer, model, SAEs, labels, measurements, model card."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model import (
    anchors,
    card,
    corpus,
    measure,
    model,
    ngram,
    probes,
    residuals,
    saes,
    tokenizer,
)
from demo_model.config import Recipe
from demo_model.corpus import Corpus
from demo_model.findings import Findings
from demo_model.kept import Kept
from demo_model.world.writer import TEXTS, TOPICS, Writer

Progress = Callable[[str], None]
Metrics = dict[str, Any]

# Each kind of text has a seed of its own, so that none is part of another.
_TRAIN, _HELDOUT, _CHOICE, _TOKENIZER, _QUESTIONS, _PRACTICE, _REVISION = range(1, 8)
_COURSES = {"usual": _TRAIN, "practice": _PRACTICE, "revision": _REVISION}
_AT_ONCE = 1_000_000  # tokens between two lines of progress
PROMPTS = (
    "The capital of France is",
    "Once upon a time",
    "The dog is in the garden. The cat is in the hall. Where is the dog now? The dog is in the",
    "Anna has lost her ball, so she is",
    "3 + 4 =",
    "x = 3\ny = x + 2\nx = 7\nprint(x)",
    "It is Monday.",
)


def run(recipe: Recipe, out: Path, work: Path, progress: Progress) -> Metrics:
    """Write model/, saes/, labels/, metrics.json and README.md into `out`; returns the metrics.

    What takes long is kept in `work` until all is done, so that a run which was stopped goes on.
    """
    kept = Kept(work, recipe, progress)
    _make_reproducible(recipe)
    progress("1/5 text and tokenizer")
    words = train_tokenizer(recipe)
    texts = training_texts(recipe, words, progress)
    rows = torch.cat(texts)

    progress(f"2/5 language model: {rows.numel():,} tokens")
    lm = model.create(recipe, words)
    for number, (course, text) in enumerate(zip(recipe.courses, texts, strict=True), start=1):
        progress(f"  course {number} of {len(texts)}")
        state = work / f"course-{number}.pt"
        kept.took(f"course-{number}", model.train(lm, text, recipe, course, state, progress))
    save_model(lm, words, out / "model")
    metrics: Metrics = {"recipe": asdict(recipe), "text": text_figures(recipe)}
    metrics["model"] = kept.get("knows", lambda: model_figures(recipe, lm, words, rows))
    progress("  " + card.knowledge_line(metrics["model"]))

    progress("3/5 residuals and facts")
    findings = Findings.collect(
        lm,
        words,
        rows[: -(-recipe.sae_tokens // recipe.context)],
        annotated(recipe, words, _HELDOUT, recipe.heldout_tokens),
        annotated(recipe, words, _CHOICE, recipe.choice_tokens),
        recipe.spliced_tokens // recipe.context,
    )

    progress("4/5 sparse autoencoders and labels")
    layers = range(recipe.n_layers)
    metrics["saes"] = []
    missing = [layer for layer in layers if not kept.knows(f"sae-{layer}")]
    progress(f"  {len(missing)} to train, {recipe.threads} at a time, a few minutes each")
    with findings.running(missing, recipe, out) as results:
        for layer in layers:
            figures = kept.get(f"sae-{layer}", lambda: results[layer].result())  # noqa: B023
            metrics["saes"].append(figures)
            progress("  " + card.sae_line(figures))

    progress("5/5 swaps and model card")
    trained = [saes.load(out / "saes" / residuals.hook_name(layer)) for layer in layers]
    metrics["swaps"] = kept.get(
        "swaps", lambda: anchors.measure(lm, words, trained, recipe.seed, n_swaps=recipe.n_swaps)
    )
    metrics["seconds"] = round(kept.seconds)
    metrics["bytes"] = committed_bytes(out)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(card.render(metrics), encoding="utf-8")
    kept.clear()
    return metrics


def train_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """From text of its own."""
    documents = Writer(recipe.seed + _TOKENIZER, annotated=False).documents()
    texts = (document.text for document in islice(documents, recipe.tokenizer_documents))
    return tokenizer.train(texts, recipe.vocab_size, recipe.context)


def training_texts(
    recipe: Recipe, words: PreTrainedTokenizerFast, progress: Progress
) -> list[torch.Tensor]:
    """New text [n_rows, context] for each course."""
    texts: list[torch.Tensor] = []
    for course in recipe.courses:
        seed = recipe.seed + _COURSES[course.text]
        writer = Writer(seed, topics=TEXTS[course.text], annotated=False)
        parts: list[torch.Tensor] = []
        for start in range(0, course.tokens, _AT_ONCE):
            wanted = min(_AT_ONCE, course.tokens - start)
            parts.append(corpus.build(writer, words, wanted, recipe.context).rows)
            progress(f"  {start + wanted:,} of {course.tokens:,} tokens written")
        texts.append(torch.cat(parts))
    return texts


def annotated(
    recipe: Recipe,
    words: PreTrainedTokenizerFast,
    seed_offset: int,
    n_tokens: int,
    held_out: bool = False,
) -> Corpus:
    """Text with what holds in the world at every word, and the questions that it asks."""
    writer = Writer(recipe.seed + seed_offset, held_out)
    return corpus.build(writer, words, n_tokens, recipe.context, with_words=True)


def save_model(lm: GPT2LMHeadModel, words: PreTrainedTokenizerFast, folder: Path) -> None:
    """A Hugging Face folder that `AutoModelForCausalLM` and `AutoTokenizer` load."""
    shutil.rmtree(folder, ignore_errors=True)
    lm.save_pretrained(folder)
    words.save_pretrained(folder)


def text_figures(recipe: Recipe) -> Metrics:
    """How varied the text is, and a piece of it."""
    documents = [d.text for d in islice(Writer(recipe.seed, annotated=False).documents(), 500)]
    return {
        "topics": sorted(TOPICS),
        "words": len({word for text in documents for word in text.split()}),
        "sample": documents[0],
    }


def model_figures(
    recipe: Recipe, lm: GPT2LMHeadModel, words: PreTrainedTokenizerFast, train: torch.Tensor
) -> Metrics:
    """What the language model knows, on text that holds what training text never does."""
    text = annotated(recipe, words, _QUESTIONS, recipe.question_tokens, held_out=True)
    asked = probes.questions(text, words)
    right = probes.shares(asked, probes.answered(lm, text.rows, asked))
    counted = ngram.best(train, text.rows, asked)
    usual = annotated(recipe, words, _HELDOUT, recipe.heldout_tokens)
    loss = residuals.loss(lm, usual.rows)
    return {
        "parameters": sum(p.numel() for p in lm.parameters()),
        "heldout_loss": loss,
        "heldout_perplexity": float(np.exp(loss)),
        "questions": {
            task: {
                "right": share,
                "ngram": counted[task][1],
                "order": counted[task][0],
                "asked": sum(question.task == task for question in asked),
            }
            for task, share in right.items()
        },
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


def _make_reproducible(recipe: Recipe) -> None:
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    np.random.seed(recipe.seed)
    random.seed(recipe.seed)
