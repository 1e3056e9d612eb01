"""Documents in rows of tokens."""

import pytest
import torch
from demo_model import corpus
from demo_model.corpus import Corpus
from demo_model.world.scene import Document
from demo_model.world.writer import Writer
from transformers import PreTrainedTokenizerFast

from .conftest import CONTEXT, SEED

N_ROWS = 40


@pytest.fixture(scope="module")
def built(words: PreTrainedTokenizerFast) -> Corpus:
    """The text of the `training` documents, as far as it goes."""
    n_tokens = (N_ROWS - 1) * CONTEXT + 1
    return corpus.build(Writer(SEED), words, n_tokens, CONTEXT, with_words=True)


def test_rows_begin_with_the_beginning_of_a_document(
    built: Corpus, training: list[Document], words: PreTrainedTokenizerFast
) -> None:
    assert built.rows.shape == (N_ROWS, CONTEXT)
    rest = iter(training)
    for row in built.rows.tolist():
        assert row[0] == words.eos_token_id
        left = words.decode(row[1:])
        while left:  # whole documents, and what the row has room for of the last
            text = next(rest).text + "<|endoftext|>"
            assert left.startswith(text) or text.startswith(left)
            left = left[len(text) :]


def test_words_change_nothing_in_the_rows(built: Corpus, words: PreTrainedTokenizerFast) -> None:
    bare = corpus.build(Writer(SEED, annotated=False), words, built.rows.numel(), CONTEXT)
    assert torch.equal(bare.rows, built.rows)
    assert (bare.words, bare.probes) == ([], [])


def test_every_token_knows_its_word(built: Corpus, words: PreTrainedTokenizerFast) -> None:
    for ids, row in zip(built.rows.tolist(), built.words, strict=True):
        for token, word in zip(ids, row, strict=True):
            assert (word is None) == (token == words.eos_token_id)
            piece = words.decode([token]).strip()
            if word is not None and piece:
                assert piece.lower() in word.text.lower()


def test_probes_point_at_their_tokens(built: Corpus, words: PreTrainedTokenizerFast) -> None:
    marks = {")", "]", "}", '"'}
    tasks = set()
    for ids, row, probes in zip(built.rows.tolist(), built.words, built.probes, strict=True):
        for start, end, task, rivals in probes:
            assert 0 < start < end <= CONTEXT  # what the row has cut off is not asked
            tasks.add(task)
            answer = words.decode(ids[start:end])
            if task == "closing":
                assert answer.strip() in marks
            else:
                assert [word.task for word in row[start:end] if word] == [task] * (end - start)
                assert all(rival[0].isspace() == answer[0].isspace() for rival in rivals)
    assert {"closing", "agreement", "place", "sums", "variable"} <= tasks
