"""The finished map, and how it is kept on disk."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

#: Width of the map: places are 0 to this.
WIDTH = 65535
#: No district.
NOWHERE = 65535


@dataclass(frozen=True)
class Storey:
    """One source on the map, as `axon.v1.MapSource`; its height is its place in the map's list."""

    id: str
    width: int
    layer: int
    apart: str = ""
    recall: float = 0.0


@dataclass(frozen=True)
class FeatureMap:
    """Places of all features of some sources, one source after another: n features in all.

    `places` [n, 2] are 0 to WIDTH. `district` [n] is the index of a small district, or NOWHERE;
    `large` [small districts] that of the large one it lies in. Kin are indices among all features
    `lower` and `upper` [pairs], and `cosine` [pairs]. `kin_distance` is the median distance of kin
    in the plane, as a share of WIDTH.
    """

    hash: str
    seed: int
    kin_distance: float
    storeys: tuple[Storey, ...]
    places: Numbers
    district: Numbers
    large: Numbers
    lower: Numbers
    upper: Numbers
    cosine: Numbers

    def first(self) -> list[int]:
        """Of each storey the index of its feature 0 among all features."""
        return [sum(s.width for s in self.storeys[:i]) for i in range(len(self.storeys))]


_ARRAYS = {
    "places": np.uint16,
    "district": np.uint16,
    "large": np.uint16,
    "lower": np.uint32,
    "upper": np.uint32,
    "cosine": np.float16,
}


class Damaged(ValueError):
    """A file that holds no map, or not all of one."""


def save(found: FeatureMap, path: Path) -> None:
    """Write a map: all of it, or nothing.

    Raises:
        OSError: it cannot be written.
    """
    about = {
        "hash": found.hash,
        "seed": found.seed,
        "kin_distance": found.kin_distance,
        "storeys": [asdict(storey) for storey in found.storeys],
    }
    arrays = {name: getattr(found, name).astype(kind) for name, kind in _ARRAYS.items()}
    header = np.frombuffer(json.dumps(about).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            np.savez_compressed(file, about=header, **arrays)
            file.flush()
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def load(path: Path) -> FeatureMap:
    """Read a map.

    Raises:
        Damaged: the file holds none.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            arrays = {name: stored[name] for name in _ARRAYS}
        storeys = tuple(Storey(**storey) for storey in about.pop("storeys"))
        found = FeatureMap(**about, storeys=storeys, **arrays)
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zipfile.error) as error:
        raise Damaged(f"{path} holds no map: {error}") from error
    _require_whole(found, path)
    return found


def _require_whole(found: FeatureMap, path: Path) -> None:
    count, pairs = sum(storey.width for storey in found.storeys), len(found.lower)
    shapes = {"places": (count, 2), "district": (count,), "upper": (pairs,), "cosine": (pairs,)}
    for name, kind in _ARRAYS.items():
        array = getattr(found, name)
        if array.dtype != kind or array.shape != shapes.get(name, array.shape):
            raise Damaged(f"{path}: {name} is not what its sources need")
    placed = found.district[found.district != NOWHERE]
    ends = np.concatenate([found.lower, found.upper])
    if (len(placed) and placed.max() >= len(found.large)) or (len(ends) and ends.max() >= count):
        raise Damaged(f"{path}: it names what is not on it")


def with_recall(storeys: Sequence[Storey], recall: Sequence[float]) -> tuple[Storey, ...]:
    """The storeys, with these figures."""
    return tuple(
        replace(storey, recall=round(float(value), 4))
        for storey, value in zip(storeys, recall, strict=True)
    )
