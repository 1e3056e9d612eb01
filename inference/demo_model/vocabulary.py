"""What the text is about: concepts, the words that express them, and facts that link words.

A *record* is one thing with named fields, e.g. France with its capital and its language. A
*concept* is a named set of words ("fruits"); every word of the text can be traced back to the
concepts it belongs to.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DATA = Path(__file__).parent / "data"
Record = dict[str, str]

_NUMBER_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_PET_NAMES = ("Bella", "Coco", "Fluffy", "Luna", "Milo", "Oscar", "Rocky", "Socks", "Teddy")

# table -> field -> (what its words are, field that groups them, what a group's words are)
_FIELDS: dict[str, dict[str, tuple[str, str, str]]] = {
    "country": {
        "name": ("country names", "continent", "countries in {}"),
        "capital": ("capitals", "continent", "capitals in {}"),
        "continent": ("continents", "", ""),
        "language": ("languages", "", ""),
        "currency": ("currencies", "", ""),
        "money": ("currencies", "", ""),
        "adjective": ("nationalities", "continent", "nationalities of {}"),
    },
    "animal": {
        "name": ("animals", "kind", "{}s"),
        "plural": ("animals in the plural", "kind", "{}s in the plural"),
        "kind": ("kinds of animals", "", ""),
        "place": ("places where animals live", "", ""),
        "food": ("food of animals", "", ""),
        "sound": ("sounds of animals", "", ""),
        "young": ("young animals", "", ""),
    },
    "person": {"name": ("first names", "kind", "{}s' names")},
    "day": dict.fromkeys(("name", "next", "previous"), ("days of the week", "kind", "{}s")),
    "month": {
        **dict.fromkeys(("name", "next", "previous"), ("months", "season", "months in {}")),
        "season": ("seasons", "", ""),
        "ordinal": ("ordinal numbers", "", ""),
        "length": ("lengths of months", "", ""),
    },
    "job": {
        "name": ("professions", "", ""),
        "plural": ("professions in the plural", "", ""),
        "place": ("places of work", "", ""),
        "work": ("what a profession does", "", ""),
        "tool": ("tools of a profession", "", ""),
    },
    "planet": {
        "name": ("planets", "", ""),
        "ordinal": ("ordinal numbers", "", ""),
        "fact": ("facts about planets", "", ""),
    },
    "opposite": {"name": ("adjectives", "", ""), "opposite": ("adjectives", "", "")},
    "solid": {
        "name": ("geometric shapes", "", ""),
        "sides": ("numbers of sides", "", ""),
        "corners": ("numbers of corners", "", ""),
    },
    "thing": {
        "name": ("everyday objects", "", ""),
        "plural": ("everyday objects in the plural", "", ""),
        "material": ("materials", "", ""),
        "use": ("what an object is used for", "", ""),
    },
    "petname": {"name": ("names of pets", "", "")},
}
_TABLE_FILES = {
    "country": "countries",
    "animal": "animals",
    "person": "people",
    "day": "days",
    "month": "months",
    "job": "jobs",
    "planet": "planets",
    "opposite": "opposites",
    "solid": "solids",
    "thing": "things",
}
_SLOT_ONLY = {"sides", "corners", "length"}  # plain numbers elsewhere
_ARITHMETIC = {
    "sum": "sums",
    "difference": "differences",
    "product": "products",
    "step": "the next number",
    "order": "comparisons of numbers",
    "twice": "doubled numbers",
}
_PARTS = {"a": "first number of {}", "b": "second number of {}", "c": "results of {}"}


@dataclass
class Vocabulary:
    """All records by concept, and for each word the concepts (as readable labels) it belongs to."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    slot_only: set[tuple[str, str]] = field(default_factory=set)
    field_labels: dict[tuple[str, str], tuple[str, str, str]] = field(default_factory=dict)

    def slot_concepts(self, concept: str, record: Record, field_name: str) -> tuple[str, ...]:
        """Labels of the words that `record[field_name]` puts into the text."""
        label = self.field_labels.get((concept, field_name))
        if label is None:
            return ()
        description, group_field, group = label
        own = (description, group.format(record[group_field])) if group_field else (description,)
        if (concept, field_name) not in self.slot_only:
            return own
        return tuple(dict.fromkeys((*own, *self.word_concepts(record[field_name]))))

    def normal(self, word: str, first: bool) -> str:
        """A word without the capital that only its place in the sentence gives it."""
        if word in self.words or (word.lower() not in self.words and not first):
            return word
        return word.lower()

    def word_concepts(self, word: str) -> tuple[str, ...]:
        """Labels of a word wherever it stands, with or without a sentence's capital."""
        return self.words.get(word) or self.words.get(word.lower(), ())


