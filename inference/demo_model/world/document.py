"""Text with what holds in the world at every word."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Fact(NamedTuple):
    """Something that holds: of whom or what, and what ("the dog", "is in the kitchen")."""

    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.subject} {self.what}"


@dataclass(frozen=True)
class Probe:
    """A word that somebody who followed the text would know, in place of one of its rivals.

    Without rivals the word must be the likeliest of all.
    """

    task: str
    start: int
    end: int
    rivals: tuple[str, ...] = ()


class Word(NamedTuple):
    """One word or mark, as the half-open span [start, end) of the text, and what holds at it."""

    start: int
    end: int
    text: str  # in small letters, unless it is a name
    topic: str
    phrasing: str  # of its sentence
    place: int  # among the words of its sentence
    concepts: tuple[str, ...]  # what it is one of: "girls", "places"
    mention: tuple[Fact, ...]  # what is true of whom or what the word names
    about: tuple[Fact, ...]  # ... of the first that its sentence names
    state: tuple[Fact, ...]  # everything that holds in the scene
    task: str  # of the question that the word answers, or ""


@dataclass
class Document:
    """Text with every word accounted for, and the words that the model can be measured on.

    Without `annotated` it is text alone, which is written three times as fast.
    """

    text: str = ""
    annotated: bool = True
    words: list[Word] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
