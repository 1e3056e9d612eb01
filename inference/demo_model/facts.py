"""Everything that can be said of a token from where it came from: the candidates for labels.

A *statement* is a readable claim about one position ('the word "rain"', 'capitals after "of"'),
true or false at every position of annotated text. The text generator knows, so nothing is guessed
from activations.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from demo_model.text import Word

Ints = NDArray[np.int64]
_BUCKET = 16  # tokens
_SLOT = re.compile(r"\{[^{}\"]*\}")
_MARKS = {
    ".": "full stops",
    ",": "commas",
    "?": "question marks",
    '"': "quotation marks",
    ":": "colons",
    "#": "the sign # before a comment",
    "(": "opening brackets",
    ")": "closing brackets",
    "'": "apostrophes",
}


class Kind(IntEnum):
    """What a statement speaks of, from the most to the least telling."""

    CONCEPT = 0
    WORD = 1
    CONCEPT_IN_CONTEXT = 2
    WORD_IN_CONTEXT = 3
    CONTEXT = 4
    SENTENCE = 5
    POSITION = 6


Statement = tuple[str, Kind]


@dataclass
class Facts:
    """Statements that hold at each position, as ragged rows.

    Those of position p are `ids[offsets[p]:offsets[p + 1]]`, indices into `statements`.
    """

    statements: list[Statement] = field(default_factory=list)
    offsets: Ints = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    ids: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def n_positions(self) -> int:
        """How many positions the facts cover."""
        return len(self.offsets) - 1

    def counts(self, positions: Ints | None = None) -> Ints:
        """How often each statement holds, at all positions or at the given ones."""
        ids = self.ids if positions is None else self.ids[self._entries(positions)]
        return np.bincount(ids, minlength=len(self.statements))

    def by_statement(self) -> list[Ints]:
        """For each statement the positions at which it holds, ascending."""
        positions = np.repeat(np.arange(self.n_positions), np.diff(self.offsets))
        order = np.argsort(self.ids, kind="stable")
        bounds = np.cumsum(self.counts())[:-1]
        return np.split(positions[order], bounds)

    def keep(self, chosen: NDArray[np.bool_]) -> "Facts":
        """The facts without all statements but the chosen ones."""
        number = np.cumsum(chosen) - 1
        stays = chosen[self.ids]
        offsets = np.concatenate([[0], np.cumsum(stays)])[self.offsets]
        statements = [s for s, wanted in zip(self.statements, chosen, strict=True) if wanted]
        return Facts(statements, offsets, number[self.ids[stays]])

    def _entries(self, positions: Ints) -> Ints:
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
    index = {statement: number for number, statement in enumerate(known or [])}
    offsets, ids = [0], []
    for words, tokens in zip(rows, texts, strict=True):
        for position, word in enumerate(words):
            if word is None:
                continue
            for statement in dict.fromkeys(_statements(word, words, tokens, position)):
                if known is None:
                    ids.append(index.setdefault(statement, len(index)))
                elif statement in index:
                    ids.append(index[statement])
            offsets.append(len(ids))
    return Facts(list(index), np.array(offsets), np.array(ids, dtype=np.int64))


def word_name(word: Word) -> str:
    """How a label speaks of one word or mark, whatever its capitals."""
    if word.text.isspace():
        return "line breaks"
    if word.text[0].isalnum():
        return f'the word "{word.text}"'
    return _MARKS.get(word.text, f"the sign {word.text}")


def _statements(
    word: Word, words: list[Word | None], tokens: list[str], position: int
) -> Iterator[Statement]:
    bucket = position // _BUCKET * _BUCKET
    yield f"tokens {bucket} to {bucket + _BUCKET - 1} of the text", Kind.POSITION
    previous, at = _neighbour(words, position, -1)
    before_that, _ = _neighbour(words, at, -1) if previous else (None, 0)
    following, _ = _neighbour(words, position, 1)
    yield from _of_the_word(word, tokens[position].strip(" "))
    yield from _of_the_place(word)
    if previous:
        yield from _after(word, previous, before_that)
    if following:
        yield from _before(word, following)


def _neighbour(words: list[Word | None], position: int, step: int) -> tuple[Word | None, int]:
    """The next other word of the document in the direction of `step`, and where it is."""
    here = words[position]
    while 0 <= position < len(words) and words[position] is here:
        position += step
    return (words[position] if 0 <= position < len(words) else None), position


def _of_the_word(word: Word, token: str) -> Iterator[Statement]:
    name = word_name(word)
    yield name, Kind.WORD
    yield f"{name} in texts about {word.topic}", Kind.WORD_IN_CONTEXT
    if token.lower() != word.text.lower() and word.text[0].isalnum():
        yield f'the piece "{token}" of {name}', Kind.WORD_IN_CONTEXT
        yield f'the word piece "{token}"', Kind.WORD
    if word.place == 0:
        yield f"{name} at the start of a sentence", Kind.WORD_IN_CONTEXT
        yield f"the first word of sentences about {word.topic}", Kind.CONTEXT
    for concept in word.concepts:
        yield concept, Kind.CONCEPT
        yield f"{concept} in texts about {word.topic}", Kind.CONCEPT_IN_CONTEXT
        if word.place == 0:
            yield f"{concept} at the start of a sentence", Kind.CONCEPT_IN_CONTEXT


def _of_the_place(word: Word) -> Iterator[Statement]:
    sentence = _SLOT.sub("…", word.shape).replace("\n", " ⏎ ")
    yield f"texts about {word.topic}", Kind.CONCEPT
    yield f'in "{sentence}"', Kind.SENTENCE
    yield f'{word_name(word)} in "{sentence}"', Kind.SENTENCE
    for concept in word.concepts:
        yield f'{concept} in "{sentence}"', Kind.SENTENCE
    for thing in word.about:
        yield f"in a text about {thing.split(': ')[1]}", Kind.CONTEXT


def _after(word: Word, previous: Word, before_that: Word | None) -> Iterator[Statement]:
    name, previous_name = word_name(word), word_name(previous)
    contexts = [previous_name, *previous.concepts]
    if before_that and before_that.text.strip():
        contexts.append(f'"{before_that.text} {previous.text}"')
    for context in contexts:
        yield f"right after {context}", Kind.CONTEXT
        yield f"{name} after {context}", Kind.WORD_IN_CONTEXT
        for concept in word.concepts:
            yield f"{concept} after {context}", Kind.CONCEPT_IN_CONTEXT
    for context in contexts[:2]:
        yield f"right after {context} in texts about {word.topic}", Kind.CONTEXT


def _before(word: Word, following: Word) -> Iterator[Statement]:
    name = word_name(word)
    for context in (word_name(following), *following.concepts):
        yield f"right before {context}", Kind.CONTEXT
        yield f"{name} before {context}", Kind.WORD_IN_CONTEXT
        for concept in word.concepts:
            yield f"{concept} before {context}", Kind.CONCEPT_IN_CONTEXT
    for concept in following.concepts:
        yield f"right before {concept} in texts about {word.topic}", Kind.CONTEXT
