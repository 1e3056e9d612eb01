"""Hundreds of questions at once that all need Redis: none is answered that Redis fails."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from .inputs import fuzz
from .subjects import Gateway, answer

_SOURCES = ("fake/0-res", "fake/1-res")
_source = st.sampled_from(_SOURCES)
_index = st.integers(0, 63)
_room = st.text("23456789abcdefghjkmnpqrstuvwxyz", min_size=6, max_size=6)
_path = st.one_of(
    st.tuples(_source, _index).map(lambda drawn: f"/api/features/{drawn[0]}/{drawn[1]}"),
    st.tuples(_source, st.lists(_index, min_size=1, max_size=20)).map(
        lambda drawn: f"/api/features/{drawn[0]}?index={','.join(map(str, drawn[1]))}"
    ),
    _room.map(lambda room: f"/api/rooms/{room}/recording.jsonl"),
    st.sampled_from(["label", "7", "of"]).map(lambda word: f"/api/features?label={word}"),
    st.just(""),
)
_BODY = json.dumps({"prompt": "x"}).encode()
_GENERATE = b"POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(_BODY)


@fuzz(_path, batch=250)
def test_no_answer_says_that_redis_fails(gateway: Gateway, drawn: list[Any]) -> None:
    plugs = [gateway.connect() for _ in drawn]
    try:
        for plug, path in zip(plugs, drawn, strict=True):
            get = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            plug.sendall(get if path else _GENERATE + _BODY)
        for plug, path in zip(plugs, drawn, strict=True):
            status, found = answer(plug)
            expected = {404} if "/rooms/" in path else {200, 429} if "label=" in path else {200}
            assert status in expected, (path, status, found[:300])
    finally:
        for plug in plugs:
            plug.close()
