"""What a map will be of: its storeys in order, and a hash by which a kept one is known again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from axon_inference.catalog.files import AGAIN
from axon_inference.catalog.selection import SourceSpec
from axon_inference.errors import Unservable
from axon_inference.map.kept import Storey

if TYPE_CHECKING:  # it takes seconds to import, and the process that makes a map needs no more
    from axon_inference.model.sources import Source

# Raise it when a change of the method gives other places: maps that are kept are then made anew.
_METHOD = 1
# Where a hook point is in its block, from below.
_HEIGHT = ("hook_resid_pre", "hook_attn_out", "hook_resid_mid", "hook_mlp_out", "hook_resid_post")
_BLOB = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Plan:
    """The storeys, those that are apart last; of each the index of its source; and the hash, 16
    hexadecimal digits."""

    storeys: tuple[Storey, ...]
    sources: tuple[int, ...]
    hash: str

    @classmethod
    def of(cls, sources: Sequence[Source], specs: Sequence[SourceSpec]) -> Plan:
        """The plan for `sources`, which come from `specs`. It may read all of their files.

        Raises:
            Unservable: a file has gone.
        """
        order = sorted(range(len(sources)), key=lambda index: _height(sources[index]))
        storeys = tuple(_storey(sources[index]) for index in order)
        said = {
            "method": _METHOD,
            "storeys": [asdict(storey) for storey in storeys],
            "weights": [fingerprint(_files(specs[index])) for index in order],
        }
        whole = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        return cls(storeys, tuple(order), whole.hexdigest()[:16])


def fingerprint(files: Iterable[Path]) -> str:
    """A hash of what is in some files.

    Raises:
        Unservable: one cannot be read.
    """
    total = hashlib.sha256()
    for path in files:
        try:
            total.update(_hash(path).encode())
        except OSError as error:
            raise Unservable(f"{path} cannot be read: {error.strerror}: {AGAIN}") from error
    return total.hexdigest()


def _hash(path: Path) -> str:
    # The hub's cache names a large file by its SHA-256, and has checked it.
    name = path.resolve().name
    if _BLOB.fullmatch(name):
        return name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(spec: SourceSpec) -> list[Path]:
    from axon_inference.model.sources import WEIGHTS

    want = spec.wanted
    if spec.folder or want is None:
        return [Path(spec.folder or ".") / WEIGHTS]
    return [path for name in want.files if (path := want.path(name))]


def _height(source: Source) -> tuple[bool, int, int]:
    name = source.writes_to.rpartition(".")[2]
    known = _HEIGHT.index(name) if name in _HEIGHT else len(_HEIGHT)
    return not source.writes_residual, source.hook.layer, known


def _storey(source: Source) -> Storey:
    apart = (
        ""
        if source.writes_residual
        else (f"its features write to {source.writes_to}, not to the residual stream")
    )
    return Storey(source.id, source.sae.width, source.hook.layer, apart)
