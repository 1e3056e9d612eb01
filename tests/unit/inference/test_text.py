from __future__ import annotations

from axon_inference.text import Detokenizer, decode
from hypothesis import given
from hypothesis import strategies as st

from .fakes import ByteTokenizer


@given(st.text(max_size=40), st.binary(max_size=8))
def test_pieces_add_up_to_the_decoded_text(text: str, tail: bytes) -> None:
    ids = list(text.encode() + tail)
    pieces = Detokenizer(ByteTokenizer())
    told = "".join([pieces.push(token) for token in ids]) + pieces.flush()
    assert told == decode(ByteTokenizer(), ids)


@given(st.text(min_size=1, max_size=20).filter(lambda text: "\ufffd" not in text))
def test_a_character_is_told_once_it_is_complete(text: str) -> None:
    pieces = Detokenizer(ByteTokenizer())
    told = ""
    for character in text:
        for byte in character.encode():
            told += pieces.push(byte)
        assert told.endswith(character)
    assert pieces.flush() == ""
