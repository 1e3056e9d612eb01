"""Labels from files in Neuronpedia's export format, which AXON_LABELS of the gateway reads, too."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axon.errors import AxonError


def read_labels(folder: str | Path) -> dict[str, str]:
    """Labels by SOURCE/INDEX, from MODEL/SOURCE/explanations/*.jsonl or *.jsonl.gz in a folder.

    Raises AxonError for a file that cannot be read.
    """
    found: dict[str, str] = {}
    for path in sorted(Path(folder).glob("*/*/explanations/*.jsonl*")):
        source = "/".join(path.parts[-4:-2])
        try:
            for row in _rows(path):
                found.setdefault(f"{source}/{int(row['index'])}", str(row["description"]))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            why = f"{path} is no file of labels: {error}"
            raise AxonError("INVALID_ARGUMENT", why) from None
    if not found:
        why = f"there are no labels in {folder} (MODEL/SOURCE/explanations/*.jsonl)"
        raise AxonError("INVALID_ARGUMENT", why)
    return found


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        yield from (json.loads(line) for line in lines)
