"""Texts of rooms in which a feature was active, read from the frames that rooms keep anyway.

So nothing is held beside the logs, and what a room forgets is forgotten here. Activations are those
that viewers saw: where the feature was not among a token's reported ones, it counts as 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from axon_gateway.labels.examples import Example, around, strongest

#: Texts of a feature that are told.
MOST = 3
#: Bytes of frames that one question looks through, the newest generations of each room first.
_MOST_BYTES = 32 * 2**20
#: Bytes of the generations with the feature that it decodes.
_MOST_DECODED = 4 * 2**20
_STARTED = b'{"type":"started"'
_TOKENS = (b'{"type":"prompt"', b'{"type":"token"')
_EDITED = b'{"type":"edited"'


def fired(logs: Iterable[Sequence[bytes]], source: str, index: int) -> list[Example]:
    """The texts of these logs in which a feature was strongest, one of each generation's branch.

    Generations with edits are left out: there a feature may fire because somebody made it.
    """
    needle = b'{"id":%d,' % index
    found: list[Example] = []
    looked = decoded = 0
    for log in logs:
        for run in reversed(_runs(log)):
            looked += sum(map(len, run))
            if looked > _MOST_BYTES or decoded > _MOST_DECODED:
                return strongest(found, MOST)
            if any(needle in frame for frame in run):
                decoded += sum(map(len, run))
                found += _texts(run, source, index)
    return strongest(found, MOST)


def _runs(log: Sequence[bytes]) -> list[list[bytes]]:
    """Each whole generation's frames, as far as they tell tokens and edits, the oldest first."""
    runs: list[list[bytes]] = []
    for frame in log:
        if frame.startswith(_STARTED):
            runs.append([frame])
        elif runs and frame.startswith((*_TOKENS, _EDITED)):
            runs[-1].append(frame)
    return runs


def _texts(run: Sequence[bytes], source: str, index: int) -> Iterator[Example]:
    if any(frame.startswith(_EDITED) for frame in run):
        return
    started, *frames = map(orjson.loads, run)
    if any(branch["edits"] for branch in started["branches"]):
        return
    branches: dict[int, tuple[list[str], list[float]]] = defaultdict(lambda: ([], []))
    for frame in frames:
        tokens, activations = branches[frame.get("branch", 0)]
        for token in frame.get("tokens", (frame,)):
            tokens.append(token["token"])
            activations.append(_activation(token, source, index))
    for tokens, activations in branches.values():
        if any(activations):
            yield around(tokens, activations, "room")


def _activation(token: dict[str, Any], source: str, index: int) -> float:
    found = (
        feature["activation"]
        for feature in token["features"]
        if feature["id"] == index and feature["source"] == source
    )
    return float(next(found, 0.0))
