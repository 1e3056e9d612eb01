"""What is known of a feature, read from Neuronpedia's formats."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import orjson

from axon_gateway.config import MOST_LABEL

Row = dict[str, Any]

#: Characters kept of an explainer's name.
_MOST_EXPLAINER = 100
#: Features that a source may have; the largest index is one less.
MOST_FEATURES = 2**32
#: Features of which records are kept: more than the widest SAE has.
_MOST_RECORDS = 2**20
#: How many of the rows left out the log names.
_NAMED = 3
_INDEX = re.compile(r"[0-9]{1,10}", re.ASCII)


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
        """This record; a label or statistics that it lacks are taken from `other`."""
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


#: Names the form in which records are stored: it changes with the fields.
SHAPE = ",".join(field.name for field in fields(FeatureRecord))


_NOTHING = FeatureRecord()


class BadRow(ValueError):
    """A row that cannot be used; the message says why."""


@dataclass(slots=True)
class Oddities:
    """What is wrong with the rows of one file: counted, and the first few named."""

    left_out: int = 0
    cut: int = 0
    named: list[str] = field(default_factory=list)

    def leave_out(self, row: int, why: object) -> None:
        """One more row, counted from 1, cannot be used."""
        self.left_out += 1
        if len(self.named) < _NAMED:
            self.named.append(f"row {row}: {why}")

    def __bool__(self) -> bool:
        return self.left_out > 0 or self.cut > 0

    def __str__(self) -> str:
        parts = []
        if self.left_out:
            rows = "1 row is" if self.left_out == 1 else f"{self.left_out} rows are"
            more = "; ..." if self.left_out > len(self.named) else ""
            parts.append(f"{rows} left out ({'; '.join(self.named)}{more})")
        if self.cut:
            have = "1 label has" if self.cut == 1 else f"{self.cut} labels have"
            verb = "is" if self.cut == 1 else "are"
            parts.append(f"{have} more than {MOST_LABEL} characters and {verb} cut")
        return ", ".join(parts)


class Records:
    """The records of one source by feature index, put together from rows of the bulk export."""

    def __init__(self) -> None:
        self.by_index: dict[int, FeatureRecord] = {}

    def add(self, kind: str, lines: Iterable[bytes | BadRow]) -> Oddities:
        """Takes rows of `kind` ("explanations" or "features"); returns what is wrong with them."""
        apply = _APPLY[kind]
        odd = Oddities()
        for number, line in enumerate(lines, 1):
            try:
                row = _row(line)
                index = _index(row.get("index"))
                known = self.by_index.get(index)
                if known is None and len(self.by_index) >= _MOST_RECORDS:
                    raise BadRow(f"the source has more than {_MOST_RECORDS} features")
                self.by_index[index] = apply(known or _NOTHING, row)
                odd.cut += kind == "explanations" and _is_cut(row["description"])
            except BadRow as error:
                odd.leave_out(number, error)
        return odd


def _row(line: bytes | BadRow) -> Row:
    if isinstance(line, BadRow):
        raise line
    try:
        row = orjson.loads(line)
    except ValueError as error:
        raise BadRow(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise BadRow("not a JSON object")
    return row


def _index(value: object) -> int:
    """The feature that a row is about: a whole number, which the export writes as text."""
    if type(value) is str and _INDEX.fullmatch(value):
        value = int(value)
    # Not isinstance: True is not an index.
    if type(value) is not int or not 0 <= value < MOST_FEATURES:
        raise BadRow(f"index must be a whole number, 0 to {MOST_FEATURES - 1}")
    return value


def tidy(label: str) -> str:
    """A label as one line, and of `MOST_LABEL` characters at most."""
    label = " ".join(label.split())
    return label if len(label) <= MOST_LABEL else label[: MOST_LABEL - 1] + "…"


def from_api(answer: Row) -> FeatureRecord:
    """The record in the API's answer for one feature. ValueError if it is none."""
    explanations = answer["explanations"] if isinstance(answer, dict) else None
    if not isinstance(explanations, list):
        raise ValueError("no list of explanations")
    record = _with_statistics(FeatureRecord(), answer)
    for row in explanations:
        try:
            record = _with_explanation(record, row if isinstance(row, dict) else {})
        except BadRow:
            # An empty or malformed one is skipped; the others count.
            continue
    return record


def _is_cut(label: str) -> bool:
    return len(label) > MOST_LABEL and len(" ".join(label.split())) > MOST_LABEL


def _with_explanation(record: FeatureRecord, row: Row) -> FeatureRecord:
    """The better of what is known and what the row says; the first one stays among equals."""
    label = row.get("description")
    if not isinstance(label, str) or not label.strip():
        raise BadRow("description must be text")
    score = _best_score(row.get("scores"))
    if record.label is not None and (score is None or (record.score or 0.0) >= score):
        return record
    explainer = row.get("explanationModelName") or row.get("typeName")
    explainer = explainer[:_MOST_EXPLAINER] if isinstance(explainer, str) else None
    return FeatureRecord(tidy(label), explainer, score, record.density, record.max_activation)


def _best_score(scores: object) -> float | None:
    """The highest score that is a number. A scorer that failed gives null, which is skipped."""
    if not isinstance(scores, list):
        return None
    values = [score.get("value") for score in scores if isinstance(score, dict)]
    return max((v for v in map(finite, values) if v is not None), default=None)


def _with_statistics(record: FeatureRecord, row: Row) -> FeatureRecord:
    density, maximum = finite(row.get("frac_nonzero")), finite(row.get("maxActApprox"))
    return FeatureRecord(record.label, record.explainer, record.score, density, maximum)


def finite(value: object) -> float | None:
    """`value` as a finite number, None if it is not one."""
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
#: The kinds of files in the export that labels are read from.
KINDS = tuple(_APPLY)
