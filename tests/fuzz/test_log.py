"""Requests that try to forge lines of the log, or to control the terminal that shows it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from . import mutation
from .inputs import fuzz
from .subjects import LOG_LINE, Gateway, answer

_ESCAPES = ["%0a", "%0d%0a", "%1b[2J", "%00", "%e2%80%a8", "%c2%9b", "%7f", "%ff", "%25", "%20"]
_FORGED = "12:00:00 INFO    axon_gateway: all is well"
_part = st.one_of(
    st.sampled_from([*_ESCAPES, _FORGED.replace(" ", "%20"), "é", "a", "?token=secret", "//"]),
    st.integers(0, 255).map(lambda byte: f"%{byte:02x}"),
)
_path = st.lists(_part, min_size=1, max_size=6).map(lambda parts: "/api/" + "".join(parts))
_id = st.one_of(st.none(), mutation.text, st.sampled_from([_FORGED, "a" * 100, "fine-1"]))
_method = st.sampled_from(["GET", "GET", "POST", "DELETE", "A\x1bB", "\x9b", "FORGED"])


@fuzz(st.tuples(_method, _path, _id), batch=20)
def test_each_is_one_line_without_control_characters(gateway: Gateway, drawn: list[Any]) -> None:
    gateway.new_log()
    answered = 0
    for method, path, id_ in drawn:
        given = "".join(c for c in id_ or "" if c not in "\r\n").encode(errors="surrogatepass")
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
        with gateway.connect() as plug:
            plug.sendall(head + (b"X-Request-ID: " + given + b"\r\n" if id_ else b"") + b"\r\n")
            status, _ = answer(plug)
        assert 200 <= status < 500
        answered += status != 400
    lines = gateway.new_log().split("\n")
    for line in lines:
        assert not line or LOG_LINE.fullmatch(line), line
        assert "secret" not in line
    # A request that is not HTTP (status 400) may have a line or none.
    assert answered <= sum(map(bool, lines)) <= len(drawn), lines
