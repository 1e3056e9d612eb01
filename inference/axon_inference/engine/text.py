"""Turning token ids into text, one token at a time, without ever splitting a character."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

_INCOMPLETE = "\ufffd"


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is needed here."""

    def decode(
        self, ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str:
        """The text of some ids."""


class Decoder:
    """The exact text of ids, special tokens included, and remembered for single ids."""

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._pieces: dict[int, str] = {}  # grows to the vocabulary's size at most

    def __call__(self, ids: list[int]) -> str:
        """The text of `ids`."""
        if len(ids) != 1:
            return self._decode(ids) if ids else ""
        piece = self._pieces.get(ids[0])
        if piece is None:
            piece = self._pieces[ids[0]] = self._decode(ids)
        return piece


def decoder(tokenizer: Tokenizer) -> Decoder:
    """The fastest way that a tokenizer offers to decode."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # The Rust tokenizer within, whose wrapper costs several times as much as itself.
        return Decoder(lambda ids: str(backend.decode(ids, skip_special_tokens=False)))
    return Decoder(
        lambda ids: tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
    )


class Detokenizer:
    """Gives the text each token adds; all pieces in order are exactly the text of all ids.

    A token's text can depend on the one before it (leading spaces) and may end inside a UTF-8
    character. So a piece is the difference between decoding a short window with the new token
    and without it, and is held back while it ends in an incomplete character.
    """

    def __init__(self, decode: Decoder) -> None:
        self._decode = decode
        self._window: list[int] = []  # ends with all ids whose text has not been given out
        self._told = 0  # ids at the window's start whose text has been given out

    def push(self, token_id: int) -> str:
        """The text `token_id` completes; "" while a character is incomplete."""
        self._window.append(token_id)
        return self._advance(hold_incomplete=True)

    def flush(self) -> str:
        """What was held back, incomplete as it is. Nothing may be pushed afterwards."""
        return self._advance(hold_incomplete=False) if self._told < len(self._window) else ""

    def _advance(self, hold_incomplete: bool) -> str:
        known = self._decode(self._window[: self._told])
        text = self._decode(self._window)
        if hold_incomplete and text.endswith(_INCOMPLETE):
            return ""
        self._window = self._window[self._told :]
        self._told = len(self._window)
        return text[len(known) :]
