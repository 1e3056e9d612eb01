"""Many rooms, opened by sockets that send anything and then leave or stay."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from .inputs import fuzz
from .subjects import PATIENCE, Gateway

_KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#: The most sockets that stay in their rooms.
_STAYING = 300
_query = st.one_of(
    st.just(""),
    st.just(""),
    st.sampled_from(["room=zzzzzz", "room=" + "x" * 300, "room=%00", "from=-1", "from=1:2:3"]),
    st.sampled_from(["from=9999999999999999", "from=abc:7", "token=x", "access=%ff", "room="]),
)
_said = st.sampled_from(
    [
        {"prompt": "x"},
        {"type": "stop"},
        {"type": "open", "open": True},
        {"type": "view", "pose": [0, 1], "feature": None, "token": None},
        {"type": "share"},
        {"type": "question", "kind": "guess", "text": "", "options": [], "position": 1},
        {"type": "vote", "question": "none", "option": 0},
        {"type": "leave"},
        {"type": "ping"},
        {},
    ]
)


class Visitor:
    """A WebSocket client over a plain socket."""

    def __init__(self, gateway: Gateway, query: str = "") -> None:
        self.plug = gateway.connect()
        head = f"GET /ws?{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n{_KEY}"
        self.plug.sendall(f"{head}Connection: Upgrade\r\n\r\n".encode())
        self._read = self.plug.makefile("rb")
        while self._read.readline() not in (b"\r\n", b""):
            pass

    def say(self, message: Any) -> None:
        """Sends one message."""
        data = json.dumps(message).encode()
        self.plug.sendall(bytes([0x81, 0x80 | len(data)]) + b"\0\0\0\0" + data)

    def frames(self) -> Iterator[dict[str, Any]]:
        """All frames until the socket is closed."""
        while len(head := self._read.read(2)) == 2 and head[0] & 15 != 8:
            length = head[1]
            if length == 126:
                length = int.from_bytes(self._read.read(2))
            elif length == 127:
                length = int.from_bytes(self._read.read(8))
            data = self._read.read(length)
            if head[0] & 15 == 1:
                message = json.loads(data)
                yield from message["frames"] if message["type"] == "batch" else [message]

    def until(self, *types: str) -> dict[str, Any]:
        """The next frame of one of these types."""
        for frame in self.frames():
            if frame["type"] in types:
                return frame
        raise AssertionError(f"closed before any of {types}")

    def close(self) -> None:
        """Closes the connection without a close frame."""
        self._read.close()
        self.plug.close()


@pytest.fixture
def staying() -> Iterator[list[Visitor]]:
    found: list[Visitor] = []
    yield found
    for visitor in found:
        visitor.close()


_visit = st.tuples(_query, st.lists(_said, max_size=3), st.booleans())


@fuzz(_visit, batch=40)
def test_after_a_crowd_a_new_visitor_can_generate(
    gateway: Gateway, staying: list[Visitor], drawn: list[Any]
) -> None:
    for query, said, stays in drawn:
        visitor = Visitor(gateway, query)
        for message in said:
            try:
                visitor.say(message)
            except (BrokenPipeError, ConnectionResetError):
                break  # the gateway has refused it and closed the socket
        visitor.plug.settimeout(PATIENCE)
        if stays and len(staying) < _STAYING:
            staying.append(visitor)
        else:
            visitor.plug.shutdown(socket.SHUT_WR)
            visitor.close()
    generates(gateway)


def test_idle_sockets_hold_no_rooms(gateway: Gateway, staying: list[Visitor]) -> None:
    for _ in range(_STAYING):
        staying.append(Visitor(gateway))
    generates(gateway)


def generates(gateway: Gateway) -> None:
    """A new visitor opens a room and gets a whole generation in it."""
    visitor = Visitor(gateway)
    visitor.plug.settimeout(PATIENCE)
    visitor.say({"prompt": "x"})
    try:
        ended = visitor.until("finished", "error")
    finally:
        visitor.close()
    assert ended["type"] == "finished", ended
