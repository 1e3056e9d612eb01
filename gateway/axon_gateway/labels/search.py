"""Finds features by the words of their label, whether they have been active or not."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from axon_gateway.labels.labels import Labels
from axon_gateway.labels.table import LabelTable, fold

#: Most labels of a source that are checked for each way to fit, so that "e" in a source of a
#: million features costs a few milliseconds.
_MOST_CANDIDATES = 500
#: Words that are tried to find one so rare that all its labels can be checked.
_MOST_WORDS = 4

#: A source and its tables: for each feature the first one that has it counts.
Tables = tuple[str, Sequence[LabelTable]]


@dataclass(frozen=True, slots=True)
class Match:
    """A feature whose label has the words; the higher its rank, the better it fits."""

    source: str
    index: int
    label: str
    rank: int


class LabelSearch:
    """Searches the labels of any source."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    async def find(self, sources: Iterable[str], text: str, limit: int) -> list[Match]:
        """The features of `sources` that fit best, short labels first. Refusal if Redis fails."""
        sources = list(sources)
        tables = await asyncio.gather(*map(self._labels.tables, sources))
        # In a thread, so that the event loop can serve others meanwhile.
        return await asyncio.to_thread(best, list(zip(sources, tables, strict=True)), text, limit)


def best(sources: Sequence[Tables], text: str, limit: int) -> list[Match]:
    """The `limit` best matches: the highest rank first, then the shortest label."""
    wanted = fold(" ".join(text.split()))
    found = (
        (-rank, len(table.line(row)), number, index, row, table)
        for number, (_, tables) in enumerate(sources)
        for index, row, rank, table in _of_source(tables, wanted, limit)
    )
    return [
        Match(sources[number][0], index, table.line(row), -rank)
        for rank, _, number, index, row, table in heapq.nsmallest(limit, found, key=lambda f: f[:4])
    ]


def _of_source(
    tables: Sequence[LabelTable], wanted: str, limit: int
) -> Iterator[tuple[int, int, int, LabelTable]]:
    """Index, row, rank and table of a source's features that fit."""
    for number, table in enumerate(tables):
        for row, rank in _fitting(table, wanted, limit):
            index = table.index(row)
            if not any(earlier.label(index) for earlier in tables[:number]):
                yield index, row, rank, table


def _fitting(table: LabelTable, wanted: str, limit: int) -> Iterator[tuple[int, int]]:
    """Rows that fit, with ranks. If no word is rare, low ranks are left out after `limit` rows."""
    words = sorted(set(wanted.split(" ")), key=len, reverse=True)
    for word in words[:_MOST_WORDS]:
        rows = list(islice(table.rows_with(word), _MOST_CANDIDATES))
        if len(rows) < _MOST_CANDIDATES:
            ranks = ((row, _rank(table.lower(row), wanted, words)) for row in rows)
            yield from ((row, rank) for row, rank in ranks if rank)
            return
    seen: set[int] = set()
    for rank, pattern in (
        (4, f"\n{wanted}\n"),
        (3, f"\n{wanted}"),
        (2, f" {wanted}"),
        (1, words[0]),
    ):
        for row in islice(table.rows_with(pattern), _MOST_CANDIDATES):
            if row not in seen and (rank > 1 or _rank(table.lower(row), wanted, words)):
                seen.add(row)
                yield row, rank
        if len(seen) >= limit:
            return


def _rank(label: str, wanted: str, words: Iterable[str]) -> int:
    """How well a label fits, by the page's own ranking; 0 if a word is missing."""
    if label == wanted:
        return 4
    if label.startswith(wanted):
        return 3
    if f" {wanted}" in label:
        return 2
    return 1 if all(word in label for word in words) else 0
