"""Write text from the shapes, and remember for each word where it came from."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from demo_model import shapes, vocabulary
from demo_model.shapes import Shape, Slot, Topic
from demo_model.vocabulary import Record

_WORD = re.compile(r"\w+|[^\w\s]+|\n+")
_SENTENCE_START = re.compile(r"(^|[.?!]\"? \"?)$")
_FRESH = {"number", "price", "hour"}  # chosen anew in every sentence, whatever the paragraph


class Word(NamedTuple):
    """One word or mark of a document, as the half-open span [start, end) of its text."""

    start: int
    end: int
    text: str  # without the capital of a sentence's first word
    topic: str
    shape: str
    place: int  # of the word within its sentence shape
    concepts: tuple[str, ...]
    about: tuple[str, ...]  # the records this paragraph has named so far, e.g. "country: France"


class _Span(NamedTuple):
    text: str
    concepts: tuple[str, ...]
    names: str


@dataclass
class Document:
    """Paragraphs of text with every word accounted for."""

    text: str = ""
    words: list[Word] = field(default_factory=list)


class Writer:
    """An endless source of documents; the same seed writes the same text.

    With `revision` it asks about what is hard to learn more often, and in more ways.
    """

    def __init__(self, seed: int, revision: bool = False) -> None:
        self.vocabulary = vocabulary.load()
        self.topics = shapes.load_topics(self.vocabulary, revision)
        self._random = random.Random(seed)
        self._weights = [topic.weight for topic in self.topics]

    def documents(self) -> Iterator[Document]:
        """Documents of one to four paragraphs, each on a topic of its own."""
        while True:
            document = Document()
            for _ in range(self._random.randint(1, 4)):
                topic = self._random.choices(self.topics, self._weights)[0]
                self._paragraph(topic, document)
            yield document

    def _paragraph(self, topic: Topic, document: Document) -> None:
        if document.text:
            document.text += "\n"
        bindings: dict[str, Record] = {}
        about: tuple[str, ...] = ()
        shapes_used = self._choose_shapes(topic)
        for number, shape in enumerate(shapes_used):
            if topic.independent:
                bindings, about = {}, ()
            self._bind(shape, bindings)
            if not shape.fits(bindings):
                continue
            if number:
                document.text += "\n" if topic.verbatim else " "
            about = self._sentence(topic, shape, bindings, about, document)

    def _choose_shapes(self, topic: Topic) -> list[Shape]:
        openers = [shape for shape in topic.shapes if shape.opens]
        others = [shape for shape in topic.shapes if not shape.opens]
        first = [self._random.choice(openers)] if openers else []
        return first + self._random.sample(others, self._random.randint(3, 7))

    def _bind(self, shape: Shape, bindings: dict[str, Record]) -> None:
        for concept, binding in sorted(shape.needs()):
            if binding in bindings and concept not in _FRESH:
                continue
            taken = {bindings[name]["name"] for name in bindings if name.startswith(concept)}
            choice = self._random.choice(self.vocabulary.records[concept])
            while choice["name"] in taken:
                choice = self._random.choice(self.vocabulary.records[concept])
            bindings[binding] = choice

    def _sentence(
        self,
        topic: Topic,
        shape: Shape,
        bindings: dict[str, Record],
        about: tuple[str, ...],
        document: Document,
    ) -> tuple[str, ...]:
        """Append one sentence; returns what the paragraph is about after it."""
        index = 0
        for span in self._spans(topic, shape, bindings):
            base = len(document.text)
            document.text += span.text
            for match in _WORD.finditer(span.text):
                concepts = span.concepts or self.vocabulary.word_concepts(match[0])
                start, end = base + match.start(), base + match.end()
                word = Word(
                    start,
                    end,
                    self.vocabulary.normal(match[0], first=index == 0),
                    topic.name,
                    shape.source,
                    index,
                    concepts,
                    about,
                )
                document.words.append(word)
                index += 1
            if span.names and span.names not in about:
                about = (*about, span.names)
        return about

    def _spans(self, topic: Topic, shape: Shape, bindings: dict[str, Record]) -> Iterator[_Span]:
        before = ""
        for part in shape.parts:
            for span in self._part_spans(part, bindings):
                text = span.text
                if not topic.verbatim and _SENTENCE_START.search(before):
                    text = text[0].upper() + text[1:]
                yield span._replace(text=text)
                before += text

    def _part_spans(self, part: str | Slot, bindings: dict[str, Record]) -> Iterator[_Span]:
        if isinstance(part, str):
            yield _Span(part, (), "")
            return
        record = bindings[part.binding]
        value = record[part.field]
        if part.article:
            yield _Span(f"{article(value)} ", (), "")
        concepts = self.vocabulary.slot_concepts(part.concept, record, part.field)
        names = f"{part.concept}: {record['name']}" if part.field != "s" else ""
        yield _Span(value, concepts, names)


def article(noun: str) -> str:
    """The indefinite article, by the noun's first letters (`a Ukrainian`, `an umbrella`)."""
    return "an" if noun[0] in "aeioAEIO" or noun.startswith("um") else "a"
