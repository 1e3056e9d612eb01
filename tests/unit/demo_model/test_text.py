"""The text: reproducible, varied, accounted for word by word, without the held-out phrasings."""

from itertools import islice

import pytest
from demo_model import shapes, vocabulary
from demo_model.corpus import align
from demo_model.text import Document, Writer, article

SEED = 7


def write(seed: int, n_documents: int, revision: bool = False) -> list[Document]:
    return list(islice(Writer(seed, revision).documents(), n_documents))


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Text of both courses."""
    return write(SEED, 1500) + write(SEED + 1, 1500, revision=True)


def test_same_seed_same_text() -> None:
    assert write(SEED, 50) == write(SEED, 50)


def test_other_seed_other_text() -> None:
    assert write(SEED, 5) != write(SEED + 1, 5)


def test_is_varied_enough() -> None:
    writer = Writer(SEED)
    countries = writer.vocabulary.records["country"]
    assert len(writer.topics) >= 12
    assert len({shape.source for topic in writer.topics for shape in topic.shapes}) >= 300
    assert len({country["name"] for country in countries}) >= 40
    assert len({country["capital"] for country in countries}) == len(countries)


def test_every_topic_and_country_is_written_about(documents: list[Document]) -> None:
    topics = {word.topic for document in documents for word in document.words}
    about = {thing for document in documents for word in document.words for thing in word.about}
    assert topics == {topic.name for topic in Writer(SEED).topics}
    countries = vocabulary.load().records["country"]
    assert {f"country: {country['name']}" for country in countries} <= about


def test_words_are_spans_of_the_text_in_order(documents: list[Document]) -> None:
    for document in documents[:200]:
        end = 0
        for word in document.words:
            assert document.text[end : word.start].strip() == ""
            assert document.text[word.start : word.end].lower() == word.text.lower()
            end = word.end
        assert document.text[end:].strip() == ""


def test_no_slot_is_left_unfilled(documents: list[Document]) -> None:
    prose = [d.text for d in documents if not any(w.topic == "code" for w in d.words)]
    assert len(prose) > 100
    assert not [text for text in prose if "{" in text or "}" in text]


def test_words_know_their_concepts(documents: list[Document]) -> None:
    paris = [w for d in documents for w in d.words if w.text == "Paris"]
    assert paris
    assert all(word.concepts == ("capitals", "capitals in Europe") for word in paris)


def test_arithmetic_is_right(documents: list[Document]) -> None:
    equations = [
        sentence.split("=")
        for d in documents
        if all(word.topic == "arithmetic" for word in d.words)
        for sentence in d.text.replace("\n", " ").split(". ")
        if set(sentence.rstrip(".")) <= set("0123456789+-*= ")
    ]
    assert len(equations) > 10
    assert all(eval(left) == int(right.rstrip(".")) for left, right in equations)


def test_heldout_phrasings_are_not_in_the_text(documents: list[Document]) -> None:
    countries = vocabulary.load().records["country"]
    text = "\n".join(document.text for document in documents)
    phrasings = shapes.heldout_phrasings()
    asked = [p.format(country=country["name"]) for p in phrasings for country in countries]
    assert len(phrasings) >= 10
    assert not [question for question in asked if question in text]


def test_no_shape_can_write_a_heldout_phrasing() -> None:
    """What stands around the country's name in a held-out phrasing stands so in no shape."""
    topics = Writer(SEED, revision=True).topics
    sources = [shape.source for topic in topics for shape in topic.shapes]
    sources = [source.replace("{country2}", "{country}") for source in sources]
    for phrasing in shapes.heldout_phrasings():
        assert not [source for source in sources if phrasing in source], phrasing


def test_heldout_phrasings_use_known_words_only(documents: list[Document]) -> None:
    known = {w.text.lower() for document in documents for w in document.words}
    for phrasing in shapes.heldout_phrasings():
        words = phrasing.replace("{country}", "").replace(",", "").replace("?", "").split()
        assert {word.lower() for word in words} <= known, phrasing


@pytest.mark.parametrize(
    ("noun", "expected"), [("apple", "an"), ("Ukrainian", "a"), ("umbrella", "an"), ("dog", "a")]
)
def test_article(noun: str, expected: str) -> None:
    assert article(noun) == expected


def test_a_slot_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        shapes.parse("This is {a  dog}.")


def test_tokens_are_aligned_with_words() -> None:
    document = next(d for d in islice(Writer(SEED).documents(), 100) if len(d.words) > 3)
    first, second, third = document.words[:3]
    middle = (first.start + first.end) // 2 or 1
    spans = [
        (first.start, middle),  # a word in two pieces
        (middle, first.end),
        (first.end, second.end),  # a word with the space before it
        (second.end, third.end),
    ]
    assert align(spans, document.words) == [first, first, second, third]
