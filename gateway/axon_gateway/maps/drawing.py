"""From the parts that inference sends to the map as one binary; docs/frames.md describes it."""

from __future__ import annotations

import gzip
import hashlib
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from axon.v1 import inference_pb2 as pb

from axon_gateway.maps.naming import plain, typical

_VERSION = 1
#: No district, and no kin.
_NO_DISTRICT, _NO_KIN = 0xFFFF, 0xFFFFFFFF
#: Labels of some features of a source: (source id, width) to a label or None of each feature.
Labels = Callable[[str, int], Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A map to serve: `hash` changes with the weights and with the names."""

    hash: str
    #: gzip.
    body: bytes


@dataclass(slots=True)
class Parts:
    """A map as it came from inference."""

    started: pb.MapStarted
    districts: Sequence[pb.MapDistrict] = ()
    x: array[int] = field(default_factory=lambda: array("H"))
    y: array[int] = field(default_factory=lambda: array("H"))
    district: array[int] = field(default_factory=lambda: array("H"))
    kin: array[int] = field(default_factory=lambda: array("I"))
    cosine: array[int] = field(default_factory=lambda: array("B"))

    def __post_init__(self) -> None:
        count = sum(source.width for source in self.started.sources)
        self.kin = array("I", [_NO_KIN]) * count
        self.cosine = array("B", [0]) * count

    def add(self, part: pb.GetMapResponse) -> None:
        """Take in one more part; those of the places come in order."""
        match part.WhichOneof("part"):
            case "places":
                self.x.extend(part.places.x)
                self.y.extend(part.places.y)
                self.district.extend(min(one, _NO_DISTRICT) for one in part.places.district)
            case "districts":
                self.districts = part.districts.districts
            case "kin":
                self._add_kin(part.kin)

    def first(self) -> list[int]:
        """Of each source the index of its feature 0 among all features."""
        widths = [source.width for source in self.started.sources]
        return [sum(widths[:number]) for number in range(len(widths))]

    def _add_kin(self, kin: pb.MapKin) -> None:
        first = self.first()
        columns = (kin.source, kin.feature, kin.above_source, kin.above, kin.cosine)
        for source, feature, above_source, above, cosine in zip(*columns, strict=True):
            self.kin[first[source] + feature] = first[above_source] + above
            self.cosine[first[source] + feature] = round(255 * min(max(cosine, 0.0), 1.0))


def draw(parts: Parts, labels: Labels) -> Drawn:
    """The map with its districts named from labels; it takes a second for 320,000 features."""
    districts = _districts(parts, labels)
    named = orjson.dumps([parts.started.hash, districts])
    hash_ = hashlib.sha256(named).hexdigest()[:16]
    columns = {name: getattr(parts, name) for name in ("x", "y", "district", "kin", "cosine")}
    header: dict[str, Any] = {
        "version": _VERSION,
        "model": parts.started.model,
        "hash": hash_,
        "weights": parts.started.hash,
        "seed": parts.started.seed,
        "kin_distance": round(parts.started.kin_distance, 5),
        "sources": [
            {
                "id": source.id,
                "width": source.width,
                "layer": source.layer,
                "storey": source.storey,
                "first": first,
                "recall": round(source.recall, 4),
                "apart": source.apart,
            }
            for source, first in zip(parts.started.sources, parts.first(), strict=True)
        ],
        "districts": districts,
    }
    # The same bytes for the same map: gzip would otherwise write the time.
    return Drawn(hash_, gzip.compress(_binary(header, columns), mtime=0))


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


def _districts(parts: Parts, labels: Labels) -> list[dict[str, Any]]:
    of_each: list[list[str]] = [[] for _ in parts.districts]
    for number, label in _labelled(parts, labels):
        of_each[number].append(label)
        of_each[parts.districts[number].parent].append(label)
    names = [""] * len(of_each)
    for level in (0, 1):
        numbers = [n for n, one in enumerate(parts.districts) if one.level == level]
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
        for one, name in zip(parts.districts, names, strict=True)
    ]


def _labelled(parts: Parts, labels: Labels) -> Iterable[tuple[int, str]]:
    """District and label of each feature that has both."""
    for source, first in zip(parts.started.sources, parts.first(), strict=True):
        districts = parts.district[first : first + source.width]
        for district, label in zip(districts, labels(source.id, source.width), strict=True):
            if label and district != _NO_DISTRICT:
                yield district, label
