"""Recordings: what `GET /api/rooms/{room}/recording.jsonl` gives, read back and played.

`load` refuses what is no recording or not all of one; `play` yields its frames at their own pace.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from axon import edits
from axon.edits import Edit, EditError

#: Newer files may mean something else by the same names.
VERSION = 1
#: Seconds that playing waits at most between two frames, at speed 1: people went for coffee.
LONGEST_PAUSE = 5.0

#: Seconds since 1970 that a frame may have been made at: beyond the year 30,000 it was not.
_LATEST = 1e12
#: Columns that a terminal could show at most.
_MOST_BRANCHES = 8

Frame = dict[str, Any]


class RecordingError(ValueError):
    """A file that is no recording, or not a whole one; the message says which line tells."""


def load(lines: Iterable[str]) -> list[Frame]:
    """The frames of a recording, or of what `/api/generate` answered. Raises RecordingError."""
    frames = [_frame(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not frames:
        raise RecordingError("it is empty")
    if frames[0]["type"] == "recording":
        return _whole(frames)
    if not any(frame["type"] in ("finished", "error") for frame in frames):
        raise RecordingError("it is cut off: its generation has no end")
    return frames


def play(
    frames: Iterable[Frame], speed: float = 1.0, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Frame]:
    """The frames, `speed` times as fast as they were made; 0 waits for nothing."""
    before: float | None = None
    for frame in frames:
        now = frame.get("time")
        if speed > 0 and before is not None and now is not None and now > before:
            sleep(min(now - before, LONGEST_PAUSE) / speed)
        before = now if now is not None else before
        yield frame


def tokens(frame: Frame) -> list[Frame]:
    """The tokens that a frame brings: the prompt's, one, or none."""
    if frame["type"] == "prompt":
        found: list[Frame] = frame["tokens"]
        return found
    return [frame] if frame["type"] == "token" else []


def branches(frame: Frame) -> list[str]:
    """The names of the branches that a `started` frame tells of; one, of no name, in old files."""
    return [branch["name"] for branch in frame.get("branches") or ()] or [""]


def edited(frame: Frame) -> list[Edit]:
    """The edits that a frame `edited` puts in force."""
    return [edits.read(one) for one in frame["edits"]]


def _frame(number: int, line: str) -> Frame:
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        if number == 1:
            raise RecordingError("it is not a recording: line 1 is not JSON") from None
        raise RecordingError(f"it is cut off or damaged: line {number} is not JSON") from None
    if not (
        isinstance(frame, dict)
        and isinstance(frame.get("type"), str)
        and _is_whole(frame.get("seq"))
        and _is_time(frame.get("time", 0.0))
    ):
        raise RecordingError(f"it is not a recording: line {number} is no frame")
    if not _has_its_parts(frame):
        raise RecordingError(f"it is damaged: line {number} lacks parts of what it tells")
    return frame


def _has_its_parts(frame: Frame) -> bool:
    """Whether all that a frame of this type is read for is there and of its kind."""
    if not _is_count(frame.get("branch", 0)):
        return False
    match frame["type"]:
        case "token":
            return _is_token(frame)
        case "prompt":
            found = frame.get("tokens")
            return isinstance(found, list) and all(map(_is_token, found))
        case "started":
            return _are_branches(frame.get("branches", []))
        case "edited":
            return _is_count(frame.get("position")) and _are_edits(frame.get("edits"))
        case "finished":
            return _is_whole(frame.get("generated_tokens")) and isinstance(frame.get("reason"), str)
        case "error":
            return isinstance(frame.get("message"), str)
    return True


def _is_token(token: Any) -> bool:
    return (
        isinstance(token, dict)
        and isinstance(token.get("token"), str)
        and isinstance(token.get("features"), list)
        and all(map(_is_feature, token["features"]))
    )


def _is_feature(feature: Any) -> bool:
    return (
        isinstance(feature, dict)
        and _is_whole(feature.get("id"))
        and _is_number(feature.get("activation"))
        and isinstance(feature.get("source"), str)
        # Recordings of earlier versions have null where there is no label.
        and isinstance(feature.get("label"), str | None)
        and _is_number(feature.get("before", 0))
    )


def _are_branches(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST_BRANCHES
        and all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in value)
    )


def _are_edits(value: Any) -> bool:
    try:
        return isinstance(value, list) and all(edits.read(one) for one in value)
    except EditError:
        return False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value < _LATEST


def _whole(frames: list[Frame]) -> list[Frame]:
    head, *frames = frames
    if head.get("version") != VERSION:
        version = str(head.get("version"))[:20]
        raise RecordingError(f"its version is {version}; this program reads {VERSION}")
    if not frames or frames[-1]["type"] != "end":
        raise RecordingError("it is cut off: its last line is missing")
    end = frames.pop()
    if end.get("frames") != len(frames):
        said = str(end.get("frames"))[:20]
        raise RecordingError(f"it is damaged: it has {len(frames)} of {said} frames")
    return frames
