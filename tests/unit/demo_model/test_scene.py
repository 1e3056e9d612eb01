"""The markup of scenes, and what a document keeps of its words."""

import random
from itertools import islice

import pytest
from demo_model.world import lexicon
from demo_model.world.lexicon import PLACES
from demo_model.world.scene import Count, Document, Fact, Scene, article
from demo_model.world.writer import Writer, closings

ANNA, DOG = lexicon.person("Anna"), lexicon.animal("dog")


def new_scene(seed: int = 1, held_out: bool = False) -> tuple[Scene, Document]:
    document = Document()
    return Scene(random.Random(seed), document, "stories", held_out), document


def texts(seed: int, held_out: bool = False, annotated: bool = True) -> list[str]:
    writer = Writer(seed, held_out, annotated=annotated)
    return [document.text for document in islice(writer.documents(), 40)]


@pytest.mark.parametrize("held_out", [False, True])
def test_same_seed_same_text_annotated_or_not(held_out: bool) -> None:
    assert texts(3, held_out) == texts(3, held_out) == texts(3, held_out, annotated=False)
    assert texts(3, held_out) != texts(4, held_out)


def test_words_are_spans_of_the_text_in_order(training: list[Document]) -> None:
    for document in training:
        end = 0
        for word in document.words:
            assert document.text[end : word.start].strip() in ("", ",", ".")  # between sentences
            assert document.text[word.start : word.end].lower() == word.text.lower()
            end = word.end
        assert document.text[end:].strip() == ""


def test_no_slot_is_left_unfilled(training: list[Document], held_out: list[Document]) -> None:
    for document in training + held_out:
        assert not set("{}<|~") & set(document.text) - {"<"}, document.text


@pytest.mark.parametrize(
    ("phrasing", "text"),
    [
        ("{who.the} has {a thing}", "Anna has an umbrella"),
        ("{thing} of {who.name}", "The umbrella of Anna"),
        ("{pet} is {place}, {place.the}, {place.name}", "The dog is in the hall, the hall, hall"),
        ("{n} {n.word}", "3 three"),
        ("there {was apples} {apples}", "There were 3 apples"),
        ("{one} {has one} {one.noun}", "1 apple has apple"),
        ("{both} {is both} here", "Anna and Tom are here"),
        ("{pet.s} <run|run> to {pet.him}", "Dogs run to it"),
    ],
)
def test_slots(phrasing: str, text: str) -> None:
    scene, document = new_scene()
    scene.say(
        phrasing, who=ANNA, thing=lexicon.thing("umbrella"), pet=DOG, n=3,
        place=next(place for place in PLACES if place.name == "hall"),
        apples=Count(3, lexicon.food("apple")), one=Count(1, lexicon.food("apple")),
        both=lexicon.Entity("Anna and Tom", "friends", "they", proper=True),
    )  # fmt: skip
    assert document.text == text


def said_of(first: str, second: str, *between: str) -> set[str]:
    """How `first` is called, by chance, after a sentence about both and others between."""
    found = set()
    for seed in range(60):
        scene, document = new_scene(seed)
        a, b = lexicon.person(first), lexicon.person(second)
        scene.say("{a.name} sees {b.name}.", a=a, b=b)
        for name in between:
            scene.say("{who.name} laughs.", who=lexicon.person(name))
        scene.say("{a} goes.", a=a)
        found.add(document.text.split()[-2])
    return found


def test_pronouns_only_where_nobody_else_can_be_meant() -> None:
    assert said_of("Anna", "Tom") == {"Anna", "She"}
    assert said_of("Anna", "Mia") == {"Anna"}
    assert said_of("Anna", "Tom", "Mia") == {"Anna"}
    assert said_of("Anna", "Tom", "Tom", "Ben") == {"Anna"}  # named too long ago


def test_nobody_is_called_it() -> None:
    for seed in range(20):
        scene, document = new_scene(seed)
        scene.say("{pet} barks.", "{pet} runs.", pet=DOG)
        scene.say("{pet} sleeps.", pet=DOG)
        assert document.text.endswith("The dog sleeps.")


def test_facts_hold_from_the_last_slot_until_they_end() -> None:
    scene, document = new_scene()
    cat, hall = lexicon.animal("cat"), next(place for place in PLACES if place.name == "hall")
    scene.say("{cat} goes to {hall.the}.", cat=cat, hall=hall, after=[(cat, "place", "is in")])
    scene.say("{cat} goes home.", cat=cat, after=[(cat, "place", "")])
    held = {word.text for word in document.words if Fact("the cat", "is in") in word.state}
    assert held == {"hall", ".", "the"}
    assert [word.state for word in document.words[-3:]] == [()] * 3


def test_a_task_takes_the_place_of_the_one_in_the_phrasing() -> None:
    scene, document = new_scene()
    for task in ("", "two moves"):
        scene.say("It is {n!place}, not {n}.", n=3, task=task)
    assert [probe.task for probe in document.probes] == ["place", "two moves"]
    assert [word.task for word in document.words if word.text == "3"] == [
        "place", "", "two moves", "",
    ]  # fmt: skip


def test_phrasings_that_are_held_out_are_used_where_there_are_some() -> None:
    for held_out, expected in ((False, "Usual."), (True, "Held.")):
        scene, document = new_scene(held_out=held_out)
        scene.say("usual.", "~held.")
        assert document.text == expected
        assert document.words[0].phrasing == expected.lower()
        scene.say("usual.")
        assert document.text == f"{expected} Usual."


def test_one_combination_in_eight_is_held_out() -> None:
    usual, held = new_scene()[0], new_scene(held_out=True)[0]
    for n, options in ((8, 1), (25, 4), (3, 1)):
        trained, kept = (s.fitting("Anna", range(n)) for s in (usual, held))
        assert sorted(trained + kept) == list(range(n))
        assert options - 1 <= len(kept) <= options
        assert kept


def test_code_stands_as_it_is_and_sentences_begin_with_a_capital() -> None:
    scene, document = new_scene()
    scene.code("x = 3")
    scene.line("so it is.")
    scene.say('"{pet} and I," says {who.name}.', who=ANNA, pet=DOG)
    assert document.text == 'x = 3\nSo it is. "The dog and I," says Anna.'
    assert [word.text for word in document.words if word.text.isalpha()] == [
        "x", "so", "it", "is", "the", "dog", "and", "I", "says", "Anna",
    ]  # fmt: skip


def test_brackets_and_quotation_marks_close() -> None:
    text = 'f(a[0], "b)") {c'
    found = list(closings(text))
    assert [text[: probe.end] for probe in found] == ["f(a[0]", 'f(a[0], "b)"', 'f(a[0], "b)")']
    assert all(probe.task == "closing" for probe in found)
    assert set(found[0].rivals) == {")", "}", '"', "\n"}


@pytest.mark.parametrize(("noun", "expected"), [("apple", "an"), ("umbrella", "an"), ("dog", "a")])
def test_article(noun: str, expected: str) -> None:
    assert article(noun) == expected
