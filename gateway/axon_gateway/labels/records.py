"""What is known of a feature, read from the forms in which Neuronpedia gives it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import orjson

Row = dict[str, Any]


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

    def completed_by(self, other: FeatureRecord) -> FeatureRecord:
        """This record; where it has neither label nor statistics, those of `other`."""
        known = (
            self
            if self.label is not None
            else replace(self, label=other.label, explainer=other.explainer, score=other.score)
        )
        return replace(
            known,
            density=other.density if self.density is None else self.density,
            max_activation=(
                other.max_activation if self.max_activation is None else self.max_activation
            ),
        )


#: Changes whenever a record is kept in another form.
SHAPE = ",".join(field.name for field in fields(FeatureRecord))


class Records:
    """The records of one source by feature index, put together from rows of the bulk export."""

    def __init__(self) -> None:
        self.by_index: dict[int, FeatureRecord] = {}

    def add(self, kind: str, lines: Iterable[bytes]) -> int:
        """Takes rows of `kind` ("explanations" or "features"); returns how many are malformed."""
        apply = _APPLY[kind]
        malformed = 0
        for line in lines:
            try:
                row = orjson.loads(line)
                index = int(row["index"])
                known = self.by_index.get(index, FeatureRecord())
                self.by_index[index] = apply(known, row)
            except (ValueError, KeyError, TypeError):
                malformed += 1
        return malformed


def from_api(answer: Row) -> FeatureRecord:
    """The record in the API's answer for one feature. ValueError if it is none."""
    explanations = answer["explanations"] if isinstance(answer, dict) else None
    if not isinstance(explanations, list):
        raise ValueError("no list of explanations")
    record = _with_statistics(FeatureRecord(), answer)
    for row in explanations:
        try:
            record = _with_explanation(record, row)
        except (ValueError, KeyError, TypeError):
            # One that is empty or malformed takes nothing from the others.
            continue
    return record


def _with_explanation(record: FeatureRecord, row: Row) -> FeatureRecord:
    """The better of what is known and what the row says; the first one stays among equals."""
    label = row["description"]
    if not isinstance(label, str) or not label.strip():
        raise ValueError("no description")
    score = _best_score(row.get("scores"))
    if record.label is not None and (score is None or (record.score or 0.0) >= score):
        return record
    explainer = row.get("explanationModelName") or row.get("typeName")
    return replace(
        record,
        label=label.strip(),
        explainer=explainer if isinstance(explainer, str) else None,
        score=score,
    )


def _best_score(scores: object) -> float | None:
    """The highest score that is a number; one that failed is null, and costs only itself."""
    if not isinstance(scores, list):
        return None
    values = [score.get("value") for score in scores if isinstance(score, dict)]
    return max((v for v in map(_number, values) if v is not None), default=None)


def _with_statistics(record: FeatureRecord, row: Row) -> FeatureRecord:
    return replace(
        record,
        density=_number(row.get("frac_nonzero")),
        max_activation=_number(row.get("maxActApprox")),
    )


def _number(value: object) -> float | None:
    """`value` as a finite number, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


_APPLY: dict[str, Callable[[FeatureRecord, Row], FeatureRecord]] = {
    "explanations": _with_explanation,
    "features": _with_statistics,
}
#: The kinds of files that the export has and that labels are made of.
KINDS = tuple(_APPLY)
