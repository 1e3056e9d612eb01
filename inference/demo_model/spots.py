"""Where each token of annotated text stands: what is around it, and what is open at it.

Everything is read off one row as the model sees it: what an earlier row said is not known here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import NamedTuple

from demo_model.world.document import Fact, Word

_NOT_ASKED = ("agreement", "closing", "")  # tasks that answer no question
_OPENING, _CLOSING = "([{", ")]}"
_ENDS = (".", "?", "!", ":", "\n")
_UNCOUNTED = ("food", "money", "weather")
_FARTHEST = 40  # tokens from a question to its answer


class Near(NamedTuple):
    """A word or mark as labels speak of it, and what it is one of."""

    text: str
    concepts: tuple[str, ...]


class Answer(NamedTuple):
    """The answer that a question waits for."""

    text: str
    concepts: tuple[str, ...]
    task: str


@dataclass
class Spot:
    """One token and its surroundings."""

    position: int
    token: str  # without spaces around it
    word: Word
    near: Near
    previous: Near | None = None
    before_that: Near | None = None
    following: Near | None = None  # only of a word's last token
    starts: bool = False  # a sentence
    quoted: bool = False  # inside quotation marks once the token is written
    depth: int = 0  # of brackets, likewise
    nth: int = 0  # mention of the same in this text
    last: tuple[Fact, ...] = ()  # the latest mention so far
    asked: Answer | None = None  # a question is open
    answer: Answer | None = None  # its answer comes next


def read(words: Sequence[Word | None], tokens: Sequence[str]) -> Iterator[Spot]:
    """The spots of all tokens that belong to a word, document by document."""
    pairs = enumerate(zip(words, tokens, strict=True))
    for is_text, group in groupby(pairs, key=lambda pair: pair[1][0] is not None):
        if is_text:
            spots = [
                Spot(position, token.strip(" "), word, near(word, token))
                for position, (word, token) in group
                if word is not None
            ]
            _neighbours(spots)
            _marks(spots)
            _starts(spots)
            _mentions(spots)
            _questions(spots)
            yield from spots


def near(word: Word, token: str) -> Near:
    """How labels speak of the word that a token belongs to; of several marks, as one sign."""
    mark = token.strip(" ")
    if mark and not any(letter.isalnum() or letter == "_" for letter in mark):
        alike = word.concepts if mark == word.text else ()
        return Near(mark[0] if mark.isspace() else mark, alike)
    text = word.text if word.concepts or word.text == "I" else word.text.lower()
    return Near(text, _concepts(word.concepts))


@cache
def _concepts(concepts: tuple[str, ...]) -> tuple[str, ...]:
    names = ("names",) if {"girls", "boys"} & set(concepts) else ()
    return tuple(c if c.endswith("s") or c in _UNCOUNTED else f"{c}s" for c in concepts) + names


def _neighbours(spots: list[Spot]) -> None:
    """Tokens of the same word have the same neighbours, but only the last knows what follows."""
    for number, spot in enumerate(spots):
        before = spots[number - 1] if number else None
        if before and before.word is spot.word and before.near == spot.near:
            spot.previous, spot.before_that = before.previous, before.before_that
        elif before:
            spot.previous, spot.before_that = before.near, before.previous
            before.following = spot.near


def _marks(spots: list[Spot]) -> None:
    """Quotation marks and brackets, line by line and text by text."""
    depth, lines = 0, _lines(spots)
    for number, line in enumerate(lines):
        marks = sum(spot.token.count('"') for spot in line)
        # A text that an earlier row began may begin inside quotation marks.
        quoted = number == 0 and line[0].word.start > 0 and marks % 2 == 1
        for spot in line:
            for letter in spot.token:
                quoted ^= letter == '"'
                depth += (letter in _OPENING) - (letter in _CLOSING)
                depth = max(0, depth)
            spot.quoted, spot.depth = quoted, depth


def _lines(spots: list[Spot]) -> list[list[Spot]]:
    lines: list[list[Spot]] = [[]]
    for spot in spots:
        lines[-1].append(spot)
        if "\n" in spot.token:
            lines.append([])
    return [line for line in lines if line]


def _starts(spots: list[Spot]) -> None:
    for before, spot in zip([None, *spots[:-1]], spots, strict=True):
        letter = spot.token[:1]
        if not letter.isalnum() or (before and before.word is spot.word):
            continue
        if before is None:
            spot.starts = spot.word.start == 0
        elif before.token.endswith('"') and before.quoted:
            spot.starts = letter.isupper() or letter.isdigit()
        else:
            ended = before.token.rstrip('"').endswith(_ENDS) or before.token.endswith("\n")
            spot.starts = ended and not (letter.islower() and before.token.endswith('"'))


def _mentions(spots: list[Spot]) -> None:
    counts: dict[str, int] = {}
    last: tuple[Fact, ...] = ()
    for before, spot in zip([None, *spots[:-1]], spots, strict=True):
        mention = spot.word.mention
        if mention:
            subject = mention[0].subject
            if before is None or before.word is not spot.word:
                counts[subject] = counts.get(subject, 0) + 1
            spot.nth, last = counts[subject], mention
        spot.last = last


def _questions(spots: list[Spot]) -> None:
    """A question is open from its mark, or where it has none from its sentence's start."""
    free = 0  # the first token after the answer before
    for number, spot in enumerate(spots):
        if spot.word.task in _NOT_ASKED or number < free:
            continue
        end = number
        while end < len(spots) and spots[end].word.task == spot.word.task:
            end += 1
        words = dict.fromkeys(each.near.text for each in spots[number:end])
        answer = Answer(" ".join(words), spot.near.concepts, spot.word.task)
        for each in spots[_opens(spots, free, number) : number]:
            each.asked = answer
        if number > free:
            spots[number - 1].answer = answer
        free = end


def _opens(spots: list[Spot], free: int, answer: int) -> int:
    sentences = 0
    for number in range(answer - 1, max(free, answer - _FARTHEST) - 1, -1):
        if "?" in spots[number].token:
            return number
        # A question may have been asked one sentence earlier, not farther back.
        sentences += spots[number].word.place == 0
        if sentences == 2:
            break
    for number in range(answer - 1, free - 1, -1):
        if spots[number].starts:
            return number
    return free
