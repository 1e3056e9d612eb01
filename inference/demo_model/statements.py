"""Everything that can be said of a token from where it came from: the candidates for labels.

A *statement* is a readable claim about one position ("someone is in the kitchen", "the answer
comes next: a place"), true or false at every position of annotated text. The simulation knows, so
nothing is guessed from activations. Those about the state of the world: `world_statements.py`.
"""

import re
from collections.abc import Iterator
from enum import IntEnum

from demo_model.spots import Answer, Near
from demo_model.world.scene import NUMBER_WORDS


class Kind(IntEnum):
    """What a statement speaks of, from the most to the least telling."""

    WORLD = 0  # what holds in the simulated world
    STRUCTURE = 1  # questions, quotation marks, brackets, sentences, mentions
    CONCEPT = 2  # what the word is one of
    NEXT = 3  # what comes next
    FACT_AT_WORD = 4  # a word or a concept, and what holds in the world or the text there
    COMBINED = 5  # a concept, and what is beside it
    CONTEXT = 6  # what comes before
    WORD_IN_CONTEXT = 7
    TOPIC = 8
    SENTENCE = 9
    POSITION = 10
    WORD = 11  # one word (or piece of a word), wherever it stands


Statement = tuple[str, Kind]
Concepts = tuple[str, ...]

_MARKUP = re.compile(r"\{[^{}\"]*\}")
_LONGEST = 60  # letters of a sentence's phrasing
_MARKS = {
    ".": "full stops",
    ",": "commas",
    "?": "question marks",
    "!": "exclamation marks",
    '"': "quotation marks",
    ":": "colons",
    "#": "the sign # before a comment",
    "(": "opening brackets",
    ")": "closing brackets",
    "'": "apostrophes",
    "\n": "line breaks",
}
_ONE = {
    "names": "a name",
    "girls": "a girl",
    "boys": "a boy",
    "animals": "an animal",
    "countries": "a country",
    "food": "food",
    "money": "money",
    "weather": "the weather",
}
_TOPICS = {
    "stories": "who is where and has what",
    "moods": "feelings",
    "market": "the market",
    "days": "days and the weather",
}
_TASKS = {"sums": "a sum", "minus": "a difference", "compare": '"more" or "less"'}


def name_of(near: Near) -> str:
    """How a label speaks of one word or mark, whatever its capitals."""
    if near.text in _MARKS:
        return _MARKS[near.text]
    if near.text[0].isalnum():
        return f'the word "{near.text}"'
    return f"the sign {near.text}".replace("\n", "⏎")


def one(concept: str) -> str:
    """A concept in the singular, with its article."""
    if concept in _ONE:
        return _ONE[concept]
    single = concept.removesuffix("s")
    return f"an {single}" if single[0] in "aeio" else f"a {single}"


def of_the_word(near: Near, token: str, starts: bool, topic: str) -> Iterator[Statement]:
    """The word itself, and what it is one of."""
    name, topic = name_of(near), about_topic(topic)
    yield name, Kind.WORD
    yield f"{name} in texts about {topic}", Kind.WORD_IN_CONTEXT
    yield f"texts about {topic}", Kind.TOPIC
    if near.text[0].isalnum() and token.lower() != near.text.lower():
        yield f'the word piece "{token}"', Kind.WORD
        yield f'the piece "{token}" of {name}', Kind.WORD_IN_CONTEXT
    for concept in near.concepts:
        yield concept, Kind.CONCEPT
        yield f"{concept} in texts about {topic}", Kind.COMBINED
    if starts:
        yield "the start of a sentence", Kind.STRUCTURE
        yield f"the start of a sentence in texts about {topic}", Kind.STRUCTURE
        for what in (name, *near.concepts):
            yield f"{what} at the start of a sentence", Kind.COMBINED
    yield from _of_the_number(near)


def about_topic(topic: str) -> str:
    """What texts of a topic are about, for people who do not know its short name."""
    return _TOPICS.get(topic, topic)


