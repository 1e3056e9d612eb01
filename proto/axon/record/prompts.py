"""The prompts of a file, numbered by their lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from axon.errors import AxonError


class Prompts:
    """The lines of a text file, or of a .jsonl file; a prompt's number is that of its line, from 0.

    Lines without any character are no prompts. The file is read line by line, and must stay as it
    is. Raises AxonError for a file that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        #: Prompts, without the empty lines.
        self.count = 0
        total = hashlib.sha256()
        for line in self._read():
            total.update(line)
            self.lines += 1
            self.count += not _is_empty(line)
        self.hash = total.hexdigest()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Each prompt and its number. Raises AxonError for a line that is none."""
        for number, line in enumerate(self._read()):
            if not _is_empty(line):
                yield number, self._prompt(number, line)

    def _read(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                yield from file
        except OSError as error:
            why = f"{self.path}: {error.strerror}"
            raise AxonError("INVALID_ARGUMENT", why) from None

    def _prompt(self, number: int, line: bytes) -> str:
        try:
            text = line.decode().rstrip("\r\n")
            if self.path.suffix == ".jsonl":
                found = json.loads(text)
                text = found["prompt"] if isinstance(found, dict) else found
                if not isinstance(text, str):
                    raise TypeError
        except UnicodeDecodeError:
            why = "is not UTF-8"
        except (ValueError, KeyError, TypeError, RecursionError):
            why = 'is neither a JSON string nor an object with a text "prompt"'
        else:
            return text
        raise AxonError("INVALID_ARGUMENT", f"{self.path}: line {number + 1} {why}")


def _is_empty(line: bytes) -> bool:
    return not line.rstrip(b"\r\n")
