"""A made-up map of all features, in the form in which a gateway serves one."""

from __future__ import annotations

import json
import math
import random
import struct
from array import array
from collections.abc import Sequence

SPAN = 65535
NO_KIN = 0xFFFFFFFF
NAMES = [
    "cities and countries", "animals", "numbers and sums", "names of people", "weather",
    "programs", "feelings", "where things are", "the market",
]  # fmt: skip
PARTS = ["early", "late", "at the end of a sentence", "in a question", "after a verb"]


def made_map(
    sources: Sequence[tuple[str, int]], *, model: str = "axon-demo", seed: int = 1
) -> bytes:
    """The map of these sources (id, features), the lowest first; the same for the same seed."""
    draw = random.Random(seed)
    count = sum(width for _, width in sources)
    large = []
    for i in range(len(NAMES)):
        angle, away = 2.4 * i, 0.42 * math.sqrt((i + 0.5) / len(NAMES))
        large.append((0.5 + away * math.cos(angle), 0.5 + away * math.sin(angle)))
    small = []
    for i in range(len(large) * len(PARTS)):
        east, south = large[i // len(PARTS)]
        small.append((east + draw.gauss(0, 0.055), south + draw.gauss(0, 0.055)))
    x, y, district = array("H"), array("H"), array("H")
    for _, width in sources:
        for i in range(width):
            # Kin have one number in all sources, and stand in one column.
            home = (i * 7919) % len(small)
            place = random.Random(f"{seed} {i}")
            for axis, into in enumerate((x, y)):
                spot = place.gauss(small[home][axis], 0.022) + draw.gauss(0, 0.004)
                into.append(round(SPAN * min(1.0, max(0.0, spot))))
            district.append(len(large) + home)
    kin = array("I")
    firsts = [sum(width for _, width in sources[:i]) for i in range(len(sources) + 1)]
    for i, (_, width) in enumerate(sources):
        above = sources[i + 1][1] if i + 1 < len(sources) else 0
        kin.extend(firsts[i + 1] + j if j < above and j % 5 else NO_KIN for j in range(width))
    cosine = array("B", [230] * count)
    districts = [
        _district(0, i, name, large[i], 6500, count // len(large)) for i, name in enumerate(NAMES)
    ]
    for i, middle in enumerate(small):
        name = f"{NAMES[i // len(PARTS)]}, {PARTS[i % len(PARTS)]}"
        districts.append(_district(1, i // len(PARTS), name, middle, 1800, count // len(small)))
    header = {
        "version": 1, "model": model, "hash": f"{seed:016x}", "seed": seed, "kin_distance": 0.01,
        "sources": [
            {"id": source, "width": width, "layer": i, "storey": i, "first": firsts[i],
             "recall": 0.47, "apart": ""}
            for i, (source, width) in enumerate(sources)
        ],
        "districts": districts,
    }  # fmt: skip
    return packed(header, {"x": x, "y": y, "district": district, "kin": kin, "cosine": cosine})


def _district(
    level: int, parent: int, name: str, spot: tuple[float, float], radius: int, features: int
) -> dict[str, object]:
    east, south = (round(SPAN * share) for share in spot)
    return {
        "level": level, "parent": parent, "name": name, "provisional": name.endswith("early"),
        "x": east, "y": south, "radius": radius, "features": features,
    }  # fmt: skip


def packed(header: dict[str, object], sections: dict[str, array[int]]) -> bytes:
    """A header and its sections as one file."""
    size = 2000 + len(json.dumps(header).encode())
    size += -size % 4
    body, places = b"", {}
    for name in ("kin", "x", "y", "district", "cosine"):
        places[name] = [4 + size + len(body), len(sections[name])]
        body += sections[name].tobytes()
    text = json.dumps({**header, "sections": places}).encode().ljust(size)
    return struct.pack("<I", size) + text + body
