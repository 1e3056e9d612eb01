"""Text from elsewhere on a terminal, which obeys control characters in it."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Control characters, those that turn the direction of writing, and halves of characters; JSON
#: may have them as these escapes, too.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
#: The ones that lines of text are made of.
_LAYOUT = frozenset("\n\t")


def plain(text: object) -> str:
    """The text on one line: each control character is replaced by its escape, as in \\u001b."""
    return _UNSEEN.sub(_escape, str(text))


def lines(text: str) -> str:
    """The same, with the line breaks and tabs of the text."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] in _LAYOUT else _escape(found), text)


def prepare() -> None:
    """Has the terminal escape what it cannot show, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def passing() -> Iterator[Callable[[str], object]]:
    """A function that shows a line on stderr in place of the one before; where that is no terminal,
    nothing. In the end the line is gone."""
    if not sys.stderr.isatty():
        yield lambda line: None
        return

    def show(line: str) -> None:
        print(f"\r\x1b[K{plain(line)}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        show("")


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
