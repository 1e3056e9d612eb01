"""Labels in this process: all that files, Redis and earlier answers tell, without waiting."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.store import Entry
from axon_gateway.labels.table import LabelTable

_log = logging.getLogger(__name__)

#: Seconds for which it is remembered that a feature has no label.
_NO_LABEL = 24 * 3600.0
#: Answers of Neuronpedia's API that are kept of a source. The oldest go first; Redis has them all.
_MOST_ANSWERS = 20_000

#: Labels by (source, index) that come before all others.
Overrides = Mapping[tuple[str, int], str]


@dataclass(slots=True)
class _Source:
    """What is known of one source."""

    table: LabelTable = field(default_factory=lambda: LabelTable({}))
    #: Until when (monotonic time) there is no need to look for a newer table; None: never looked.
    until: float | None = None
    overrides: dict[int, FeatureRecord] = field(default_factory=dict)
    answers: dict[int, Entry] = field(default_factory=dict)
    #: Counts changes of the answers.
    changes: int = 0
    #: Overrides and answers as tables to search, and the `changes` that those include.
    loose: tuple[LabelTable, LabelTable, int] | None = None


class Memory:
    """The tables of sources, `most` bytes at most, and single labels beside them."""

    def __init__(self, overrides: Overrides, most: int) -> None:
        self._most = most
        self._sources: dict[str, _Source] = {}
        for (source, index), label in overrides.items():
            self._source(source).overrides[index] = FeatureRecord(label, "override")

    def label(self, source: str, index: int) -> str | None:
        """The label of a feature, None if there is none or it is not known."""
        known = self._sources.get(source)
        if known is None:
            return None
        if (override := known.overrides.get(index)) is not None:
            return override.label
        if (label := known.table.label(index)) is not None:
            return label
        answer = known.answers.get(index)
        return answer.record.label if answer else None

    def maximum(self, source: str, index: int) -> float | None:
        """The largest activation that is known of a feature."""
        known = self._source(source)
        maximum = known.table.maximum(index)
        if maximum is None and (answer := known.answers.get(index)):
            return answer.record.max_activation
        return maximum

    def record(self, source: str, index: int) -> FeatureRecord | None:
        """All that is known of a feature, None where nothing is."""
        known = self._source(source)
        answer = known.answers.get(index)
        records = (
            known.overrides.get(index),
            known.table.record(index),
            answer.record if answer else None,
        )
        found = None
        for record in records:
            if record is not None:
                found = found.completed_by(record) if found else record
        return found

    def has_none(self, source: str, index: int) -> bool:
        """Whether Neuronpedia said less than a day ago that there is no label."""
        answer = self._source(source).answers.get(index)
        asked = answer.asked if answer else None
        return asked is not None and time.time() < asked + _NO_LABEL

    def holds(self, source: str) -> bool:
        """Whether the source has been looked for."""
        return self._source(source).until is not None

    def fresh(self, source: str) -> bool:
        """Whether there is no need to look for the source's labels again."""
        return time.monotonic() < (self._source(source).until or 0.0)

    def hold(self, source: str, table: LabelTable, lasts: float) -> None:
        """Keeps a source's table, which counts as new for `lasts` seconds."""
        taken = sum(known.table.size for name, known in self._sources.items() if name != source)
        if taken + table.size > self._most:
            _log.error(
                "%s: its %d labels are left out: they take %d MB, and others take %d of %d MB. "
                "Set AXON_LABEL_MB higher, or serve fewer sources",
                *(source, table.labels, table.size // 10**6, taken // 10**6),
                self._most // 10**6,
            )
            table, lasts = LabelTable({}), math.inf
        known = self._source(source)
        known.table, known.until = table, time.monotonic() + lasts

    def answer(self, source: str, index: int, entry: Entry) -> None:
        """Keeps what the API said of one feature."""
        known = self._source(source)
        known.answers[index] = entry
        known.changes += 1
        if len(known.answers) > _MOST_ANSWERS:
            # Dictionaries keep order of insertion: the first key is the oldest entry.
            del known.answers[next(iter(known.answers))]

    async def tables(self, source: str) -> tuple[LabelTable, ...]:
        """The tables to search: for each feature the first one that has it counts."""
        known = self._source(source)
        changes = known.changes
        if known.loose is None or known.loose[2] != changes:
            answers = {index: entry.record for index, entry in known.answers.items()}
            overrides, found = await asyncio.to_thread(
                lambda: (LabelTable(known.overrides), LabelTable(answers))
            )
            known.loose = overrides, found, changes
        overrides, found, _ = known.loose
        return overrides, known.table, found

    def _source(self, source: str) -> _Source:
        known = self._sources.get(source)
        if known is None:
            known = self._sources[source] = _Source()
        return known
