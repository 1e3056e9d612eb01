"""Choosing and scoring labels, on an example small enough to count by hand."""

import numpy as np
import torch
from demo_model import labels, promoted
from demo_model.facts import Facts, Kind
from demo_model.labels import Firings, Label, Score
from transformers import GPT2Config, GPT2LMHeadModel

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


def test_a_feature_of_one_word_is_a_word_detector_whatever_else_holds_there() -> None:
    # The state holds exactly where the word stands, so it is as good; yet it tells no more.
    rain = range(20)
    offsets = np.cumsum([0] + [2 if p in rain else 0 for p in range(1000)])
    held = Facts([RAIN, ("it rains", Kind.WORLD)], offsets, np.array([0, 1] * 20))
    (label,) = labels.choose(fire(list(rain)), held)
    assert label.statements == (RAIN,)
    assert label.kind == Kind.WORD


def test_of_what_is_as_good_the_more_telling_is_the_label() -> None:
    rows = [[0, 1] if p < 40 else [] for p in range(1000)]
    offsets = np.cumsum([0] + [len(row) for row in rows])
    after = ("right after rain", Kind.CONTEXT)
    held = Facts([after, ("it rains", Kind.WORLD)], offsets, np.array([0, 1] * 40))
    (label,) = labels.choose(fire(list(range(40))), held)
    assert label.description == "it rains"


def test_a_topic_is_the_label_where_nothing_else_is_precise() -> None:
    # Fires in one text of ten, mostly where it rains: the topic holds always, the rain nearly so.
    rows = [[0, 1] if p < 50 else [0] if p < 100 else [] for p in range(1000)]
    offsets = np.cumsum([0] + [len(row) for row in rows])
    topic = ("texts about weather", Kind.TOPIC)
    held = Facts([topic, ("it rains", Kind.WORLD)], offsets, np.concatenate(rows).astype(int))
    mostly, seldom = fire(list(range(5, 55))), fire(list(range(40, 90)))
    assert [label.description for label in labels.choose(mostly, held)] == ["it rains"]
    assert [label.description for label in labels.choose(seldom, held)] == ["texts about weather"]


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


def score_of(precision: float, recall: float = 0.5) -> Score:
    return Score(firings=2, precision=precision, recall=recall, base_rate=0.1)


def test_labels_that_do_not_stand_up_are_given_up() -> None:
    three = [Label(feature, (RAIN,)) for feature in range(3)]
    scores = {0: score_of(0.6), 1: score_of(0.4), 2: score_of(0.9, recall=0.01)}
    assert labels.settle(three, scores) == three[:1]


def test_summary_counts_live_features_without_a_label_as_bad() -> None:
    fired = fire([0, 1], [100, 500], [], [3, 30])
    kept = [Label(0, (RAIN,)), Label(3, (WEATHER,))]
    scores = {0: score_of(1.0), 3: score_of(0.9)}
    summary = labels.summary(fired, kept, scores, example())
    assert summary["live"] == 3
    assert summary["labelled"] == 2
    assert summary["labels_precise"] == 2 / 3
    assert summary["single_word"] == 1 / 3
    assert summary["several_words"] == 0
    assert summary["fires_on_one_word"] == 1 / 3
    assert summary["precise_beyond_words"] == 1
    assert summary["kinds"]["concept"] == 1 / 3
    assert summary["kinds"]["none"] == 1 - 2 / 3


def test_summary_of_an_sae_without_labels() -> None:
    summary = labels.summary(fire([5], []), [], {}, example())
    assert (summary["live"], summary["labelled"], summary["median_recall"]) == (1, 0, 0)


def test_a_feature_without_a_label_is_named_by_what_it_promotes() -> None:
    model = GPT2LMHeadModel(
        GPT2Config(n_embd=3, n_layer=1, n_head=1, n_positions=4, vocab_size=4,
                   bos_token_id=0, eos_token_id=0, tie_word_embeddings=False)
    )  # fmt: skip
    with torch.no_grad():
        model.lm_head.weight.copy_(torch.tensor([[0, 0, 0], [9, 0, 0], [0, 9, 0], [3, 0, 0]]))
        model.transformer.ln_f.weight.copy_(torch.tensor([1.0, 1.0, 2.0]))
    decoder = torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
    texts = ["<|endoftext|>", " hall", "\n", " garden"]
    assert promoted.describe(model, decoder, texts, [1]) == {
        1: "promotes: hall, garden, <|endoftext|>"
    }
    assert promoted.describe(model, decoder, texts, [0])[0].startswith("promotes: a line break")
