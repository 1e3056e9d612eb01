"""The model card, written from the metrics alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from demo_model import anchors
from demo_model.chooser import GOOD_PRECISION, MIN_PRECISION, MIN_RECALL
from demo_model.statements import Kind

Metrics = dict[str, Any]
_TEMPLATE = Path(__file__).parent / "data" / "card.md"
# What each task asks; in this order on the card.
QUESTIONS = {
    "capital": "the capital of a country",
    "language": "the language of a country",
    "sums": "a sum up to 20",
    "minus": "a difference",
    "total": "the total of two prices",
    "change": "the change",
    "price": "what something costs, told sentences ago",
    "place": "where somebody is who moved once or not at all",
    "two moves": "where somebody or something is after two moves",
    "carried": "where a thing is that somebody carried",
    "container": "what a thing is in",
    "holder": "who has a thing",
    "bought": "what somebody bought",
    "variable": "what a variable is after two assignments",
    "mood": "how somebody feels",
    "cause": "why somebody feels so",
    "weather": "what the weather was",
    "day": "which day it is",
    "agreement": "pronoun and number agree",
    "closing": "brackets and quotation marks close",
}
# The shares that a model of this world should reach.
AIMS = {
    "capital": 0.90,
    "sums": 0.95,
    "two moves": 0.85,
    "holder": 0.85,
    "variable": 0.80,
    "agreement": 0.97,
    "closing": 0.99,
}
_KINDS = {
    Kind.WORD: "a word",
    Kind.WORD_IN_CONTEXT: "a word in a context",
    Kind.CONCEPT: "what a word is one of",
    Kind.CONTEXT: "what stands before",
    Kind.COMBINED: "what a word is one of, and what is beside it",
    Kind.FACT_AT_WORD: "a word or concept, and a fact that holds there",
    Kind.WORLD: "the state of the world",
    Kind.STRUCTURE: "the structure of the text",
    Kind.NEXT: "the next word",
    Kind.TOPIC: "the topic",
    Kind.SENTENCE: "one sentence's phrasing",
    Kind.POSITION: "the position in the text",
}


def render(metrics: Metrics) -> str:
    """The card as Markdown."""
    recipe, model, saes = metrics["recipe"], metrics["model"], metrics["saes"]
    return _TEMPLATE.read_text(encoding="utf-8").format(
        layers=recipe["n_layers"],
        d_model=recipe["d_model"],
        parameters=model["parameters"],
        minutes=round(metrics["seconds"] / 60),
        megabytes=metrics["bytes"] / 1e6,
        words=metrics["text"]["words"],
        sample=_quoted(metrics["text"]["sample"]),
        courses=", ".join(f"{course['tokens'] / 1e6:.3g}" for course in recipe["courses"]),
        loss=model["heldout_loss"],
        perplexity=model["heldout_perplexity"],
        questions=_rows(_question_rows(model["questions"])),
        continuations=_continuations(model["continuations"]),
        k=", ".join(f"{k:g}" for k in recipe["k"]),
        sae_tokens=recipe["sae_tokens"],
        heldout_tokens=recipe["heldout_tokens"],
        spliced_tokens=recipe["spliced_tokens"],
        sae_rows=_rows(_sae_cells(sae) for sae in saes),
        loss_rows=_rows(_loss_cells(sae) for sae in saes),
        min_precision=MIN_PRECISION,
        min_recall=MIN_RECALL,
        good=GOOD_PRECISION,
        label_rows=_rows(_label_cells(sae) for sae in saes),
        layer_heads=" | ".join(f"layer {layer}" for layer in range(len(saes))),
        layer_bars="---|" * len(saes),
        kind_rows=_rows(_kind_rows(saes)),
        swaps=anchors.table(metrics["swaps"]),
    )


def knowledge_line(model: Metrics) -> str:
    """What the model knows in one line, for progress."""
    shares = (f"{task} {found['right']:.1%}" for task, found in model["questions"].items())
    return f"held-out loss {model['heldout_loss']:.3f}, right: {', '.join(shares)}"


def sae_line(sae: Metrics) -> str:
    """One SAE's figures in one line, for progress."""
    return (
        f"{sae['source']}: explained variance {sae['explained_variance']:.3f}, L0 {sae['l0']:.1f}, "
        f"loss recovered {sae['loss_recovered_from_mean']:.3f}, dead {sae['dead']:.1%}, "
        f"precise labels {sae['labels_precise']:.1%}, single words {sae['single_word']:.1%}, "
        f"precise facts {sae['precise_facts']}"
    )


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}\\" for line in text.splitlines()).removesuffix("\\")


def _continuations(continuations: dict[str, str]) -> str:
    blocks = []
    for prompt, text in continuations.items():
        bold = "\n".join(f"**{line}**" for line in prompt.splitlines())
        blocks.append(_quoted(bold + text))
    return "\n\n".join(blocks)


def _question_rows(questions: Metrics) -> Iterable[list[str]]:
    for task, text in QUESTIONS.items():
        if task in questions:
            found = questions[task]
            yield [
                text,
                f"{found['right']:.1%}",
                f"{AIMS[task]:.0%}" if task in AIMS else "",
                f"{found['ngram']:.1%}",
                str(found["order"]),
                f"{found['asked']:,}",
            ]


def _kind_rows(saes: list[Metrics]) -> Iterable[list[str]]:
    for kind, text in _KINDS.items():
        yield [text, *(f"{sae['kinds'][kind.name.lower()]:.1%}" for sae in saes)]
    yield ["no label", *(f"{sae['kinds']['none']:.1%}" for sae in saes)]


def _sae_cells(sae: Metrics) -> list[str]:
    return [
        f"`{sae['source']}`",
        str(sae["width"]),
        f"{sae['l0']:.1f}",
        f"{sae['explained_variance']:.3f}",
        f"{sae['loss_recovered_from_mean']:.3f}",
        f"{sae['loss_recovered']:.3f}",
        f"{sae['dead']:.1%}",
    ]


def _loss_cells(sae: Metrics) -> list[str]:
    losses = (sae[f"loss_{kind}"] for kind in ("clean", "replaced", "mean", "zero"))
    return [f"`{sae['source']}`", *(f"{loss:.3f}" for loss in losses)]


def _label_cells(sae: Metrics) -> list[str]:
    return [
        f"`{sae['source']}`",
        str(sae["live"]),
        f"{sae['labelled'] / sae['live']:.1%}",
        f"{sae['labels_precise']:.1%}",
        f"{sae['single_word']:.1%}",
        str(sae["precise_facts"]),
    ]


def _rows(rows: Iterable[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
