"""Write labels in Neuronpedia's bulk export format: gzipped JSON lines, 1,024 features a batch."""

import gzip
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from demo_model.labels import Firings, Label, Score
from demo_model.promoted import TYPE_NAME
from demo_model.saes import MODEL_ID

EXPLAINER = "axon-demo-recipe"
_BATCH = 1024


def write_labels(
    folder: Path,
    source: str,
    labels: list[Label],
    scores: Mapping[int, Score],
    promotes: Mapping[int, str],
) -> None:
    """`explanations/batch-*.jsonl.gz`: one row a live feature.

    A label comes with its measured scores. A feature without one has what it `promotes`, of which
    nothing was scored.
    """
    rows = [_row(source, label.feature, label.description, "world-state") for label in labels]
    for row, label in zip(rows, labels, strict=True):
        score = scores[label.feature]
        value = {"explanationScoreTypeName": "precision", "value": round(score.precision, 4)}
        row["scores"] = [value]
        row["kind"] = label.kind.name.lower()
        row["recall"] = round(score.recall, 4)
        row["baseRate"] = round(score.base_rate, 6)
        row["heldoutFirings"] = score.firings
    rows += [_row(source, feature, text, TYPE_NAME) for feature, text in promotes.items()]
    _write(folder / "explanations", rows)


def _row(source: str, feature: int, description: str, type_name: str) -> dict[str, object]:
    return {
        "modelId": MODEL_ID,
        "layer": source,
        "index": str(feature),
        "description": description,
        "typeName": type_name,
        "explanationModelName": EXPLAINER,
    }


def write_features(folder: Path, source: str, fired: Firings) -> None:
    """`features/batch-*.jsonl.gz`: how often and how strongly each feature fires; 0, 0 if dead."""
    rows = [
        {
            "modelId": MODEL_ID,
            "layer": source,
            "index": str(feature),
            "maxActApprox": round(float(values.max()), 4) if len(values) else 0.0,
            "frac_nonzero": round(len(values) / fired.n_positions, 7),
        }
        for feature, values in enumerate(fired.activations)
    ]
    _write(folder / "features", rows)


def read(folder: Path) -> list[dict[str, object]]:
    """All rows of a folder that `write_labels` or `write_features` wrote."""
    return [
        json.loads(line)
        for path in sorted(folder.glob("batch-*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()
    ]


def _write(folder: Path, rows: Iterable[dict[str, object]]) -> None:
    # An SAE with more features may have left more batches.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    in_string_order = sorted(rows, key=lambda row: str(row["index"]))
    for number, start in enumerate(range(0, len(in_string_order), _BATCH)):
        batch = in_string_order[start : start + _BATCH]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in batch)
        # No time stamp, so that the same labels make the same bytes.
        (folder / f"batch-{number}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
