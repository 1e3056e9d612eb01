"""What the model knows: the share of right answers to the questions that a text asks by itself."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model.corpus import Corpus

_ROWS_AT_ONCE = 32
Bools = NDArray[np.bool_]


class Question(NamedTuple):
    """An answer in a text, as tokens: `answer` begins at `start` of `row`.

    Without `rivals` each of its tokens must be the likeliest of all; with them its first token
    must be likelier than each of theirs.
    """

    task: str
    row: int
    start: int
    answer: tuple[int, ...]
    rivals: tuple[int, ...]


def questions(corpus: Corpus, tokenizer: PreTrainedTokenizerFast) -> list[Question]:
    """All questions of a text that was built with its words."""

    @cache
    def first_token(text: str) -> int:
        return int(tokenizer(text)["input_ids"][0])

    return [
        Question(
            probe.task,
            row,
            probe.start,
            tuple(corpus.rows[row, probe.start : probe.end].tolist()),
            tuple(first_token(rival) for rival in probe.rivals),
        )
        for row, probes in enumerate(corpus.probes)
        for probe in probes
    ]


@torch.no_grad()
def answered(model: GPT2LMHeadModel, rows: torch.Tensor, asked: Sequence[Question]) -> Bools:
    """Which questions about `rows` [n_rows, context] the model answers right."""
    right = np.zeros(len(asked), dtype=bool)
    by_row: dict[int, list[int]] = {}
    for number, question in enumerate(asked):
        by_row.setdefault(question.row, []).append(number)
    wanted = sorted(by_row)
    for start in range(0, len(wanted), _ROWS_AT_ONCE):
        part = wanted[start : start + _ROWS_AT_ONCE]
        logits = model(input_ids=rows[part], use_cache=False).logits
        for row, scores in zip(part, logits, strict=True):
            for number in by_row[row]:
                right[number] = _is_right(asked[number], scores)
    return right


def _is_right(question: Question, logits: torch.Tensor) -> bool:
    """By the logits [context, vocabulary] of the question's row."""
    before = question.start - 1
    if question.rivals:
        best = logits[before, list(question.rivals)].max()
        return bool(logits[before, question.answer[0]] > best)
    likeliest = logits[before : before + len(question.answer)].argmax(dim=-1)
    return tuple(likeliest.tolist()) == question.answer


def shares(asked: Sequence[Question], right: Bools) -> dict[str, float]:
    """The share of right answers to each task's questions, in the order of the tasks' names."""
    tasks = np.array([question.task for question in asked])
    return {str(task): float(right[tasks == task].mean()) for task in np.unique(tasks)}
