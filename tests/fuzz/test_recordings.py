"""Damaged recordings for `axon replay`, and control characters in complete ones."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from axon import cli
from hypothesis import strategies as st

from . import mutation
from .inputs import fuzz

#: Control characters, except line break and tab.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FEATURE = {"id": 7, "label": "capitals", "activation": 1.5, "source": "fake/0-res", "layer": 0}
_TOKEN = {"token": " Paris", "position": 2, "token_id": 9, "features": [_FEATURE, _FEATURE]}
_FRAMES: list[dict[str, Any]] = [
    {"type": "recording", "seq": 0, "version": 1, "room": "abcdef"},
    {"type": "started", "seq": 1, "time": 1.0, "model": "fake", "prompt": "The"},
    {"type": "prompt", "seq": 2, "time": 1.0, "tokens": [_TOKEN, _TOKEN]},
    {"type": "token", "seq": 3, "time": 1.1, "step": 0, "logprob": -0.5, **_TOKEN},
    {"type": "finished", "seq": 4, "time": 1.2, "status": "done", "generated_tokens": 1},
    {"type": "error", "seq": 5, "time": 1.2, "error": "deadline", "message": "too late"},
    {"type": "end", "seq": 0, "frames": 5},
]
_damage = st.tuples(
    st.one_of(mutation.edits, st.just([])),
    st.one_of(st.just([]), mutation.byte_edits),
    st.sampled_from([["--speed", "0"], ["--speed", "0", "--json"], ["--step"]]),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recording") / "room.jsonl"


@fuzz(_damage)
def test_each_is_played_or_refused_in_one_line_without_control_characters(
    file: Path, drawn: Any
) -> None:
    edits, byte_edits, options = drawn
    frames = mutation.edited(_FRAMES, edits)
    lines = [json.dumps(frame) + "\n" for frame in frames] if isinstance(frames, list) else [""]
    file.write_bytes(mutation.bytes_edited("".join(lines).encode(), byte_edits))
    out, err = io.StringIO(), io.StringIO()
    before, sys.stdin = sys.stdin, io.StringIO("\n" * 50)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(["replay", str(file), *options])
    finally:
        sys.stdin = before
    assert code in (0, 1)
    assert len(err.getvalue().splitlines()) == code, err.getvalue()
    for text in (out.getvalue(), err.getvalue()):
        text.encode()
        assert not (found := _CONTROL.search(text)), (found, text)
