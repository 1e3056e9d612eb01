"""A room's log as a file: JSON lines with the labels filled in.

The first line says what it is, the last one (`end`) that nothing is missing. Between them are the
room's frames as they were sent, each with the `time` at which it was made. `labels` frames are left
out, since the features have their labels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import orjson

from axon_gateway.errors import Refusal
from axon_gateway.frames import FACTS, Frame
from axon_gateway.labels.labels import Labels

VERSION = 1
#: Seconds that the file waits for labels; what is not known by then is left out.
_PATIENCE = 5.0
#: Frames after which other tasks may run: a log of 16 MiB would hold them up for long.
_AT_ONCE = 100
_LABELS = b'{"type":"labels"'

_Feature = dict[str, Any]


async def lines(room: str, log: Sequence[bytes], labels: Labels) -> AsyncIterator[bytes]:
    """The lines of the recording of a log's encoded frames."""
    found = _sent_later(log, "labels")
    facts = {name: _sent_later(log, name) for name in FACTS}
    found.update(await _look_up(await _unlabelled(log, found), labels))
    yield _line({"type": "recording", "seq": 0, "version": VERSION, "room": room})
    count = 0
    async for frame in _frames(log):
        for named in _named(frame):
            if (label := found.get(_key(named))) is not None:
                named.setdefault("label", label)
        for feature in _features(frame):
            for name, values in facts.items():
                if (value := values.pop(_key(feature), None)) is not None:
                    feature.setdefault(name, value)
        yield _line(frame)
        count += 1
    yield _line({"type": "end", "seq": 0, "frames": count})


def _line(frame: Frame) -> bytes:
    return orjson.dumps(frame) + b"\n"


async def _frames(log: Iterable[bytes]) -> AsyncIterator[Frame]:
    """The frames that a recording keeps, decoded."""
    for number, encoded in enumerate(log):
        if not encoded.startswith(_LABELS):
            yield orjson.loads(encoded)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)


def _features(frame: Frame) -> Iterable[_Feature]:
    for token in frame.get("tokens", (frame,)):
        yield from token.get("features", ())


def _named(frame: Frame) -> Iterable[_Feature]:
    """All that has a label: a token's features, and the causes of one."""
    yield from _features(frame)
    yield from frame.get("effects", ())


def _key(named: _Feature) -> tuple[str, int]:
    index = named["id"] if "id" in named else named["feature"]
    return named["source"], index


def _sent_later(log: Iterable[bytes], what: str) -> dict[tuple[str, int], Any]:
    """Labels, or facts, that came in frames of their own, by source and index."""
    values: dict[tuple[str, int], Any] = {}
    for encoded in log:
        if encoded.startswith(_LABELS):
            frame = orjson.loads(encoded)
            found = frame.get(what, {}).items()
            values.update({(frame["source"], int(index)): value for index, value in found})
    return values


async def _unlabelled(
    log: Iterable[bytes], known: dict[tuple[str, int], str]
) -> dict[str, set[int]]:
    """The features, by source, for which no label has come."""
    unlabelled: dict[str, set[int]] = {}
    async for frame in _frames(log):
        for named in _named(frame):
            source, index = _key(named)
            if "label" not in named and (source, index) not in known:
                unlabelled.setdefault(source, set()).add(index)
    return unlabelled


async def _look_up(unlabelled: dict[str, set[int]], labels: Labels) -> dict[tuple[str, int], str]:
    """Labels that are known now but were not when the room was streamed."""
    answers: dict[tuple[str, int], str] = {}
    try:
        async with asyncio.timeout(_PATIENCE):
            for source, indices in unlabelled.items():
                found = await labels.look_up(source, indices)
                answers.update({(source, index): label for index, label in found.items()})
    except (Refusal, TimeoutError):
        pass  # a recording without some labels is worth having
    return answers
