"""`axon replay` of files that are damaged, foreign or hostile: one clear line of error."""

from __future__ import annotations

import copy
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from axon import cli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FEATURE = {"id": 7, "label": "cats", "activation": 2.5, "layer": 0, "source": "fake/0-res"}
NAMELESS = {"id": 8, "activation": 1.5, "layer": 0, "source": "fake/0-res"}
FRAMES: list[dict[str, Any]] = [
    {"type": "recording", "seq": 0, "version": 1, "room": "k3f9x2"},
    {"type": "started", "seq": 1, "time": 10.0},
    {"type": "prompt", "seq": 2, "time": 10.5, "tokens": [{"token": "A", "features": []}]},
    {"type": "token", "seq": 3, "time": 12.5, "token": " b", "step": 0, "features": [FEATURE]},
    {"type": "token", "seq": 4, "time": 12.6, "token": " c", "step": 1, "features": [NAMELESS]},
    {"type": "finished", "seq": 5, "time": 99.0, "reason": "length", "generated_tokens": 2},
    {"type": "end", "seq": 0, "frames": 5},
]
EDIT = {"source": "fake/0-res", "feature": 7, "swap_with": 9, "origin": "generated"}
EDITED = {**FEATURE, "activation": 0.0, "edited": True, "before": 2.5}
TWIN: list[dict[str, Any]] = [
    {"type": "recording", "seq": 0, "version": 1, "room": "k3f9x2"},
    {
        "type": "started",
        "seq": 1,
        "branches": [{"name": "as is", "edits": []}, {"name": "edited", "edits": [EDIT]}],
    },
    {"type": "prompt", "seq": 2, "branch": 0, "tokens": [{"token": "A", "features": []}]},
    {"type": "prompt", "seq": 3, "branch": 1, "tokens": [{"token": "A", "features": []}]},
    {"type": "token", "seq": 4, "branch": 0, "token": " b", "step": 0, "features": [FEATURE]},
    {"type": "token", "seq": 5, "branch": 1, "token": " z", "step": 0, "features": [EDITED]},
    {"type": "edited", "seq": 6, "branch": 0, "position": 2, "edits": [EDIT]},
    {"type": "branch_ended", "seq": 7, "branch": 1, "reason": "stop", "generated_tokens": 1},
    {"type": "token", "seq": 8, "branch": 0, "token": " c", "step": 1, "features": [NAMELESS]},
    {"type": "finished", "seq": 9, "time": 99.0, "reason": "length", "generated_tokens": 3},
    {"type": "end", "seq": 0, "frames": 9},
]
#: Characters that must not reach a terminal: control characters (except line ends), text
#: direction, and half surrogate pairs.
_UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def text_of(frames: list[Any]) -> bytes:
    return "".join(json.dumps(frame) + "\n" for frame in frames).encode()


class Played:
    """A replay: its exit code, and what it wrote to stdout and stderr."""

    def __init__(self, content: bytes, folder: Path, *arguments: str) -> None:
        file = folder / "room.jsonl"
        file.write_bytes(content)
        out, err, stdin = sys.stdout, sys.stderr, sys.stdin
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
        sys.stdout, sys.stderr, sys.stdin = *streams, io.StringIO("\n" * 100)
        try:
            self.code = cli.main(["replay", str(file), *(arguments or ("--speed", "0"))])
        finally:
            sys.stdout, sys.stderr, sys.stdin = out, err, stdin
        self.out, self.err = (self._text(stream) for stream in streams)

    @staticmethod
    def _text(stream: io.TextIOWrapper) -> str:
        stream.flush()
        raw = stream.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode()


def check(content: bytes, folder: Path) -> None:
    """Replays a file in each mode: it works, or prints one line that says what is wrong."""
    for arguments in ((), ("--step",), ("--json", "--speed", "0")):
        played = Played(content, folder, *arguments)
        assert played.code in (0, 1)
        assert not _UNSEEN.search(played.out + played.err)
        if played.code == 1:
            [line] = played.err.splitlines()
            assert line.startswith("axon: ")


def test_a_complete_recording_is_played(tmp_path: Path) -> None:
    played = Played(text_of(FRAMES), tmp_path)
    assert (played.code, played.err) == (0, "")
    assert "A b c" in played.out
    assert "7:2.50 cats" in played.out
    assert "8:1.50\n" in played.out


def test_branches_are_played_side_by_side(tmp_path: Path) -> None:
    played = Played(text_of(TWIN), tmp_path)
    assert (played.code, played.err) == (0, "")
    lines = [line.rstrip() for line in played.out.splitlines()]
    assert lines[:6] == [
        "A",
        "",
        "  as is                  edited",
        "* ' b'                   ' z'",
        "[branch 0, from position 2 on: fake/0-res/7 swap 9 generated]",
        "* ' c'",
    ]
    assert lines[7:11] == ["as is", "  'A'", "+ ' b'", "    fake/0-res  7:2.50 cats"]
    assert "    fake/0-res  7:0.00 (was 2.50) cats" in lines
    steps = Played(text_of(TWIN), tmp_path, "--step").out.splitlines()
    assert "edited: + ' z'" in steps
    assert "[branch 0, from position 2 on: fake/0-res/7 swap 9 generated]" in steps


def test_control_characters_are_shown_escaped(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202ereversed\x7f"
    frames = copy.deepcopy(FRAMES)
    frames[3]["token"] = f"good\nline {evil}"
    frames[3]["features"][0]["label"] = frames[3]["features"][0]["source"] = evil
    frames[5]["reason"] = evil
    for arguments in ((), ("--step",), ("--json", "--speed", "0")):
        played = Played(text_of(frames), tmp_path, *arguments)
        assert played.code == 0
        assert not _UNSEEN.search(played.out)
        assert "\\u001b[2J" in played.out or "\\x1b[2J" in played.out
    assert "good\nline " in Played(text_of(frames), tmp_path).out
    # With --json the escaped text decodes to the original text.
    lines = played.out.splitlines()
    assert json.loads(lines[2])["token"] == frames[3]["token"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000])
def test_json_that_python_cannot_read_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    played = Played(text.encode(), tmp_path)
    assert played.code == 1
    assert played.err.count("\n") == 1
    assert "not JSON" in played.err


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\x1b[2J", "\ud800", 10**400, -1, 1e308, "token", "prompt", "finished"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def places(container: Any) -> list[tuple[Any, Any]]:
    """Every value in the frames, at any depth, as its container and its key there."""
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    found = [(container, key) for key in keys]
    for key in keys:
        if isinstance(container[key], dict | list):
            found += places(container[key])
    return found


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_value_in_any_place_is_played_or_refused_in_one_line(
    tmp_path: Path, data: st.DataObject
) -> None:
    frames = copy.deepcopy(data.draw(st.sampled_from([FRAMES, TWIN])))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(frames)))
        if data.draw(st.integers(0, 9)) == 0:
            del container[key]
        else:
            container[key] = data.draw(VALUES)
    check(text_of(frames), tmp_path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_damage_to_bytes_is_played_or_refused_in_one_line(
    tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(text_of(data.draw(st.sampled_from([FRAMES, TWIN]))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        length = data.draw(st.sampled_from([0, 1, 8, len(content)]))
        content[at : at + length] = data.draw(st.binary(max_size=4))
    check(bytes(content), tmp_path)
