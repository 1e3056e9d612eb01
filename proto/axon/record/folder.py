"""A folder of Parquet files, each with all rows of some prompts, and what was asked for.

A file appears whole or not at all, and its metadata says which prompts it has. So whatever ends a
recording, the next one knows what is done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from axon import extras
from axon.errors import AxonError
from axon.record.prompts import Prompts
from axon.types import Model

#: Readers of Parquet folders skip names that begin so.
_ABOUT, _LOCK = "_axon.json", "_axon.lock"
_VERSION = 1
#: Columns of texts that come often. Numbers rarely repeat, and a dictionary of them costs time.
_WORDS = [
    "token",
    *(f"{name}.list.element.source" for name in ("features", "saes", "edited")),
    "alternatives.list.element.token",
]
_PROMPTS, _REFUSED = b"axon.prompts", b"axon.refused"


class Folder(AbstractContextManager["Folder"]):
    """The files of one recording; only one process at a time may have it, in a `with` block.

    Raises AxonError if another one has it, if it holds another recording, or without pyarrow.
    """

    def __init__(self, path: Path, prompts: Prompts, asked: Mapping[str, Any]) -> None:
        self.path = path
        self.prompts = prompts
        #: Prompts that are done, also those that were refused.
        self.done = 0
        #: Why prompts were refused, by their number.
        self.refused: dict[int, str] = {}
        self._is_done = bytearray(prompts.lines)
        self._asked = {
            "version": _VERSION,
            "prompts": {"sha256": prompts.hash, "lines": prompts.lines},
            "request": json.loads(json.dumps(asked)),
        }
        self._next = 0
        self._parquet = extras.load("pyarrow.parquet", "parquet")
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path / _LOCK)
        except OSError as error:
            raise AxonError("FAILED_PRECONDITION", f"{path}: {error.strerror}") from None
        try:
            self._go_on()
        except BaseException:
            os.close(self._lock)
            raise

    def __exit__(self, *raised: object) -> None:
        os.close(self._lock)

    def serves(self, model: Model) -> None:
        """Notes what the server serves. Raises AxonError if the folder holds another's features."""
        now = {
            "model": model.model,
            "sources": [[source.id, source.width] for source in model.sources],
            "defaults": json.loads(json.dumps(asdict(model.defaults))),
        }
        if "model" not in self._about:
            self._about |= now
            unfinished = self.path / f".{_ABOUT}.unfinished"
            unfinished.write_text(json.dumps(self._about, indent=1))
            self._finish(unfinished, _ABOUT)
        self._must_be(now)

    def left(self) -> Iterator[tuple[int, str]]:
        """Prompts that are not done."""
        return ((number, text) for number, text in self.prompts if not self._is_done[number])

    def write(self, table: Any, prompts: Iterable[int], refused: Mapping[int, str]) -> None:
        """One more file, with all rows of these prompts; those refused have none."""
        numbers = sorted((*prompts, *refused))
        metadata = {
            _PROMPTS: json.dumps(_ranges(numbers)),
            _REFUSED: json.dumps(refused, ensure_ascii=False),
        }
        name = f"part-{self._next:06}.parquet"
        try:
            unfinished = self.path / f".{name}.unfinished"
            self._parquet.write_table(
                table.replace_schema_metadata(metadata),
                unfinished,
                compression="zstd",
                use_dictionary=_WORDS,
            )
            self._finish(unfinished, name)
        except OSError as error:
            raise AxonError("FAILED_PRECONDITION", f"{self.path}: {error}") from None
        self._next += 1
        self._note(numbers, refused)

    def _go_on(self) -> None:
        """Finds out what is there."""
        for unfinished in self.path.glob(".*.unfinished"):
            unfinished.unlink()
        parts = sorted(self.path.glob("part-*.parquet"))
        self._about = self._known() if (self.path / _ABOUT).exists() else dict(self._asked)
        if "model" not in self._about and parts:
            raise _other(self.path, "that another program made")
        self._must_be(self._asked)
        for part in parts:
            self._read_part(part)
            self._next = int(part.stem.partition("-")[2]) + 1

    def _must_be(self, asked: Mapping[str, Any]) -> None:
        for name, value in asked.items():
            if (known := self._about.get(name)) != value:
                what = f"whose {name} is {json.dumps(known)}, not {json.dumps(value)}"
                raise _other(self.path, what)

    def _known(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.path / _ABOUT).read_text()))
        except (OSError, ValueError, TypeError):
            why = f"{self.path / _ABOUT} is damaged"
            raise AxonError("FAILED_PRECONDITION", why) from None

    def _read_part(self, part: Path) -> None:
        try:
            metadata = self._parquet.read_metadata(part).metadata
            ranges = json.loads(metadata[_PROMPTS])
            refused = {int(k): v for k, v in json.loads(metadata[_REFUSED]).items()}
            self._note((n for first, last in ranges for n in range(first, last + 1)), refused)
        except Exception as error:  # pyarrow raises what it likes for a damaged file
            why = f"{part} cannot be gone on with: it is damaged, or of another program ({error})"
            raise AxonError("FAILED_PRECONDITION", why) from None

    def _note(self, numbers: Iterable[int], refused: Mapping[int, str]) -> None:
        for number in numbers:
            self.done += not self._is_done[number]
            self._is_done[number] = True
        self.refused.update(refused)

    def _finish(self, unfinished: Path, name: str) -> None:
        """Gives a file its name once the disk has all of it."""
        _sync(unfinished)
        unfinished.replace(self.path / name)
        _sync(self.path)


def _sync(path: Path) -> None:
    if os.name == "posix":  # elsewhere, a folder cannot be opened
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def _locked(path: Path) -> int:
    """An open file that this process alone may have open so."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows
        pass
    except BlockingIOError:
        os.close(handle)
        raise AxonError("ABORTED", f"another axon record writes to {path.parent}") from None
    return handle


def _other(path: Path, what: str) -> AxonError:
    why = f"{path} holds a recording {what}; name another folder, or remove this one"
    return AxonError("FAILED_PRECONDITION", why)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers, which are sorted."""
    if not numbers:
        return []
    ends = [(a, b) for a, b in pairwise(numbers) if b != a + 1]
    return list(
        zip(
            [numbers[0], *(b for _, b in ends)],
            [*(a for a, _ in ends), numbers[-1]],
            strict=True,
        )
    )
