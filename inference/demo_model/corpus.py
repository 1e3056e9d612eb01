"""Documents as rows of tokens: packed for training, with the words' origins kept for measuring."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from transformers import PreTrainedTokenizerFast

from demo_model.text import Word, Writer

_DOCUMENTS_AT_ONCE = 500


@dataclass
class Corpus:
    """`rows` [n_rows, context] of token ids, each row beginning with `<|endoftext|>`.

    `words[row][position]` is the word that the token begins or continues, None for
    `<|endoftext|>`; empty where words were not asked for.
    """

    rows: torch.Tensor
    words: list[list[Word | None]]


def build(
    writer: Writer,
    tokenizer: PreTrainedTokenizerFast,
    n_tokens: int,
    context: int,
    with_words: bool = False,
) -> Corpus:
    """Pack documents, each followed by `<|endoftext|>`, into rows of `context` tokens.

    A document that does not fit the rest of its row goes on at the start of the next one.
    """
    n_rows = -(-n_tokens // context)
    body = context - 1
    ids: list[int] = []
    words: list[Word | None] = []
    for document_ids, document_words in _encoded(writer, tokenizer, with_words):
        ids += document_ids
        words += document_words
        if len(ids) >= n_rows * body:
            break
    bos = tokenizer.bos_token_id
    rows = torch.tensor(ids[: n_rows * body]).view(n_rows, body)
    rows = torch.cat([torch.full((n_rows, 1), bos), rows], dim=1)
    row_words = [
        [None, *words[row * body : (row + 1) * body]] for row in range(n_rows if with_words else 0)
    ]
    return Corpus(rows, row_words)


def _encoded(
    writer: Writer, tokenizer: PreTrainedTokenizerFast, with_words: bool
) -> Iterator[tuple[list[int], list[Word | None]]]:
    """Token ids of each document with `<|endoftext|>` after it, and each token's word."""
    documents = writer.documents()
    while True:
        chunk = list(islice(documents, _DOCUMENTS_AT_ONCE))
        encoding = tokenizer(
            [document.text for document in chunk],
            return_offsets_mapping=with_words,
            return_attention_mask=False,
            verbose=False,
        )
        for number, document in enumerate(chunk):
            ids = [*encoding["input_ids"][number], tokenizer.eos_token_id]
            if with_words:
                spans = encoding["offset_mapping"][number]
                yield ids, [*align(spans, document.words), None]
            else:
                yield ids, []


def align(spans: list[tuple[int, int]], words: list[Word]) -> list[Word | None]:
    """The word of each token: the first one that ends after the token's first character.

    Token spans include the space before a word; a token of spaces alone (indentation in code)
    takes the word after it.
    """
    aligned: list[Word | None] = []
    index = 0
    for start, end in spans:
        while index < len(words) - 1 and words[index].end <= start:
            index += 1
        aligned.append(words[index] if end > start else None)
    return aligned
