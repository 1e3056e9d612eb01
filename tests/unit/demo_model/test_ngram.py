"""Counting words, on a text small enough to count by hand."""

import torch
from demo_model import ngram
from demo_model.probes import Question

START = [0] * 6  # so that the longest context fits into a row
# After 1: 2 twice, 3 once. After 5 1: only 3. After 4 1: only 2.
TRAIN = torch.tensor([[*START, *row] for row in ([4, 1, 2, 5], [4, 1, 2, 6], [5, 1, 3, 6])])
ROWS = torch.tensor([[*START, *row] for row in ([5, 1, 3, 6], [7, 1, 2, 5], [4, 4, 1, 2])])


def best(*asked: Question) -> tuple[int, float]:
    """The order that is best, and its share of right answers."""
    [found] = ngram.best(TRAIN, ROWS, asked).values()
    return found


def ask(row: int, start: int, *answer: int, rivals: tuple[int, ...] = ()) -> Question:
    return Question("task", row, len(START) + start, answer, rivals)


def test_the_order_that_answers_most_is_taken() -> None:
    assert best(ask(0, 2, 3)) == (3, 1.0)  # after 1 alone it would be 2
    assert best(ask(2, 3, 2)) == (2, 1.0)  # the shortest that is as good
    assert best(ask(0, 2, 3), ask(2, 3, 2)) == (3, 1.0)


def test_what_was_never_seen_is_answered_by_less() -> None:
    # Nothing followed 7 1; after 1 it is 2.
    assert best(ask(1, 2, 2), ask(0, 2, 3)) == (3, 1.0)


def test_an_answer_has_to_be_right_in_all_its_tokens() -> None:
    assert best(ask(0, 2, 3, 6)) == (3, 1.0)
    assert best(ask(1, 2, 2, 5))[1] == 0  # 2 is followed by 5 as often as by 6
    assert best(ask(0, 2, 2))[1] == 1  # what the model is asked, not what stands there


def test_rivals_are_compared_with_the_answer_alone() -> None:
    assert best(ask(1, 2, 3, rivals=(6,))) == (2, 1.0)  # after 1 there is no 6, though 2 leads
    assert best(ask(1, 2, 3, rivals=(2,)))[1] == 0
    assert best(ask(1, 2, 2, rivals=(2,)))[1] == 0  # begins in the same way
    assert best(ask(1, 2, 3, 9, rivals=(6,)), ask(0, 2, 3)) == (3, 1.0)  # the first token decides


def test_each_task_has_its_own_order() -> None:
    asked = [Question("one", 0, 8, (3,), ()), Question("two", 0, 2, (0,), ())]
    assert ngram.best(TRAIN, ROWS, asked) == {"one": (3, 1.0), "two": (1, 1.0)}
