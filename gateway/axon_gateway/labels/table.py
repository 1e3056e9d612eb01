"""The records of one source in memory: some 100 bytes a feature, and read without waiting.

All labels are lines of one text, so that the text itself can be searched: finding a word in 25,000
labels is one pass of C code, a fraction of a millisecond.
"""

from __future__ import annotations

import math
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import accumulate

from axon_gateway.labels.records import FeatureRecord, tidy


class LabelTable:
    """What is known of a source's features; never changes."""

    def __init__(self, records: Mapping[int, FeatureRecord]) -> None:
        rows = sorted(records.items())
        self._indices = array("I", (index for index, _ in rows))
        labels = [tidy(record.label or "") for _, record in rows]
        #: One label a line, empty where there is none, after a first empty line.
        self._text = "".join(["\n", *(f"{label}\n" for label in labels)])
        #: Where each label begins in the text; at the end, where the next one would.
        self._begins = array("I", accumulate((len(label) + 1 for label in labels), initial=1))
        explainers = dict.fromkeys(record.explainer for _, record in rows)
        self._explainers = list(explainers)
        numbers = {explainer: number for number, explainer in enumerate(explainers)}
        self._explained = array("I", (numbers[record.explainer] for _, record in rows))
        self._scores, self._densities, self._maxima = (
            array("d", (math.nan if value is None else value for value in column))
            for column in (
                (record.score for _, record in rows),
                (record.density for _, record in rows),
                (record.max_activation for _, record in rows),
            )
        )
        self.labels = sum(map(bool, labels))
        #: Bytes in memory, with what a search will add.
        self.size = 2 * sys.getsizeof(self._text) + sum(map(sys.getsizeof, self._columns()))
        self.size += sum(map(sys.getsizeof, self._explainers))

    def __len__(self) -> int:
        return len(self._indices)

    def label(self, index: int) -> str | None:
        """The label of a feature, None if it has none."""
        row = self._row(index)
        return None if row is None else self.line(row) or None

    def maximum(self, index: int) -> float | None:
        """The largest activation that is known of a feature."""
        row = self._row(index)
        return None if row is None else _number(self._maxima[row])

    def record(self, index: int) -> FeatureRecord | None:
        """All that is known of a feature, None where nothing is."""
        row = self._row(index)
        if row is None:
            return None
        return FeatureRecord(
            self.line(row) or None,
            self._explainers[self._explained[row]],
            _number(self._scores[row]),
            _number(self._densities[row]),
            _number(self._maxima[row]),
        )

    def index(self, row: int) -> int:
        """The feature of a row."""
        return self._indices[row]

    def line(self, row: int) -> str:
        """The label of a row as it is written, empty if there is none."""
        return self._text[self._begins[row] : self._begins[row + 1] - 1]

    def lower(self, row: int) -> str:
        """The label of a row in lower case."""
        return self._lower[self._begins[row] : self._begins[row + 1] - 1]

    def rows_with(self, text: str) -> Iterator[int]:
        """The rows whose lower case label has `text`, in order; a newline in it is a label's edge.

        Each row is searched for only when the caller asks for it.
        """
        at = self._lower.find(text)
        while at >= 0:
            # A match that begins with an edge begins in the row before.
            row = bisect_right(self._begins, at + text.startswith("\n")) - 1
            yield row
            at = self._lower.find(text, self._begins[row + 1] - text.startswith("\n"))

    @cached_property
    def _lower(self) -> str:
        return fold(self._text)

    def _row(self, index: int) -> int | None:
        indices = self._indices
        # Most sources have a record of every feature: its row is its index.
        if index < len(indices) and indices[index] == index:
            return index
        row = bisect_left(indices, index)
        return row if row < len(indices) and indices[row] == index else None

    def _columns(self) -> Iterator[array[int] | array[float]]:
        yield from (self._indices, self._begins, self._explained)
        yield from (self._scores, self._densities, self._maxima)


def fold(text: str) -> str:
    """The text in lower case, with its length unchanged."""
    # The lower case of this letter alone is two letters long, which would shift all offsets.
    return text.replace("\u0130", "i").lower()


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
