"""Labels as files in Neuronpedia's export format, which the gateway reads (`AXON_LABELS`)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: Characters of a label that the gateway keeps.
MOST_LABEL = 500

Row = Mapping[str, Any]


def explanation(
    source: str,
    feature: int,
    description: str,
    kind: str,
    author: str,
    score: tuple[str, float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A row: a label, who wrote it, and how well it does by its own kind of score."""
    model, _, layer = source.partition("/")
    name, value = score or ("", 0.0)
    return {
        "modelId": model,
        "layer": layer,
        "index": str(feature),
        "description": description[:MOST_LABEL],
        "typeName": kind,
        "explanationModelName": author,
        "scores": [{"explanationScoreTypeName": name, "value": round(value, 4)}] if score else [],
        **more,
    }


def statistics(source: str, feature: int, largest: float, density: float) -> dict[str, Any]:
    """A row: the largest activation in the text, and the share of its tokens that have any."""
    model, _, layer = source.partition("/")
    return {
        "modelId": model,
        "layer": layer,
        "index": str(feature),
        "maxActApprox": round(largest, 4),
        "frac_nonzero": round(density, 7),
    }


def write(folder: Path, source: str, kind: str, rows: Iterable[Row]) -> None:
    """One file of a source, `explanations` or `features`, in place of an earlier one."""
    path = folder / source / kind / "batch-0.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    draft = path.with_suffix(".part")
    draft.write_bytes(gzip.compress(data, mtime=0))
    draft.replace(path)
