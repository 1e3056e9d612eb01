"""Label files in the form of Neuronpedia's bulk export.

`{folder}/{model}/{source}/explanations/*.jsonl.gz` has one explanation a line,
`features/*.jsonl.gz` one feature's statistics a line; files need not be compressed (`*.jsonl`).
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path

from axon_gateway.labels.records import KINDS, FeatureRecord, Records

_log = logging.getLogger(__name__)


class LabelFiles:
    """The label files below some folders; of a source that several have, the first one's count."""

    def __init__(self, *folders: Path | None) -> None:
        self._folders = [folder for folder in folders if folder is not None]

    def fingerprint(self, source: str) -> str | None:
        """Changes whenever the contents of a source's files do; None if there are no files."""
        digest, found = hashlib.sha256(), False
        for kind in KINDS:
            for path in self._files(source, kind):
                found = True
                # The contents, not their times: gateways on several machines share one Redis.
                digest.update(f"{kind}/{path.name} {path.stat().st_size}\n".encode())
                digest.update(path.read_bytes())
        return digest.hexdigest() if found else None

    def read(self, source: str) -> dict[int, FeatureRecord]:
        """All records of a source. What is damaged is left out, with a line in the log each."""
        records = Records()
        for kind in KINDS:
            for path in self._files(source, kind):
                if malformed := records.add(kind, _lines(path)):
                    _log.warning(
                        "label file %s: %d rows are malformed and left out", path, malformed
                    )
        return records.by_index

    def _files(self, source: str, kind: str) -> list[Path]:
        for folder in self._folders:
            if (folder / source).is_dir():
                files = folder / source / kind
                return sorted([*files.glob("*.jsonl.gz"), *files.glob("*.jsonl")])
        return []


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            yield from lines
    except (OSError, EOFError, zlib.error) as error:
        _log.warning("label file %s is damaged, read up to there: %s", path, error)


def write(folder: Path, source: str, kind: str, name: str, data: bytes) -> None:
    """Puts one file of the export into `folder`, in one move. OSError if it cannot."""
    path = folder / source / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(data)
    draft.replace(path)
