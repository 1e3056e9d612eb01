from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from axon_inference.config import BUNDLED_MODEL
from axon_inference.engine.text import Detokenizer, decoder
from hypothesis import given, settings
from hypothesis import strategies as st

from ... import tiny
from .fakes import ByteTokenizer


@cache
def sentencepiece() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return tiny.sentencepiece_folder(Path(folder))


@given(st.text(max_size=40), st.binary(max_size=8))
def test_pieces_add_up_to_the_decoded_text(text: str, tail: bytes) -> None:
    ids = list(text.encode() + tail)
    pieces = Detokenizer(decoder(ByteTokenizer()))
    told = "".join([pieces.push(token) for token in ids]) + pieces.flush()
    assert told == decoder(ByteTokenizer())(ids)


# A text may contain U+FFFD itself, to which half a character is decoded too.
@given(st.text(min_size=1, max_size=20) | st.text("\ufffda\u00e9\u20ac\U0001f600", min_size=1))
def test_a_character_is_given_out_when_it_is_complete(text: str) -> None:
    pieces = Detokenizer(decoder(ByteTokenizer()))
    told = ""
    for character in text:
        for byte in character.encode():
            told += pieces.push(byte)
        assert told.endswith(character)
    assert pieces.flush() == ""


@settings(deadline=None)
@given(st.text("\ufffda \u00e9\U0001f600", max_size=9), st.sampled_from(["bundled", "words"]))
def test_after_a_whole_text_nothing_is_held_back(text: str, kind: str) -> None:
    tokenizer = bundled_tokenizer() if kind == "bundled" else sentencepiece()
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = Detokenizer(decoder(tokenizer))
    told = "".join([pieces.push(token) for token in ids])
    assert pieces.flush() == ""
    assert told == tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def test_flushed_text_is_not_given_out_again() -> None:
    pieces = Detokenizer(decoder(ByteTokenizer()))
    assert (pieces.push(0xE2), pieces.flush()) == ("", "\ufffd")
    assert [pieces.push(byte) for byte in b"ab"] == ["a", "b"]


@given(st.text(max_size=20))
def test_pieces_of_words_with_their_spaces_add_up(text: str) -> None:
    """Llama-2's and Gemma's tokenizers drop the first space of a text and keep all others."""
    tokenizer = sentencepiece()
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = Detokenizer(decoder(tokenizer))
    told = "".join([pieces.push(token) for token in ids]) + pieces.flush()
    assert told == tokenizer.decode(ids, clean_up_tokenization_spaces=False)


@settings(deadline=None)  # loading the tokenizer is slow
@given(st.lists(st.integers(0, 3071), max_size=30))
def test_the_fast_tokenizer_inside_gives_the_same_text_as_its_wrapper(ids: list[int]) -> None:
    tokenizer = bundled_tokenizer()
    pieces = Detokenizer(decoder(tokenizer))
    told = "".join([pieces.push(token) for token in ids]) + pieces.flush()
    assert told == tokenizer.decode(
        ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
    )


@settings(deadline=None)
@given(st.lists(st.integers(0, 260) | st.integers(0, 3071), max_size=30), st.integers(0, 30))
def test_ids_that_stand_for_bytes_give_the_pieces_that_decoding_several_gives(
    ids: list[int], flushed: int
) -> None:
    """`flushed` is where a prompt ends, perhaps within a character."""
    tokenizer = bundled_tokenizer()
    backend = tokenizer.backend_tokenizer
    alone, several = Detokenizer(decoder(tokenizer)), Detokenizer(decoder(Wrapped(tokenizer)))
    assert alone._decode.whole(backend.token_to_id("a")) == "a"
    assert several._decode.whole(backend.token_to_id("a")) is None
    for number, token in enumerate(ids):
        assert alone.push(token) == several.push(token)
        if number == flushed:
            assert alone.flush() == several.flush()
    assert alone.flush() == several.flush()


class Wrapped:
    """A tokenizer of which it is not known whether its ids stand for bytes."""

    def __init__(self, tokenizer: Any) -> None:
        self.convert_tokens_to_ids = tokenizer.backend_tokenizer.token_to_id
        self.decode = tokenizer.decode


@cache
def bundled_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(BUNDLED_MODEL / "model")
