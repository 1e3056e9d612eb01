"""Which questions a model answers right."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from demo_model import probes
from demo_model.corpus import Corpus, Probe
from demo_model.probes import Question
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

SCORES = [0.0, 1.0, 3.0, 2.0]  # of every token, after a 0


def rotated(input_ids: torch.Tensor, use_cache: bool) -> SimpleNamespace:
    """A model: after token n the likeliest is n + 2, then n + 3, n + 1 and n itself."""
    assert not use_cache
    logits = [[[SCORES[(v - token) % 4] for v in range(4)] for token in row] for row in input_ids]
    return SimpleNamespace(logits=torch.tensor(logits))


ROW = [0, 2, 0, 1, 3, 3]


@pytest.mark.parametrize(
    ("start", "answer", "rivals", "expected"),
    [
        (1, (2,), (), True),
        (3, (1,), (), False),
        (3, (1,), (0,), True),  # likelier than its rival, though not the likeliest of all
        (3, (1,), (0, 3), False),
        (3, (1,), (1,), False),  # a rival that begins in the same way
        (1, (2, 0), (), True),
        (4, (3, 3), (), False),  # its second token is wrong
        (4, (3, 3), (0,), True),  # with rivals the first token decides
    ],
)
def test_answers(
    start: int, answer: tuple[int, ...], rivals: tuple[int, ...], expected: bool
) -> None:
    lm = cast("GPT2LMHeadModel", rotated)
    rows = torch.tensor([[0] * len(ROW)] * 40 + [ROW])  # more rows than go in at once
    asked = [Question("other", 0, 1, (1,), ()), Question("task", 40, start, answer, rivals)]
    assert probes.answered(lm, rows, asked).tolist() == [False, expected]


def test_shares_are_by_task() -> None:
    asked = [Question(task, 0, 1, (1,), ()) for task in ("sums", "place", "sums")]
    right = np.array([True, False, False])
    assert probes.shares(asked, right) == {"place": 0, "sums": 0.5}


def test_questions_are_tokens(words: PreTrainedTokenizerFast) -> None:
    ids = words("Anna is in the hall")["input_ids"]
    [_, is_, in_, _, hall] = ids
    [are] = words(" are")["input_ids"]
    row = [Probe(1, 2, "agreement", (" are", " in")), Probe(2, 5, "place")]
    corpus = Corpus(torch.tensor([ids]), [], [row])
    assert probes.questions(corpus, words) == [
        Question("agreement", 0, 1, (is_,), (are, in_)),
        Question("place", 0, 2, (in_, ids[3], hall), ()),
    ]
