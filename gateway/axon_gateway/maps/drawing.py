"""A map as one binary, its districts named; docs/frames.md describes it."""

from __future__ import annotations

import gzip
import hashlib
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from axon.feature_map import NONE, FeatureMap

from axon_gateway.maps.naming import plain, typical

_VERSION = 1
#: No district.
_NO_DISTRICT = 0xFFFF
#: Labels of some features of a source: (source id, width) to a label or None of each feature.
Labels = Callable[[str, int], Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A map to serve: `hash` is that of the weights, a hyphen, and that of the names."""

    hash: str
    #: gzip.
    body: bytes


def draw(found: FeatureMap, labels: Labels) -> Drawn:
    """The map with its districts named from labels; it takes seconds for 320,000 features."""
    districts = _districts(found, labels)
    hash_ = f"{found.hash}-{hashlib.sha256(orjson.dumps(districts)).hexdigest()[:8]}"
    sources = zip(found.sources, found.first(), strict=True)
    header: dict[str, Any] = {
        "version": _VERSION,
        "model": found.model,
        "hash": hash_,
        "seed": found.seed,
        "kin_distance": found.kin_distance,
        "sources": [{**asdict(source), "first": first} for source, first in sources],
        "districts": districts,
    }
    columns = {
        "x": array("H", found.x),
        "y": array("H", found.y),
        "district": array("H", (min(one, _NO_DISTRICT) for one in found.district)),
        "kin": found.kin,
        "cosine": array("B", (round(255 * min(max(one, 0), 1)) for one in found.cosine)),
    }
    # The same bytes for the same map: gzip would otherwise write the time.
    return Drawn(hash_, gzip.compress(_binary(header, columns), 6, mtime=0))


def _binary(header: dict[str, Any], columns: dict[str, array[int]]) -> bytes:
    """The header's length, the header, the columns; each begins at a multiple of 4 bytes."""
    header["sections"] = {name: [2**32, 2**32] for name in columns}  # room for any offset
    size = len(orjson.dumps(header)) + 3 & ~3
    offset, data = 4 + size, []
    for name, column in columns.items():
        own = column if sys.byteorder == "little" else _swapped(column)
        data.append(own.tobytes().ljust(len(own) * own.itemsize + 3 & ~3, b"\0"))
        header["sections"][name] = [offset, len(column)]
        offset += len(data[-1])
    return b"".join((size.to_bytes(4, "little"), orjson.dumps(header).ljust(size), *data))


def _swapped(column: array[int]) -> array[int]:
    swapped = column[:]
    swapped.byteswap()
    return swapped


def _districts(found: FeatureMap, labels: Labels) -> list[dict[str, Any]]:
    of_each: list[list[str]] = [[] for _ in found.districts]
    for number, label in _labelled(found, labels):
        of_each[number].append(label)
        of_each[found.districts[number].parent].append(label)
    names = [""] * len(of_each)
    for level in (0, 1):
        numbers = [n for n, one in enumerate(found.districts) if one.level == level]
        for number, name in zip(numbers, typical([of_each[n] for n in numbers]), strict=True):
            names[number] = name
    return [
        {
            "level": one.level,
            "parent": one.parent,
            "name": name or plain(one.promoted),
            "provisional": not name,
            "x": one.x,
            "y": one.y,
            "radius": one.radius,
            "features": one.features,
        }
        for one, name in zip(found.districts, names, strict=True)
    ]


def _labelled(found: FeatureMap, labels: Labels) -> Iterable[tuple[int, str]]:
    """District and label of each feature that has both."""
    for source, first in zip(found.sources, found.first(), strict=True):
        districts = found.district[first : first + source.width]
        for district, label in zip(districts, labels(source.id, source.width), strict=True):
            if label and district != NONE:
                yield district, label
