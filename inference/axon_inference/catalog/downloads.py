"""Downloading files of the Hugging Face hub into its cache, to be gone on with if cut off.

A file is written under the name its content has in the cache, with `.incomplete` behind it while
it is not whole. So a download whose process was killed goes on where it ended; huggingface_hub
itself would start such a file anew.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from huggingface_hub import constants, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]

from axon_inference.errors import Passing, Unservable

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 5.0


class HubError(Unservable):
    """Files cannot be had; the message says which, why, and what to do."""


class HubUnreachable(HubError, Passing):
    """The hub does not answer, or not as it should."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to download: its size in bytes, and its content's hash, by which the cache names it.

    `hashed` is whether that is the SHA-256 of the content alone, as it is for large files.
    """

    repository: str
    name: str
    commit: str
    size: int
    hash: str
    hashed: bool

    @property
    def storage(self) -> Path:
        """The repository's folder in the cache."""
        name = repo_folder_name(repo_id=self.repository, repo_type="model")
        return Path(constants.HF_HUB_CACHE) / name

    @property
    def blob(self) -> Path:
        """Where its content belongs."""
        return self.storage / "blobs" / self.hash

    @property
    def partial(self) -> Path:
        """Where its content is while it is not whole."""
        return self.blob.with_name(self.blob.name + ".incomplete")

    @property
    def linked(self) -> bool:
        """Whether the cache has it already."""
        return (self.storage / "snapshots" / self.commit / self.name).exists()

    @property
    def here(self) -> int:
        """How many of its bytes there are already."""
        found = self.blob if self.blob.exists() else self.partial
        return found.stat().st_size if found.exists() else 0


class Progress:
    """Counts the bytes that come in, and reports them as lines now and then.

    A bar that redraws itself cannot be read in a log.
    """

    def __init__(self, files: Sequence[RemoteFile], report: Callable[[str], None]) -> None:
        self._report = report
        self._names = ", ".join(dict.fromkeys(file.repository for file in files))
        self._total = sum(file.size for file in files)
        self._done = self._before = sum(file.here for file in files)
        self._began = self._told = time.monotonic()
        here = f", of which {readable(self._done)} are here already" if self._done else ""
        of = f"{len(files)} files" if len(files) > 1 else files[0].name
        report(f"downloading {self._names}: {readable(self._total)} in {of}{here}")

    def __str__(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-3)
        speed = (self._done - self._before) / seconds
        return (
            f"{self._names}: {readable(self._done)} of {readable(self._total)}, {readable(speed)}/s"
        )

    # What huggingface_hub does with a progress bar.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: int) -> None:
        """Note that `count` bytes came in, or, if it is negative, have to come again."""
        self._done += count
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            self._report(f"downloading {self}")


def download(file: RemoteFile, progress: Progress) -> None:
    """Put a file into the cache.

    Raises:
        HubError: what came is not what the hub announced.
        httpx2.HTTPError, OSError: from huggingface_hub; what came so far is kept.
    """
    locks = file.storage.parent / ".locks" / file.storage.name
    for folder in (locks, file.blob.parent):
        folder.mkdir(parents=True, exist_ok=True)
    # The lock huggingface_hub takes too: two processes never write one file.
    with WeakFileLock(locks / f"{file.hash}.lock"):
        if not file.blob.exists():
            _complete(file, progress)
            file.partial.replace(file.blob)
    # Finds the content in its place, and links the snapshot and the branch to it.
    hf_hub_download(file.repository, file.name)


def require_space(files: Sequence[RemoteFile]) -> None:
    """Refuse a download for which the disk has no room.

    Raises:
        HubError: says how much is free where.
    """
    cache = Path(constants.HF_HUB_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    needed, free = sum(file.size - file.here for file in files), shutil.disk_usage(cache).free
    if needed > free:
        raise HubError(
            f"{readable(needed)} are to be downloaded, but only {readable(free)} are free at "
            f"{cache}: make room there, or set HF_HOME to a folder on a larger disk"
        )


def readable(count: float) -> str:
    """A number of bytes as people write it: 548 MB, 10.5 GB."""
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 999.5:
            return f"{count:.0f} {unit}"
    return f"{count / 1000:.1f} GB"


def _complete(file: RemoteFile, progress: Progress) -> None:
    """Write what the partial file lacks."""
    if file.here > file.size:
        file.partial.unlink()
    before = file.here
    if before:
        _log.info("going on with %s of %s at %s", file.name, file.repository, readable(before))
    with file.partial.open("ab") as out:
        http_get(
            hf_hub_url(file.repository, file.name, revision=file.commit),
            out,
            resume_size=before,
            headers={**build_hf_headers(), "Accept-Encoding": "identity"},
            expected_size=file.size,
            tqdm_class=lambda **_: progress,  # type: ignore[arg-type]
        )
    # Only what was put together of two halves can be wrong in a way that its size does not show.
    if before and file.hashed and _sha256(file.partial) != file.hash:
        file.partial.unlink()
        raise HubError(f"{file.name} of {file.repository} came damaged; start again to get it anew")


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
