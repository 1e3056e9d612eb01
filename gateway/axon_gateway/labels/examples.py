"""Texts in which a feature was active, as Neuronpedia has them: from files of its export, else from
its API.

The export has some forty texts of 128 tokens for each feature, which is too much to hold. So files
are read when somebody asks for a feature; in memory is where each feature is, and the last answers.
"""

from __future__ import annotations

import asyncio
import re
from array import array
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from axon_gateway.labels.api import FeatureApi
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.http import Unavailable
from axon_gateway.labels.records import BadRow, finite
from axon_gateway.tasks import Once

#: The folder of the export that has them.
KIND = "activations"
#: Texts of a feature that are told.
MOST = 5
#: Tokens of a text, before the strongest one and after it.
_BEFORE, _AFTER = 16, 8
#: Characters of a token; one is hardly ever longer than 20.
_LONGEST_TOKEN = 200
#: Features whose texts are kept, the last ones asked for.
_KEPT = 1000
#: Seconds that an answer waits for the API. What comes later is there for the next question.
_PATIENCE = 1.0
_INDEX = re.compile(rb'"index"\s*:\s*"?([0-9]{1,10})\b')


@dataclass(frozen=True, slots=True)
class Example:
    """A piece of a text, and the feature's activation at each of its tokens, in the SAE's units."""

    tokens: list[str]
    activations: list[float]
    origin: Literal["recipe", "neuronpedia", "room"]

    @property
    def strongest(self) -> float:
        """The largest activation."""
        return max(self.activations)


def around(
    tokens: Sequence[str], activations: Sequence[float], origin: Literal["neuronpedia", "room"]
) -> Example:
    """The piece of a text around its strongest token."""
    peak = max(range(len(activations)), key=activations.__getitem__)
    piece = slice(max(0, peak - _BEFORE), peak + _AFTER + 1)
    texts = [token[:_LONGEST_TOKEN] for token in tokens[piece]]
    return Example(texts, list(activations[piece]), origin)


def strongest(examples: Iterable[Example], most: int = MOST) -> list[Example]:
    """The strongest of some, no text twice."""
    found: dict[tuple[str, ...], Example] = {}
    for one in sorted(examples, key=lambda one: -one.strongest):
        found.setdefault(tuple(one.tokens), one)
        if len(found) == most:
            break
    return list(found.values())


def from_rows(rows: object) -> list[Example]:
    """The strongest of Neuronpedia's rows; those that are malformed are left out."""
    found = (_from_row(row) for row in rows) if isinstance(rows, list) else ()
    return strongest(one for one in found if one)


def _from_row(row: Any) -> Example | None:
    tokens, values = (row.get(name) if isinstance(row, dict) else None for name in _FIELDS)
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        return None
    numbers = [finite(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) < len(values) or not any(number > 0 for number in known):
        return None
    if not all(isinstance(token, str) for token in tokens):
        return None
    return around(tokens, known, "neuronpedia")


_FIELDS = ("tokens", "values")


class ExampleFiles:
    """The texts in label files."""

    def __init__(self, files: LabelFiles) -> None:
        self._files = files
        #: Of each source, in which of its files each feature is.
        self._places: dict[str, dict[int, array[int]]] = {}

    def read(self, source: str, index: int) -> list[Example] | None:
        """The texts of a feature, None if there are no files of its source.

        Takes long the first time, since all files of the source are looked through.
        """
        paths = self._files.paths(source, KIND)
        if not paths:
            return None
        if source not in self._places:
            places: dict[int, array[int]] = defaultdict(lambda: array("I"))
            for number, path in enumerate(paths):
                for feature in {_index(line) for line in self._files.lines(path)} - {None}:
                    assert feature is not None
                    places[feature].append(number)
            self._places[source] = dict(places)
        rows = [
            line
            for number in self._places[source].get(index, ())
            for line in self._files.lines(paths[number])
            if _index(line) == index
        ]
        return from_rows([_decoded(row) for row in rows])


def _index(line: bytes | BadRow) -> int | None:
    found = _INDEX.search(line) if isinstance(line, bytes) else None
    return int(found[1]) if found else None


def _decoded(line: bytes | BadRow) -> object:
    try:
        return orjson.loads(line) if isinstance(line, bytes) else None
    except ValueError:
        return None


class Examples:
    """Texts of features; what fails is left out, and asked for again."""

    def __init__(
        self,
        files: LabelFiles,
        api: FeatureApi | None,
        neuronpedia_id: Callable[[str], str | None],
    ) -> None:
        self._files = ExampleFiles(files)
        self._api = api
        self._neuronpedia_id = neuronpedia_id
        self._kept: OrderedDict[tuple[str, int], list[Example]] = OrderedDict()
        self._asking = Once[tuple[str, int], None]()
        #: Files are read one feature at a time.
        self._reading = asyncio.Lock()

    async def of(self, source: str, index: int) -> list[Example]:
        """The strongest first; none after a moment, if the answer takes longer."""
        key = (source, index)
        if key not in self._kept:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._asking.do(key, lambda: self._ask(source, index))
            except (TimeoutError, Unavailable):
                return []
        self._kept.move_to_end(key)
        return self._kept[key]

    async def close(self) -> None:
        """Ends unfinished work."""
        await self._asking.close()

    async def _ask(self, source: str, index: int) -> None:
        async with self._reading:
            found = await asyncio.to_thread(self._files.read, source, index)
        if found is None:
            id_ = self._neuronpedia_id(source) if self._api else None
            answer = await self._api.answer(id_, index) if self._api and id_ else None
            found = from_rows(answer.get("activations")) if answer else []
        self._kept[source, index] = found
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