def _of_the_number(near: Near) -> Iterator[Statement]:
    if "numbers" not in near.concepts:
        return
    number = value(near.text)
    if number is None:
        return
    yield f"the number {number}, in digits or in letters", Kind.CONCEPT
    yield "numbers above ten" if number > 10 else "numbers up to ten", Kind.CONCEPT
    yield "even numbers" if number % 2 == 0 else "odd numbers", Kind.CONCEPT
    yield f"numbers that end in {number % 10}", Kind.CONCEPT
    yield "numbers in digits" if near.text.isdigit() else "numbers in letters", Kind.CONCEPT


def value(text: str) -> int | None:
    """The number that a word says."""
    if text.isascii() and text.isdigit():
        return int(text)
    return NUMBER_WORDS.index(text) if text in NUMBER_WORDS else None


def of_the_sentence(near: Near, phrasing: str) -> Iterator[Statement]:
    """The phrasing that wrote the word."""
    sentence = _MARKUP.sub("…", phrasing)
    sentence = sentence.translate(str.maketrans("|\n", "/⏎", "<>"))
    if len(sentence) > _LONGEST:
        sentence = sentence[:_LONGEST] + "…"
    yield f"in “{sentence}”", Kind.SENTENCE
    for what in (name_of(near), *near.concepts):
        yield f"{what} in “{sentence}”", Kind.SENTENCE


def after(near: Near, previous: Near, before_that: Near | None, topic: str) -> Iterator[Statement]:
    """What stands before the word."""
    topic = about_topic(topic)
    contexts = [name_of(previous), *previous.concepts]
    if before_that and before_that.text.strip() and previous.text.strip():
        contexts.append(f"“{before_that.text} {previous.text}”")
    for context in contexts:
        yield f"right after {context}", Kind.CONTEXT
        yield f"{name_of(near)} after {context}", Kind.WORD_IN_CONTEXT
        for concept in near.concepts:
            yield f"{concept} after {context}", Kind.COMBINED
    for context in contexts[:2]:
        yield f"right after {context} in texts about {topic}", Kind.CONTEXT


def before(near: Near, following: Near, topic: str) -> Iterator[Statement]:
    """What comes next."""
    topic = about_topic(topic)
    for context in (name_of(following), *following.concepts):
        yield f"right before {context}", Kind.NEXT
        yield f"right before {context} in texts about {topic}", Kind.NEXT
        yield f"{name_of(near)} before {context}", Kind.WORD_IN_CONTEXT
        for concept in near.concepts:
            yield f"{concept} before {context}", Kind.COMBINED
    if "numbers" in following.concepts and (number := value(following.text)) is not None:
        size = "above ten" if number > 10 else "up to ten"
        yield f"right before a number {size}", Kind.NEXT
        yield f"right before the number {number}, in digits or in letters", Kind.NEXT


def asked(near: Near, answer: Answer, comes_next: bool) -> Iterator[Statement]:
    """A question is open."""
    kinds = [one(concept) for concept in answer.concepts]
    kinds += [_TASKS[answer.task]] if answer.task in _TASKS else []
    openings = ["a question is open", "the answer comes next"][: 1 + comes_next]
    for opening in openings:
        yield opening, Kind.STRUCTURE
        for kind in kinds:
            yield f"{opening}: {kind}", Kind.STRUCTURE
        yield f"{opening}: “{answer.text}”", Kind.WORLD
    when = "when the answer is next" if comes_next else "while a question is open"
    for what in (name_of(near), *near.concepts):
        yield f"{what} {when}", Kind.FACT_AT_WORD
        for kind in kinds:
            yield f"{what} {when}: {kind}", Kind.FACT_AT_WORD


def enclosed(near: Near, quoted: bool, depth: int, topic: str) -> Iterator[Statement]:
    """Inside quotation marks or brackets."""
    places = []
    if quoted:
        places.append("inside a string" if topic == "programs" else "inside quotation marks")
    if depth:
        places.append("inside brackets")
    if depth >= 2:
        places.append("two brackets deep" if depth == 2 else "three brackets deep or deeper")
    for place in places:
        yield place, Kind.STRUCTURE
        for what in (name_of(near), *near.concepts):
            yield f"{what} {place}", Kind.FACT_AT_WORD
