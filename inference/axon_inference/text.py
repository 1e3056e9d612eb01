"""Turning token ids into text, one token at a time, without ever splitting a character."""

from __future__ import annotations

from typing import Protocol

_INCOMPLETE = "\ufffd"


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is needed here."""

    def decode(
        self, ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str:
        """The text of some ids."""


def decode(tokenizer: Tokenizer, ids: list[int]) -> str:
    """The exact text of `ids`, special tokens included."""
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


class Detokenizer:
    """Gives the text each token adds; all pieces in order are exactly `decode` of all ids.

    A token's text can depend on the one before it (leading spaces) and may end inside a UTF-8
    character. So a piece is the difference between decoding a short window with the new token
    and without it, and is held back while it ends in an incomplete character.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._start = 0  # of the window
        self._told = 0  # ids whose text has been given out

    def push(self, token_id: int) -> str:
        """The text `token_id` completes; "" while a character is incomplete."""
        self._ids.append(token_id)
        return self._advance(hold_incomplete=True)

    def flush(self) -> str:
        """What was held back, incomplete as it is. Nothing may be pushed afterwards."""
        return self._advance(hold_incomplete=False) if self._told < len(self._ids) else ""

    def _advance(self, hold_incomplete: bool) -> str:
        known = decode(self._tokenizer, self._ids[self._start : self._told])
        text = decode(self._tokenizer, self._ids[self._start :])
        if hold_incomplete and text.endswith(_INCOMPLETE):
            return ""
        self._start, self._told = self._told, len(self._ids)
        return text[len(known) :]
