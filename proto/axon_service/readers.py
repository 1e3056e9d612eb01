"""Readers of settings: each turns a variable's text into a value, or says what it must be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("it must be a whole number") from None


def at_least(minimum: int) -> Callable[[str], int]:
    """A whole number, `minimum` or more."""

    def read(text: str) -> int:
        if (value := whole(text)) < minimum:
            raise ValueError(f"it must be at least {minimum}")
        return value

    return read


def port(text: str) -> int:
    """A port to listen on."""
    if not 0 <= (value := whole(text)) <= 65535:
        raise ValueError("it must be a port, 0 to 65535")
    return value


def number(text: str) -> float:
    """A finite number, 0 or more."""
    if not 0 <= (value := _float(text)) < float("inf"):
        raise ValueError("it must be a finite number, 0 or more")
    return value


def positive(text: str) -> float:
    """A finite number above 0."""
    if not 0 < (value := _float(text)) < float("inf"):
        raise ValueError("it must be a finite number above 0")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("it must be a number") from None


def words(text: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def tokens(text: str) -> tuple[str, ...]:
    """A list of access tokens: what the header of a request can hold."""
    found = words(text)
    if not all(token.isascii() and token.isprintable() and " " not in token for token in found):
        raise ValueError("it must be printable ASCII characters without spaces")
    return found


def path(text: str) -> Path | None:
    """A file or folder; None for an empty text."""
    return Path(text).expanduser() if text else None


def one_of(*choices: str) -> Callable[[str], str]:
    """One of `choices`, as it is spelled there; upper and lower case do not matter."""
    spelled = {choice.lower(): choice for choice in choices}

    def read(text: str) -> str:
        if text.lower() not in spelled:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return spelled[text.lower()]

    return read
