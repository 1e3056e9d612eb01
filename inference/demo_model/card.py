"""The model card, README.md, written from the measurements."""

from typing import Any

from demo_model.labels import GOOD_PRECISION, MAX_BASE_RATE
from demo_model.vocabulary import DATA

Metrics = dict[str, Any]

_CARD = DATA / "card.md"


def render(metrics: Metrics) -> str:
    """README.md as text."""
    recipe, text, model = metrics["recipe"], metrics["text"], metrics["model"]
    return _CARD.read_text(encoding="utf-8").format(
        layers=recipe["n_layers"],
        d_model=recipe["d_model"],
        context=recipe["context"],
        train_tokens=" and then over ".join(f"{c['tokens']:,}" for c in recipe["courses"]),
        k=", ".join(f"{k:g}" for k in recipe["k"]),
        sae_tokens=recipe["sae_tokens"],
        sae_samples=", ".join(f"{samples:,}" for samples in recipe["sae_samples"]),
        parameters=model["parameters"],
        minutes=round(metrics["seconds"] / 60),
        megabytes=metrics["bytes"] / 1e6,
        shapes=text["shapes"],
        countries=text["countries"],
        n_topics=len(text["topics"]),
        topics=", ".join(text["topics"]),
        n_phrasings=text["heldout_phrasings"],
        heldout_tokens=model["heldout_tokens"],
        loss=model["heldout_loss"],
        perplexity=model["heldout_perplexity"],
        capitals=model["capitals_right"],
        named=model["capitals_named"],
        continuations=_continuations(model["continuations"]),
        phrasings=_rows(
            [phrasing, f"{share['at_once']:.0%}", f"{share['named']:.0%}"]
            for phrasing, share in model["capitals_by_phrasing"].items()
        ),
        good=GOOD_PRECISION,
        max_base=MAX_BASE_RATE,
        sae_rows=_rows(_sae_cells(sae) for sae in metrics["saes"]),
        loss_rows=_rows(_loss_cells(sae) for sae in metrics["saes"]),
        label_rows=_rows(_label_cells(sae) for sae in metrics["saes"]),
    )


def sae_line(sae: Metrics) -> str:
    """One SAE's figures in one line, for progress."""
    return (
        f"{sae['source']}: explained variance {sae['explained_variance']:.3f}, L0 {sae['l0']:.1f}, "
        f"loss recovered {sae['loss_recovered']:.3f}, dead {sae['dead']:.1%}, "
        f"precise labels {sae['labels_precise']:.1%}"
    )


def _continuations(continuations: dict[str, str]) -> str:
    blocks = []
    for prompt, text in continuations.items():
        lines = [f"**{prompt}**", *text.splitlines()]
        blocks.append(
            "> " + "\n>\n> ".join([lines[0] + (lines[1] if lines[1:] else ""), *lines[2:]])
        )
    return "\n\n".join(blocks)


def _sae_cells(sae: Metrics) -> list[str]:
    return [
        f"`{sae['source']}`",
        str(sae["width"]),
        f"{sae['l0']:.1f}",
        f"{sae['explained_variance']:.3f}",
        f"{sae['loss_recovered']:.3f}",
        f"{sae['loss_recovered_from_mean']:.3f}",
        f"{sae['dead']:.1%}",
        f"{sae['labels_precise']:.1%}",
    ]


def _loss_cells(sae: Metrics) -> list[str]:
    losses = (sae[f"loss_{kind}"] for kind in ("clean", "replaced", "mean", "zero"))
    return [f"`{sae['source']}`", *(f"{loss:.3f}" for loss in losses)]


def _label_cells(sae: Metrics) -> list[str]:
    return [
        f"`{sae['source']}`",
        str(sae["live"]),
        f"{sae['median_precision']:.2f}",
        f"{sae['median_recall']:.2f}",
        f"{sae['median_base_rate']:.4f}",
    ]


def _rows(rows: Any) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
