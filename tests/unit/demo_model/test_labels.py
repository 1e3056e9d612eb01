"""Choosing and scoring labels, on an example small enough to count by hand."""

import numpy as np
import pytest
import torch
from demo_model import facts, labels
from demo_model.facts import Facts, Kind
from demo_model.labels import Firings, Label
from demo_model.text import Word

RAIN = ('the word "rain"', Kind.WORD)
SNOW = ('the word "snow"', Kind.WORD)
WEATHER = ("weather nouns", Kind.CONCEPT)
COMMON = ("words", Kind.CONCEPT)


def example(n_positions: int = 1000) -> Facts:
    """Rain at 0-19, snow at 20-39, both weather; one statement that holds everywhere."""
    rows = [
        [0, 2, 3] if position < 20 else [1, 2, 3] if position < 40 else [3]
        for position in range(n_positions)
    ]
    offsets = np.cumsum([0] + [len(row) for row in rows])
    return Facts([RAIN, SNOW, WEATHER, COMMON], offsets, np.concatenate(rows))


def activations(*fires_at: list[int], n_positions: int = 1000) -> torch.Tensor:
    dense = torch.zeros(n_positions, len(fires_at))
    for feature, positions in enumerate(fires_at):
        dense[positions, feature] = 1.5
    return dense


def fire(*fires_at: list[int]) -> Firings:
    """Firings in two parts, as measuring makes them."""
    return labels.firings(torch.split(activations(*fires_at), 600), len(fires_at))


def chosen(fires_at: list[int]) -> str:
    (label,) = labels.choose(fire(fires_at), example())
    return label.description


def test_a_feature_of_one_word_is_named_after_it() -> None:
    assert chosen(list(range(18))) == 'the word "rain"'


def test_a_feature_of_all_its_words_is_named_after_the_concept() -> None:
    assert chosen(list(range(40))) == "weather nouns"


def test_a_statement_that_holds_everywhere_is_no_label() -> None:
    assert labels.choose(fire(list(range(500, 600))), example()) == []


def test_two_words_are_joined_where_no_concept_covers_them() -> None:
    whole = example()
    facts_without_concept = whole.keep(np.array([True, True, False, True]))
    fired = fire(list(range(40)))
    (label,) = labels.choose(fired, facts_without_concept)
    assert set(label.statements) == {RAIN, SNOW}
    assert " or " in label.description


def test_dead_features_get_no_label() -> None:
    assert labels.choose(fire([]), example()) == []


def test_score_counts_hits_firings_and_holds() -> None:
    whole = example()
    where = dict(zip(whole.statements, whole.by_statement(), strict=True))
    fired = fire([0, 1, 2, 25, 30, 31, 50, 51])
    score = labels.score(Label(0, (WEATHER,)), fired, whole, where)
    assert score == labels.Score(firings=8, precision=6 / 8, recall=6 / 40, base_rate=40 / 1000)


def test_a_label_unknown_to_the_measuring_text_scores_zero() -> None:
    whole = example()
    fired = fire([0, 1])
    score = labels.score(Label(0, (("hail", Kind.WORD),)), fired, whole, {})
    assert (score.precision, score.recall, score.base_rate) == (0, 0, 0)


def test_summary_counts_live_features_without_a_label_as_bad() -> None:
    fired = fire([0, 1], [2], [])
    good = labels.Score(firings=2, precision=1.0, recall=0.5, base_rate=0.1)
    summary = labels.summary(fired, {0: good})
    assert summary["live"] == 2
    assert summary["labels_precise"] == 0.5


def word(text: str, place: int, *concepts: str) -> Word:
    return Word(0, 1, text, "weather", "The {weather} falls.", place, concepts, ())


@pytest.fixture
def rain_falls() -> Facts:
    the, rain, falls = word("the", 0, "articles"), word("rain", 1, "nouns"), word("falls", 2)
    rows = [[None, the, rain, rain, falls]]
    return facts.collect(rows, [["<|endoftext|>", "The", " ra", "in", " falls"]])


def test_facts_of_the_words_and_their_neighbours(rain_falls: Facts) -> None:
    where = {
        text: positions.tolist()
        for (text, _), positions in zip(
            rain_falls.statements, rain_falls.by_statement(), strict=True
        )
    }
    assert rain_falls.n_positions == 4
    assert where['the word "rain"'] == [1, 2]
    assert where['the word piece "ra"'] == [1]
    assert where["right after articles"] == [1, 2]
    assert where["right before nouns"] == [0]
    assert where['the word "falls" after nouns'] == [3]
    assert where['right after "the rain"'] == [3]
    assert where["texts about weather"] == [0, 1, 2, 3]
    assert where['in "The … falls."'] == [0, 1, 2, 3]


def test_facts_can_be_limited_to_known_statements(rain_falls: Facts) -> None:
    keep = np.array([text == 'the word "rain"' for text, _ in rain_falls.statements])
    limited = rain_falls.keep(keep)
    assert limited.statements == [('the word "rain"', Kind.WORD)]
    assert limited.counts(np.array([1, 3])).tolist() == [1]
