"""Which statements hold at each token of annotated text, as numbers."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo_model import spots, statements, world_statements
from demo_model.spots import Near, Spot
from demo_model.statements import Kind as Kind
from demo_model.statements import Statement as Statement
from demo_model.world.document import Word

Ints = NDArray[np.integer[Any]]
_BUCKET = 16  # tokens
_NOTHING = Near("-", ())


@dataclass
class Facts:
    """Statements that hold at each position, as ragged rows.

    Those of position p are `ids[offsets[p]:offsets[p + 1]]`, indices into `statements`.
    """

    statements: list[Statement] = field(default_factory=list)
    offsets: Ints = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    ids: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int32))

    @property
    def n_positions(self) -> int:
        """How many positions the facts cover."""
        return len(self.offsets) - 1

    def counts(self, positions: Ints | None = None) -> NDArray[np.int64]:
        """How often each statement holds, at all positions or at the given ones."""
        ids = self.ids if positions is None else self.ids[self._entries(positions)]
        return np.bincount(ids, minlength=len(self.statements))

    def by_statement(self) -> list[Ints]:
        """For each statement the positions at which it holds, ascending."""
        numbers = np.arange(self.n_positions, dtype=np.int32)
        positions = np.repeat(numbers, np.diff(self.offsets))
        order = np.argsort(self.ids, kind="stable")
        bounds = np.cumsum(self.counts())[:-1]
        return np.split(positions[order], bounds)

    def keep(self, chosen: NDArray[np.bool_]) -> "Facts":
        """The facts without all statements but the chosen ones."""
        number = (np.cumsum(chosen) - 1).astype(np.int32)
        stays = chosen[self.ids]
        offsets = np.concatenate([[0], np.cumsum(stays)])[self.offsets]
        kept = [s for s, wanted in zip(self.statements, chosen, strict=True) if wanted]
        return Facts(kept, offsets, number[self.ids[stays]])

    def table(self, positions: Ints, chosen: Ints) -> NDArray[np.bool_]:
        """Whether each of the `chosen` statements holds at each position [chosen, positions]."""
        row = np.full(len(self.statements), -1)
        row[chosen] = np.arange(len(chosen))
        rows = row[self.ids[self._entries(positions)]]
        columns = np.repeat(
            np.arange(len(positions)), self.offsets[positions + 1] - self.offsets[positions]
        )
        holds = np.zeros((len(chosen), len(positions)), dtype=bool)
        holds[rows[rows >= 0], columns[rows >= 0]] = True
        return holds

    def _entries(self, positions: Ints) -> NDArray[np.int64]:
        starts = self.offsets[positions]
        lengths = self.offsets[positions + 1] - starts
        ends = np.cumsum(lengths)
        return np.repeat(starts - (ends - lengths), lengths) + np.arange(lengths.sum())


def collect(
    rows: list[list[Word | None]],
    texts: list[list[str]],
    known: Sequence[Statement] | None = None,
) -> Facts:
    """Facts of every token that belongs to a word, so of none of the `<|endoftext|>`.

    `texts[row][position]` is the token's text. With `known`, only those statements are looked for.
    """
    numbers = _Numbers(known)
    offsets = array("q", [0])
    ids = array("i")
    for words, tokens in zip(rows, texts, strict=True):
        for spot in spots.read(words, tokens):
            for part in _parts(spot, numbers):
                ids.extend(part)
            offsets.append(len(ids))
    return Facts(numbers.statements, np.array(offsets), np.array(ids))


class _Numbers:
    """Gives every statement a number, and remembers those of everything that was said before."""

    def __init__(self, known: Sequence[Statement] | None) -> None:
        self._number = {statement: number for number, statement in enumerate(known or [])}
        self._grows = known is None
        self._seen: dict[tuple[Any, ...], array[int]] = {}

    @property
    def statements(self) -> list[Statement]:
        """All statements, by number."""
        return list(self._number)

    def of(self, say: Callable[..., Iterator[Statement]], *of_what: Any) -> "array[int]":
        """The numbers of what `say` says of something."""
        key = (say, *of_what)
        found = self._seen.get(key)
        if found is None:
            said = dict.fromkeys(say(*of_what))
            if self._grows:
                for statement in said:
                    self._number.setdefault(statement, len(self._number))
            found = array("i", [self._number[s] for s in said if s in self._number])
            self._seen[key] = found
        return found


def _parts(spot: Spot, numbers: _Numbers) -> Iterator["array[int]"]:
    """What is said of one token, in parts of which each depends on little."""
    word, near = spot.word, spot.near
    yield numbers.of(_bucket, spot.position // _BUCKET)
    yield numbers.of(statements.of_the_word, near, spot.token, spot.starts, word.topic)
    yield numbers.of(statements.of_the_sentence, near, word.phrasing)
    if spot.previous:
        previous = spot.previous
        yield numbers.of(statements.after, near, previous, spot.before_that, word.topic)
    if spot.following:
        yield numbers.of(statements.before, near, spot.following, word.topic)
    if spot.asked:
        yield numbers.of(statements.asked, near, spot.asked, spot.answer is not None)
    if spot.quoted or spot.depth:
        yield numbers.of(statements.enclosed, near, spot.quoted, spot.depth, word.topic)
    if word.state:
        place = near if "places" in near.concepts else _NOTHING
        yield numbers.of(world_statements.state, place, word.state)
    if word.about:
        yield numbers.of(world_statements.about, near, word.about)
    if word.mention:
        yield numbers.of(world_statements.mention, near, word.mention, spot.nth)
    if spot.last:
        yield numbers.of(world_statements.latest, near, spot.last)


def _bucket(number: int) -> Iterator[Statement]:
    first = number * _BUCKET
    yield f"tokens {first} to {first + _BUCKET - 1} of the text", Kind.POSITION
