"""Label files in the form of Neuronpedia's bulk export.

`{folder}/{model}/{source}/explanations/*.jsonl.gz` has one explanation a line,
`features/*.jsonl.gz` one feature's statistics a line; files need not be compressed (`*.jsonl`).
"""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from axon_gateway.labels.records import KINDS, BadRow, FeatureRecord, Records

_log = logging.getLogger(__name__)

#: Bytes of a row, far more than any has. A longer one is skipped and not held in memory.
_LONGEST_ROW = 4 * 2**20


class LabelFiles:
    """The label files in some folders. If several have a source, the first folder's count."""

    def __init__(self, *folders: Path | None) -> None:
        self._folders = [folder for folder in folders if folder is not None]

    def has(self, source: str) -> bool:
        """Whether there are files of a source."""
        return any(self.paths(source, kind) for kind in KINDS)

    def read(self, source: str) -> dict[int, FeatureRecord]:
        """All records of a source. What cannot be used is left out, with a line in the log."""
        records = Records()
        for kind in KINDS:
            for path in self.paths(source, kind):
                if odd := records.add(kind, self.lines(path)):
                    _log.warning("label file %s: %s", path, odd)
        return records.by_index

    def paths(self, source: str, kind: str) -> list[Path]:
        """The files of one kind."""
        for folder in self._folders:
            if (folder / source).is_dir():
                files = folder / source / kind
                return sorted([*files.glob("*.jsonl.gz"), *files.glob("*.jsonl")])
        return []

    @staticmethod
    def lines(path: Path) -> Iterator[bytes | BadRow]:
        """The rows of a file; one that is damaged ends there, with a line in the log."""
        # Opening a pipe would wait until somebody writes into it.
        if path.exists() and not path.is_file():
            _log.warning("label file %s is left out: it is not a regular file", path)
            return
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                yield from _rows(cast(IO[bytes], file))
        except (OSError, EOFError, zlib.error) as error:
            _log.warning("label file %s is damaged, read up to there: %s", path, error)


def _rows(file: IO[bytes]) -> Iterator[bytes | BadRow]:
    while row := file.readline(_LONGEST_ROW):
        if len(row) < _LONGEST_ROW or row.endswith(b"\n"):
            yield row
            continue
        while row and not row.endswith(b"\n"):
            row = file.readline(_LONGEST_ROW)
        yield BadRow(f"longer than {_LONGEST_ROW} bytes")


def write(folder: Path, source: str, kind: str, name: str, data: bytes) -> None:
    """Writes one file of the export into `folder`, atomically. OSError if it cannot."""
    path = folder / source / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(data)
    draft.replace(path)
