"""Reading recordings: complete ones, incomplete ones, and files that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axon import recording
from axon.recording import RecordingError

FEATURE = {"id": 7, "label": "cats", "activation": 2.5, "layer": 0, "source": "fake/0-res"}
HEAD: dict[str, Any] = {"type": "recording", "seq": 0, "version": 1, "room": "k3f9x2"}
FRAMES: list[dict[str, Any]] = [
    {"type": "started", "seq": 1, "time": 10.0},
    {"type": "prompt", "seq": 2, "time": 10.5, "tokens": [{"token": "A", "features": []}]},
    {"type": "token", "seq": 3, "time": 12.5, "token": " b", "step": 0, "features": [FEATURE]},
    {"type": "finished", "seq": 4, "time": 99.0, "reason": "length", "generated_tokens": 1},
]
END = {"type": "end", "seq": 0, "frames": 4}


def lines(*frames: dict[str, Any]) -> list[str]:
    return [json.dumps(frame) for frame in frames]


def test_a_complete_recording_gives_its_frames() -> None:
    assert recording.load(lines(HEAD, *FRAMES, END)) == FRAMES
    # The answer of /api/generate can be read too.
    assert recording.load([*lines(*FRAMES), ""]) == FRAMES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ([], "empty"),
        (["id;label", "7;cats"], "not a recording: line 1 is not JSON"),
        (['["a", "list"]'], "not a recording: line 1 is no frame"),
        (['{"name": "somebody"}'], "not a recording: line 1 is no frame"),
        (lines(HEAD, *FRAMES), "its last line is missing"),
        (lines(HEAD), "its last line is missing"),
        ([*lines(HEAD, *FRAMES[:2]), lines(FRAMES[2])[0][:30]], "line 4 is not JSON"),
        (lines(HEAD, *FRAMES[:3], END), "3 of 4 frames"),
        (lines(*FRAMES[:3]), "its generation has no end"),
        (lines({**HEAD, "version": 2}, END), "its version is 2"),
        (lines(HEAD, {"type": "token", "seq": 1, "features": []}, END), "line 2 lacks parts"),
        (lines(HEAD, {"type": "prompt", "seq": 1, "tokens": [1]}, END), "line 2 lacks parts"),
    ],
)
def test_an_incomplete_or_foreign_file_is_refused(text: list[str], says: str) -> None:
    with pytest.raises(RecordingError, match=says):
        recording.load(text)


@pytest.mark.parametrize(
    ("speed", "waits"), [(1.0, [0.5, 2.0, 5.0]), (4.0, [0.125, 0.5, 1.25]), (0.0, [])]
)
def test_playing_keeps_the_pace_and_shortens_long_pauses(speed: float, waits: list[float]) -> None:
    slept: list[float] = []
    assert list(recording.play(FRAMES, speed, slept.append)) == FRAMES
    assert slept == waits
