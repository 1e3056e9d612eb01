"""What is said of each token of a text that a simulated scene has written."""

import random

import numpy as np
import pytest
from demo_model import corpus, facts, spots
from demo_model.facts import Facts, Kind
from demo_model.world import lexicon
from demo_model.world.lexicon import PLACES
from demo_model.world.scene import Document, Scene, Word

KITCHEN = next(place for place in PLACES if place.name == "kitchen")


def document() -> Document:
    """Anna is in the kitchen, and the question where she is."""
    written = Document()
    scene = Scene(random.Random(1), written, "stories")
    anna, dog = lexicon.person("Anna"), lexicon.animal("dog")
    scene.set(dog, "mood", "is sad")
    scene.say("{anna.the} is {place}.", anna=anna, place=KITCHEN,
              after=[(anna, "place", "is in the kitchen")])  # fmt: skip
    scene.say('"{dog} (a dog)," says {anna.he}.', dog=dog, anna=anna)
    scene.say("Where is {anna.the}? {anna.he} is {place!place}.", anna=anna, place=KITCHEN)
    return written


def tokens(written: Document) -> tuple[list[Word | None], list[str]]:
    """One token a word, after the `<|endoftext|>`."""
    texts = [written.text[word.start : word.end] for word in written.words]
    return [None, *written.words], ["<|endoftext|>", *texts]


@pytest.fixture(scope="module")
def said() -> dict[str, list[str]]:
    """The texts of the tokens at which each statement holds."""
    words, texts = tokens(document())
    found = facts.collect([words], [texts])
    return {
        text: [texts[1:][position] for position in positions]
        for (text, _), positions in zip(found.statements, found.by_statement(), strict=True)
    }


def test_the_world_holds_from_the_sentence_that_changes_it(said: dict[str, list[str]]) -> None:
    assert said["someone is in the kitchen"][:2] == ["kitchen", "."]
    assert "Anna is in the kitchen" in said
    assert len(said["the dog is sad"]) == len(document().words)


def test_mentions_are_by_name_or_by_pronoun(said: dict[str, list[str]]) -> None:
    assert said["mentions of Anna"] == ["Anna", "she", "Anna", "She"]
    assert said["mentions of who is in the kitchen"] == ["she", "Anna", "She"]
    assert said["pronouns for who is in the kitchen"] == ["she", "She"]
    assert said["mentions of an animal who is sad"] == ["dog"]
    assert said["the first mention of Anna"] == ["Anna"]
    assert said["the second mention of a girl"] == ["she"]
    assert said["places where someone is"] == ["kitchen", "kitchen"]


def test_a_question_is_open_until_its_answer(said: dict[str, list[str]]) -> None:
    assert said["a question is open: a place"] == ["?", "She", "is", "in", "the"]
    assert said["the answer comes next: a place"] == ["the"]
    assert said["the answer comes next: “kitchen”"] == ["the"]
    assert said['the word "the" when the answer is next'] == ["the"]


def test_marks_open_and_close(said: dict[str, list[str]]) -> None:
    assert said["inside quotation marks"] == ['"', "The", "dog", "(", "a", "dog", ")", ","]
    assert said["inside brackets"] == ["(", "a", "dog"]
    assert said["the start of a sentence"] == ["Anna", "The", "Where", "She"]


def test_words_and_what_is_around_them(said: dict[str, list[str]]) -> None:
    assert said['the word "Anna"'] == ["Anna", "Anna"]
    assert said["names"] == said["girls"] == ["Anna", "Anna"]
    assert said["right before places"] == ["the", "the"]
    assert said["places after “in the”"] == ["kitchen", "kitchen"]
    assert said["texts about who is where and has what"][0] == "Anna"
    assert said["in “… is ….”"] == ["Anna", "is", "in", "the", "kitchen", "."]


def test_a_piece_knows_what_follows_only_at_the_end_of_its_word() -> None:
    [anna, falls] = [
        Word(0, 4, "Anna", "sums", "", 0, ("girls",), (), (), (), ""),
        Word(5, 10, "falls", "sums", "", 1, (), (), (), (), ""),
    ]
    found = list(spots.read([None, anna, anna, falls], ["", "An", "na", " falls"]))
    assert [spot.following is not None for spot in found] == [False, True, False]
    assert found[2].previous == spots.Near("Anna", ("girls", "names"))


def test_numbers_are_above_ten_in_digits_and_in_letters() -> None:
    numbers = ["3", "thirteen"]
    words: list[Word | None] = [
        Word(at, at + 1, text, "sums", "", at, ("numbers",), (), (), (), "")
        for at, text in enumerate(numbers)
    ]
    found = facts.collect([words], [numbers])
    where = dict(zip((text for text, _ in found.statements), found.by_statement(), strict=True))
    assert where["numbers above ten"].tolist() == [1]
    assert where["numbers that end in 3"].tolist() == [0, 1]
    assert where["right before a number above ten"].tolist() == [0]


def test_facts_can_be_limited_to_known_statements() -> None:
    words, texts = tokens(document())
    known = ("mentions of Anna", Kind.WORLD)
    limited = facts.collect([words], [texts], [known])
    assert limited.statements == [known]
    assert limited.counts().tolist() == [4]
    whole = facts.collect([words], [texts])
    kept = whole.keep(np.array([statement == known for statement in whole.statements]))
    assert kept.by_statement()[0].tolist() == limited.by_statement()[0].tolist()


def test_nothing_is_said_twice_of_a_token() -> None:
    words, texts = tokens(document())
    found: Facts = facts.collect([words], [texts])
    for start, end in zip(found.offsets, found.offsets[1:], strict=False):
        ids = found.ids[start:end].tolist()
        assert len(ids) == len(set(ids))


def test_marks_between_sentences_are_words_of_their_own() -> None:
    written = Document()
    scene = Scene(random.Random(1), written, "sums")
    scene.say("one")
    scene.say("two", join=", ")
    spans = [(0, 3), (3, 4), (4, 8)]
    aligned = corpus.align(spans, written)
    assert [word.text for word in aligned if word] == ["one", ",", "two"]


def test_probes_are_found_by_tokens() -> None:
    written = document()
    spans = [(word.start, word.end) for word in written.words]
    spaced = [(start - (written.text[start - 1 : start] == " "), end) for start, end in spans]
    probe = next(p for p in corpus.locate(spaced, written) if p.task == "place")
    assert written.words[probe.start].text == "kitchen"
    assert probe.end == probe.start + 1
    pronoun = next(p for p in corpus.locate(spaced, written) if p.rivals)
    assert all(rival.startswith(" ") for rival in pronoun.rivals)
