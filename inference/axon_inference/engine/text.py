"""Turning token ids into text, one token at a time, without ever splitting a character."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tokenizers.decoders import ByteLevel

# What an incomplete character is decoded to. It is also a character itself.
_REPLACEMENT = "\ufffd"
# How tokenizers write the bytes 0x80 and 0xBF: Llama's and Gemma's; GPT-2's and those after it.
# Each UTF-8 character that was begun can be continued with one of the two.
_CONTINUATIONS = (("<0x80>", "<0xBF>"), ("\u0122", "\xbf"))


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is needed here."""

    def decode(
        self, ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str:
        """The text of some ids."""


class Decoder:
    """The exact text of ids, special tokens included, and remembered for single ids.

    `continuations` are ids of bytes that go on with a character but do not begin one. `in_bytes`
    says that each id stands for bytes, whatever is before it.
    """

    def __init__(
        self,
        decode: Callable[[list[int]], str],
        continuations: tuple[int, ...] = (),
        in_bytes: bool = False,
    ) -> None:
        self._decode = decode
        self._in_bytes = in_bytes
        # One of these completes any character that was begun.
        self._endings = [
            [first, *continuations[:1] * more] for first in continuations for more in (0, 1, 2)
        ]
        self._pieces: dict[int, str] = {}  # grows to the vocabulary's size at most

    def __call__(self, ids: list[int]) -> str:
        """The text of `ids`."""
        if len(ids) != 1:
            return self._decode(ids) if ids else ""
        piece = self._pieces.get(ids[0])
        if piece is None:
            piece = self._pieces[ids[0]] = self._decode(ids)
        return piece

    def whole(self, token_id: int) -> str | None:
        """What an id adds to whole characters, whichever they are; None if that cannot be told, or
        if it may be a part of a character."""
        piece = self([token_id]) if self._in_bytes else _REPLACEMENT
        return None if _REPLACEMENT in piece else piece

    def is_complete(self, ids: list[int], text: str) -> bool:
        """Whether no further byte can change `text`, the text of `ids` that ends in U+FFFD.

        That is an incomplete character, or U+FFFD itself if no ending completes it. If it is not
        known which ids are bytes, it counts as incomplete.
        """
        if not self._endings:
            return False
        replaced = text.count(_REPLACEMENT)
        endings = (self._decode(ids + ending) for ending in self._endings)
        return all(longer.count(_REPLACEMENT) >= replaced for longer in endings)


def decoder(tokenizer: Tokenizer) -> Decoder:
    """The fastest way that a tokenizer offers to decode."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # The Rust tokenizer itself: its Python wrapper takes several times as long.
        return _decoder(
            lambda ids: str(backend.decode(ids, skip_special_tokens=False)),
            backend.token_to_id,
            isinstance(backend.decoder, ByteLevel),
        )
    return _decoder(
        lambda ids: tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        ),
        getattr(tokenizer, "convert_tokens_to_ids", lambda name: None),
    )


def _decoder(
    decode: Callable[[list[int]], str], find: Callable[[str], int | None], in_bytes: bool = False
) -> Decoder:
    for names in _CONTINUATIONS:
        ids = [found for name in names if (found := find(name)) is not None]
        # In other tokenizers these names may mean the characters themselves.
        if len(ids) == len(names) and all(decode([i]) == _REPLACEMENT for i in ids):
            return Decoder(decode, tuple(ids), in_bytes)
    return Decoder(decode, in_bytes=in_bytes)


class Detokenizer:
    """Gives the text each token adds; all pieces in order are exactly the text of all ids.

    A token's text can depend on the one before it (leading spaces) and may end inside a UTF-8
    character. So a piece is the difference between decoding a short window with the new token
    and without it, and is held back while it may end in an incomplete character.
    """

    def __init__(self, decode: Decoder) -> None:
        self._decode = decode
        self._window: list[int] = []  # ends with all ids whose text has not been given out
        self._told = 0  # ids at the window's start whose text has been given out

    def copy(self) -> Detokenizer:
        """One that goes on from here by itself."""
        other = Detokenizer(self._decode)
        other._window, other._told = list(self._window), self._told
        return other

    def push(self, token_id: int) -> str:
        """The text `token_id` completes; "" while a character is incomplete."""
        if self._told == len(self._window):  # nothing is held back
            piece = self._decode.whole(token_id)
            if piece is not None:
                self._window, self._told = [token_id], 1
                return piece
        self._window.append(token_id)
        return self._advance(hold_incomplete=True)

    def flush(self) -> str:
        """The incomplete text that was held back: for the end of the text, or of the prompt."""
        return self._advance(hold_incomplete=False) if self._told < len(self._window) else ""

    def _advance(self, hold_incomplete: bool) -> str:
        known = self._decode(self._window[: self._told])
        text = self._decode(self._window)
        half = text.endswith(_REPLACEMENT) and not self._decode.is_complete(self._window, text)
        if half and hold_incomplete:
            return ""
        self._window = self._window[self._told :]
        self._told = len(self._window)
        return text[len(known) :]
