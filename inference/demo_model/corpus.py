"""Documents as rows of tokens: packed for training, with the words' origins kept for measuring."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerFast

from demo_model.world.document import Document, Word
from demo_model.world.document import Probe as TextProbe
from demo_model.world.writer import Writer

_DOCUMENTS_AT_ONCE = 500


class Probe(NamedTuple):
    """An answer to measure: the tokens [start, end) of its row, and what else might stand there.

    The token before `start` is the last that the model sees of the question. Rivals are texts as
    the tokenizer takes them, with a space in front where the answer has one.
    """

    start: int
    end: int
    task: str
    rivals: tuple[str, ...] = ()


@dataclass
class Corpus:
    """`rows` [n_rows, context] of token ids, each row beginning with `<|endoftext|>`.

    `words[row][position]` is the word that the token begins or continues, None for
    `<|endoftext|>`; `probes[row]` are the answers that lie in the row as a whole. Both are empty
    where words were not asked for.
    """

    rows: torch.Tensor
    words: list[list[Word | None]] = field(default_factory=list)
    probes: list[list[Probe]] = field(default_factory=list)


class _Encoded(NamedTuple):
    """One document with `<|endoftext|>` after it."""

    ids: list[int]
    words: list[Word | None]
    probes: list[Probe]


def build(
    writer: Writer,
    tokenizer: PreTrainedTokenizerFast,
    n_tokens: int,
    context: int,
    with_words: bool = False,
) -> Corpus:
    """Rows of `context` tokens, each with documents from its beginning on.

    What the last document of a row has beyond its end is dropped, so that no row asks after what
    only the row before it told.
    """
    corpus = Corpus(torch.empty(-(-n_tokens // context), context, dtype=torch.long))
    documents = _encoded(writer, tokenizer, with_words)
    for row in range(len(corpus.rows)):
        ids: list[int] = [tokenizer.bos_token_id]
        words: list[Word | None] = [None]
        probes: list[Probe] = []
        while len(ids) < context:
            document = next(documents)
            shift = len(ids)
            probes += [
                probe._replace(start=shift + probe.start, end=shift + probe.end)
                for probe in document.probes
                if shift + probe.end <= context
            ]
            ids += document.ids
            words += document.words
        corpus.rows[row] = torch.tensor(ids[:context])
        if with_words:
            corpus.words.append(words[:context])
            corpus.probes.append(probes)
    return corpus


def _encoded(
    writer: Writer, tokenizer: PreTrainedTokenizerFast, with_words: bool
) -> Iterator[_Encoded]:
    """The documents' tokens, and each token's word."""
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
                words = [*align(spans, document), None]
                yield _Encoded(ids, words, list(locate(spans, document)))
            else:
                yield _Encoded(ids, [], [])


def align(spans: list[tuple[int, int]], document: Document) -> list[Word | None]:
    """The word of each token: the first one that ends after the token's first character.

    Token spans include the space before a word; a token of spaces alone (indentation in code)
    takes the word after it. What stands between two sentences (a line break, a comma) belongs to
    no word of the document and becomes one of its own.
    """
    words = document.words
    aligned: list[Word | None] = []
    index = 0
    for start, end in spans:
        while index < len(words) - 1 and words[index].end <= start:
            index += 1
        word = words[index]
        between = document.text[start:end].strip(" ")
        if between and (word.start >= end or word.end <= start):
            word = _between(words[max(0, index - (word.start >= end))], between, start, end)
        aligned.append(word if end > start else None)
    return aligned


def _between(before: Word, text: str, start: int, end: int) -> Word:
    """A mark after `before` that no sentence has written; everything holds as at that word."""
    return before._replace(
        start=start,
        end=end,
        text=text,
        place=before.place + 1,
        concepts=(),
        mention=(),
        task="",
    )


def locate(spans: list[tuple[int, int]], document: Document) -> Iterator[Probe]:
    """The document's probes by tokens instead of characters.

    One whose edge lies inside a token is left out: there is no moment at which to ask for it.
    """
    starts = [start for start, _ in spans]
    ends = [end for _, end in spans]
    for probe in document.probes:
        first = bisect_right(ends, probe.start)
        last = bisect_left(ends, probe.end)
        if last < len(spans) and ends[last] == probe.end:
            space = document.text[starts[first] : probe.start]
            if not space.strip():
                yield Probe(first, last + 1, probe.task, _rivals(probe, space))


def _rivals(probe: TextProbe, space: str) -> tuple[str, ...]:
    return tuple(space + rival for rival in probe.rivals)
