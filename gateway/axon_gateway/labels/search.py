"""Features found by the words of their label, whether they have fired or not.

Redis cannot search within a hash, so a source's labels are read once and kept for a while as one
text: a word is then found by one pass of C code, about a millisecond for 25,000 labels.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from axon_gateway.labels.labels import Labels
from axon_gateway.labels.once import once

#: Seconds after which a source's labels are read anew: some may have come meanwhile.
_KEPT = 600.0
#: Sources kept at once.
_MOST_SOURCES = 32
#: Labels with the rarest-looking word that are looked at, so that "the" in a source of a million
#: features holds nobody up.
_MOST_CANDIDATES = 2000


@dataclass(frozen=True, slots=True)
class Match:
    """A feature whose label has the words; the higher its rank, the better it fits."""

    source: str
    index: int
    label: str
    rank: int


class LabelIndex:
    """The labels of one source, to be searched."""

    def __init__(self, source: str, labels: Mapping[int, str]) -> None:
        self._source = source
        lines = {i: " ".join(label.split()) for i, label in sorted(labels.items())}
        self._indices = array("L", lines)
        self._text = "".join(f"{line}\n" for line in lines.values())
        self._ends = array("L", accumulate(len(line) + 1 for line in lines.values()))
        # Lower case may be of another length.
        lower = [line.lower() for line in lines.values()]
        self._lower = "".join(f"{line}\n" for line in lower)
        self._lower_ends = array("L", accumulate(len(line) + 1 for line in lower))

    def __len__(self) -> int:
        return len(self._indices)

    def find(self, text: str) -> Iterator[Match]:
        """The features whose label has every word of `text`, in the order of their index."""
        wanted = " ".join(text.lower().split())
        words = wanted.split(" ")
        for line in self._lines_with(max(words, key=len)):
            label = _line(self._lower, self._lower_ends, line)
            if rank := _rank(label, wanted, words):
                shown = _line(self._text, self._ends, line)
                yield Match(self._source, self._indices[line], shown, rank)

    def _lines_with(self, word: str) -> Iterator[int]:
        """The numbers of the lines with a word, so many at most."""
        at = self._lower.find(word) if word else -1
        for _ in range(_MOST_CANDIDATES):
            if at < 0:
                return
            line = bisect_right(self._lower_ends, at)
            yield line
            at = self._lower.find(word, self._lower_ends[line])


class LabelSearch:
    """Searches the labels of any source, reading each once in a while."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        #: By source: until when (monotonic time) it counts, and its labels; the oldest first.
        self._kept: dict[str, tuple[float, LabelIndex]] = {}
        self._reading: dict[str, asyncio.Task[LabelIndex]] = {}

    async def find(self, sources: Iterable[str], text: str, limit: int) -> list[Match]:
        """The features of `sources` that fit best, short labels first. Refusal if Redis fails."""
        indexes = await asyncio.gather(*(self._index(source) for source in sources))
        found = (match for index in indexes for match in index.find(text))
        return heapq.nsmallest(limit, found, key=lambda match: (-match.rank, len(match.label)))

    async def close(self) -> None:
        """Ends unfinished work."""
        tasks = list(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _index(self, source: str) -> LabelIndex:
        until, index = self._kept.get(source, (0.0, None))
        if index is not None and time.monotonic() < until:
            return index
        return await once(self._reading, source, lambda: self._read(source))

    async def _read(self, source: str) -> LabelIndex:
        filled, labels = await self._labels.every(source)
        index = LabelIndex(source, labels)
        self._kept.pop(source, None)
        # Of a source that is being filled, more is to be had in a moment.
        self._kept[source] = (time.monotonic() + (_KEPT if filled else 1.0), index)
        if len(self._kept) > _MOST_SOURCES:
            del self._kept[next(iter(self._kept))]
        return index


def _rank(label: str, wanted: str, words: list[str]) -> int:
    """How well a label fits, as the page ranks what it has seen; 0 where a word is missing."""
    if label == wanted:
        return 4
    if label.startswith(wanted):
        return 3
    if f" {wanted}" in label:
        return 2
    return 1 if all(word in label for word in words) else 0


def _line(text: str, ends: array[int], line: int) -> str:
    return text[ends[line - 1] if line else 0 : ends[line] - 1]
