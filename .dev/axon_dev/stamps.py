"""Remember the inputs of a step, so that the step is repeated only when they have changed."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def digest(*parts: str | Path) -> str:
    """Hash texts and files' contents together; a missing file hashes as missing."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else _content(part)
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b"(missing)"


def tree(folder: Path, skip: Iterable[str] = ()) -> list[str | Path]:
    """Names and files below `folder` for `digest`, in a fixed order; omits folders in `skip`."""
    left_out = set(skip)
    parts: list[str | Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - left_out)
        for name in sorted(files):
            path = Path(place, name)
            parts += [path.relative_to(folder).as_posix(), path]
    return parts


class Stamp:
    """A file that says with which inputs a step was finished.

    It is removed before the step begins and written after the step has ended. An interrupted step
    leaves no file and is repeated.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def matches(self, value: str) -> bool:
        """Whether the step was last finished with these inputs."""
        return self._path.is_file() and self._path.read_text().strip() == value

    def clear(self) -> None:
        """Remove the file; call it before the step begins."""
        self._path.unlink(missing_ok=True)

    def write(self, value: str) -> None:
        """Write the file; call it after the step has succeeded."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(value + "\n")
