"""Practice text: its answers are right, and nothing that is held out is in it."""

import random
import re
from itertools import islice

import pytest
from demo_model.world import lexicon, practice, programs
from demo_model.world.document import Document, Word
from demo_model.world.scene import Scene
from demo_model.world.snippets import VALUES
from demo_model.world.telling import NAMES
from demo_model.world.writer import Writer

# Held-out wordings that practice comes close to.
HELD_OUT = re.compile(
    r"# this prints|# here \w+ is|at the end\? Now it is|If we print \w+ now|If you look for"
    r"|If you want the \w+, you must|the change s?he gets is|So who has|counts them all"
)
PRINTED = re.compile(r"^print\((\w+)\)  #.* (\d+)$")


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(islice(Writer(5, topics=practice.SCENES).documents(), 250))


def answers(documents: list[Document], task: str) -> list[tuple[str, str, Word]]:
    """The text before each answer, the answer, and its word."""
    found = []
    for document in documents:
        words = {word.start: word for word in document.words}
        found += [
            (document.text[: p.start], document.text[p.start : p.end], words[p.start])
            for p in document.probes
            if p.task == task
        ]
    assert len(found) > 100
    return found


def test_programs_print_what_python_prints(documents: list[Document]) -> None:
    printed = 0
    for document in documents:
        values: dict[str, int] = {}
        for line in document.text.splitlines():
            if re.fullmatch(r"\w+ = [\w +*-]+", line):
                exec(line, values)  # lines of assignments that the world wrote
            elif match := PRINTED.match(line):
                assert values[match[1]] == int(match[2]), document.text
                printed += 1
    assert printed > 300


def test_told_variables_have_the_value_of_the_answer(documents: list[Document]) -> None:
    told = 0
    for before, said, word in answers(documents, "variable"):
        name = re.findall(rf"\b({'|'.join(programs.VARIABLES)})\b", before)[-1]
        values = [f.what for f in word.state if f.subject == name and re.match(r"is \d", f.what)]
        assert values == [f"is {said}"], before
        told += "print" not in before.rsplit("\n", 1)[-1]
    assert told > 30


def test_things_are_with_who_is_said_to_have_them(documents: list[Document]) -> None:
    for before, said, word in answers(documents, "holder"):
        thing = re.findall(rf"\b({'|'.join(lexicon.THINGS)})\b", before)[-1]
        assert f"is with {said}" in [f.what for f in word.state if f.subject == f"the {thing}"]


def test_nothing_that_is_held_out_is_practised(documents: list[Document]) -> None:
    held = Scene(random.Random(0), Document(), "", held_out=True)
    for document in documents:
        assert not HELD_OUT.search(document.text)
    for _, said, word in answers(documents, "variable"):
        subjects = [f.subject for f in word.state if f.what == f"is {said}"]
        assert any(int(said) not in held.fitting(name, VALUES) for name in subjects)
    for before, said, _ in answers(documents, "holder"):
        thing = re.findall(rf"\b({'|'.join(lexicon.THINGS)})\b", before)[-1]
        assert said not in held.fitting(thing, NAMES)
