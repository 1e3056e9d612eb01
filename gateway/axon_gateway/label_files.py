"""Label files in the form of Neuronpedia's bulk export.

`{folder}/{model}/{source}/explanations/batch-*.jsonl.gz` has one explanation a line,
`features/batch-*.jsonl.gz` one feature's statistics a line.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeatureRecord:
    """What is known of one feature; None where nothing is."""

    label: str | None = None
    #: Who or what wrote the label.
    explainer: str | None = None
    #: How well the label predicts the activations, by its own scorer.
    score: float | None = None
    #: Share of tokens on which the feature is active.
    density: float | None = None
    max_activation: float | None = None


class LabelFiles:
    """The label files below a folder; None for no folder, which holds no labels."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def fingerprint(self, source: str) -> str:
        """Changes whenever the files of a source do."""
        digest = hashlib.sha256()
        for path in [*self._batches(source, "explanations"), *self._batches(source, "features")]:
            stat = path.stat()
            digest.update(
                f"{path.parent.name}/{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode()
            )
        return digest.hexdigest()

    def read(self, source: str) -> dict[int, FeatureRecord]:
        """All records of a source. What is damaged is left out, with a line in the log each."""
        records: dict[int, FeatureRecord] = {}
        _merge(records, self._rows(source, "explanations"), _explanation)
        _merge(records, self._rows(source, "features"), _statistics)
        return records

    def _batches(self, source: str, kind: str) -> list[Path]:
        if self._folder is None:
            return []
        return sorted((self._folder / source / kind).glob("batch-*.jsonl.gz"))

    def _rows(self, source: str, kind: str) -> Iterator[tuple[Path, bytes]]:
        for path in self._batches(source, kind):
            try:
                with gzip.open(path) as lines:
                    for line in lines:
                        yield path, line
            except (OSError, EOFError, zlib.error) as error:
                _log.warning("label file %s is damaged, read up to there: %s", path, error)


def _merge(
    records: dict[int, FeatureRecord],
    rows: Iterator[tuple[Path, bytes]],
    apply: Callable[[FeatureRecord, dict[str, Any]], FeatureRecord],
) -> None:
    bad: dict[Path, int] = {}
    for path, line in rows:
        try:
            row = orjson.loads(line)
            index = int(row["index"])
            records[index] = apply(records.get(index, FeatureRecord()), row)
        except (ValueError, KeyError, TypeError):
            bad[path] = bad.get(path, 0) + 1
    for path, count in bad.items():
        _log.warning("label file %s: %d rows are malformed and left out", path, count)


def _explanation(record: FeatureRecord, row: dict[str, Any]) -> FeatureRecord:
    """The better of what is known and what the row says; the first one stays among equals."""
    label = row["description"]
    if not isinstance(label, str) or not label.strip():
        raise ValueError("no description")
    score = _best_score(row.get("scores"))
    if record.label is not None and (score is None or (record.score or 0.0) >= score):
        return record
    explainer = row.get("explanationModelName") or row.get("typeName")
    return replace(record, label=label.strip(), explainer=explainer, score=score)


def _best_score(scores: object) -> float | None:
    values = [float(score["value"]) for score in scores] if isinstance(scores, list) else []
    return max(values, default=None)


def _statistics(record: FeatureRecord, row: dict[str, Any]) -> FeatureRecord:
    return replace(
        record,
        density=_float_or_none(row.get("frac_nonzero")),
        max_activation=_float_or_none(row.get("maxActApprox")),
    )


def _float_or_none(value: Any) -> float | None:
    return None if value is None else float(value)
