"""Sentence shapes: sentences with slots, one a line in data/shapes, one file a topic.

A slot is `{country}`, `{country.capital}` (a field of the same record), `{country2}` (another
record) or `{a country}` (with its article). A line that starts with `> ` opens a paragraph.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from demo_model.vocabulary import DATA, Record, Vocabulary

_SLOT = re.compile(r"\{(a )?([a-z]+)(\d?)(?:\.([a-z_]+))?\}")
_HEADER = re.compile(r"# ([^(]+?)(?: \((.*)\))?$")


@dataclass(frozen=True)
class Slot:
    """A place for one field of one record. `binding` names the record within the paragraph."""

    concept: str
    binding: str
    field: str
    article: bool


@dataclass(frozen=True)
class Shape:
    """One sentence shape: literal text and slots in turn."""

    source: str
    parts: tuple[str | Slot, ...]
    opens: bool

    def needs(self) -> set[tuple[str, str]]:
        """Concept and binding of every record the shape speaks of."""
        return {(part.concept, part.binding) for part in self.parts if isinstance(part, Slot)}

    def fits(self, bindings: dict[str, Record]) -> bool:
        """Whether every field that the shape asks for is known of the bound records."""
        return all(
            bindings[part.binding][part.field] for part in self.parts if isinstance(part, Slot)
        )


@dataclass(frozen=True)
class Topic:
    """A topic and its shapes."""

    name: str
    shapes: tuple[Shape, ...]
    weight: int
    independent: bool  # every sentence has records of its own: a list of facts, not a story
    verbatim: bool  # lines of code: no capitals added, one sentence a line


def load_topics(vocabulary: Vocabulary, revision: bool = False) -> list[Topic]:
    """All topics, in the order of their file names; with `revision` those of the second course."""
    folders = ["shapes", "revision"] if revision else ["shapes"]
    topics = [_topic(path) for name in folders for path in sorted((DATA / name).glob("*.txt"))]
    for shape in (shape for topic in topics for shape in topic.shapes):
        for part in shape.parts:
            if isinstance(part, Slot) and part.field not in vocabulary.records[part.concept][0]:
                raise ValueError(f"no field {part.field!r} for {part.concept!r}: {shape.source}")
    return topics


def parse(line: str) -> Shape:
    """Parse one line of a shape file; `\\n` in it stands for a line break."""
    opens = line.startswith("> ")
    source = line.removeprefix("> ").replace("\\n", "\n")
    parts: list[str | Slot] = []
    end = 0
    for match in _SLOT.finditer(source):
        if match.start() > end:
            parts.append(source[end : match.start()])
        article, concept, number, field = match.groups()
        parts.append(Slot(concept, concept + number, field or "name", article is not None))
        end = match.end()
    if end < len(source):
        parts.append(source[end:])
    if any(isinstance(part, str) and ("{a" in part or "}." in part) for part in parts):
        raise ValueError(f"a slot that cannot be read: {line}")
    return Shape(source, tuple(parts), opens)


def heldout_phrasings() -> list[str]:
    """Capital questions kept out of training, with `{country}` where the name goes."""
    lines = (DATA / "heldout_capitals.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _topic(path: Path) -> Topic:
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    match = _HEADER.match(header)
    if match is None:
        raise ValueError(f"{path.name}: the first line must be '# topic (options)'")
    options = (match[2] or "").split(", ")
    weights = [int(option.split()[1]) for option in options if option.startswith("weight")]
    return Topic(
        name=match[1],
        shapes=tuple(parse(line) for line in lines if line),
        weight=weights[0] if weights else 1,
        independent="independent" in options,
        verbatim="verbatim" in options,
    )