def load() -> Vocabulary:
    """Read the data folder."""
    vocabulary = Vocabulary()
    for table, fields in _FIELDS.items():
        vocabulary.records[table] = _table(table)
        for name, label in fields.items():
            vocabulary.field_labels[table, name] = label
            if name in _SLOT_ONLY:
                vocabulary.slot_only.add((table, name))
    records = vocabulary.records
    records["pet"] = [r for r in records["animal"] if r["kind"] == "pet" and r["sound"]]
    records["seaanimal"] = [r for r in records["animal"] if r["kind"] == "sea animal"]
    for alias in ("pet", "seaanimal"):
        for name, label in _FIELDS["animal"].items():
            vocabulary.field_labels[alias, name] = label
    for concept, operation in _ARITHMETIC.items():
        records[concept] = list(_arithmetic(concept))
        for part, label_text in _PARTS.items():
            for name in (part, f"{part}_word"):
                vocabulary.field_labels[concept, name] = (label_text.format(operation), "", "")
                vocabulary.slot_only.add((concept, name))
    _add_tables_to_words(vocabulary)
    for key, label_text, items in _concept_lines():
        _add_concept(vocabulary, key, label_text, items)
    return vocabulary


def _table(table: str) -> list[Record]:
    if table == "petname":
        return [{"name": name} for name in _PET_NAMES]
    with (DATA / f"{_TABLE_FILES[table]}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _arithmetic(concept: str) -> Iterator[Record]:
    pairs = {
        "sum": [(a, b, a + b) for a in range(1, 11) for b in range(1, 11)],
        "difference": [(a + b, b, a) for a in range(1, 11) for b in range(1, 11)],
        "product": [(a, b, a * b) for a in range(2, 11) for b in range(2, 11) if a * b <= 20],
        "step": [(a, 1, a + 1) for a in range(20)],
        "order": [(a, 0, c) for a in range(20) for c in range(a + 1, 21)],
        "twice": [(a, a, 2 * a) for a in range(1, 11)],
    }[concept]
    for a, b, c in pairs:
        values = {"a": a, "b": b, "c": c}
        words = {f"{part}_word": _NUMBER_WORDS[value] for part, value in values.items()}
        yield {"name": f"{a} {b}", **{k: str(v) for k, v in values.items()}, **words}


def _concept_lines() -> Iterator[tuple[str, str, list[str]]]:
    for line in (DATA / "concepts.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("# "):
            key, label, items = line.split(" | ")
            yield key.strip(), label.strip(), [item.strip() for item in items.split(",")]


def _add_concept(vocabulary: Vocabulary, key: str, label: str, items: list[str]) -> None:
    """Add a line of concepts.txt.

    A key with a star names words that are only recognised, never chosen for a slot; one with a
    tilde names words that express the concept in its slot only: "three" may be an hour, but not
    wherever it stands.
    """
    pairs = [(item.split("/")[0], item.split("/")[-1]) for item in items]
    slot_only = key.endswith("~")
    key = key.removesuffix("~")
    if slot_only:
        vocabulary.slot_only |= {(key, "name"), (key, "s")}
    if not key.endswith("*"):
        vocabulary.records[key] = [{"name": name, "s": plural} for name, plural in pairs]
        vocabulary.field_labels[key, "name"] = (label, "", "")
        vocabulary.field_labels[key, "s"] = (f"{label} in the plural", "", "")
    for word in dict.fromkeys(word for pair in pairs for word in pair):
        if " " not in word and not slot_only:
            vocabulary.words[word] = (*vocabulary.words.get(word, ()), label)


def _add_tables_to_words(vocabulary: Vocabulary) -> None:
    for table, fields in _FIELDS.items():
        for name in fields:
            for record in vocabulary.records[table]:
                for label in vocabulary.slot_concepts(table, record, name):
                    known = vocabulary.words.get(record[name], ())
                    if record[name].isalpha() and label not in known and name not in _SLOT_ONLY:
                        vocabulary.words[record[name]] = (*known, label)
