"""WebSocket frames that no browser sends: control frames, fragments, empty and broken ones."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Any

from hypothesis import strategies as st

from . import mutation
from .inputs import fuzz
from .subjects import Gateway

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_payload = st.one_of(
    st.just(b""),
    st.sampled_from([b'{"type":"stop"}', b'{"type":"ping"}', b'{"prompt":"x"}', b"{", b"\xff"]),
    st.binary(max_size=130),
    mutation.text.map(lambda text: text.encode(errors="surrogatepass")),
)
_well_formed = st.tuples(
    st.sampled_from([_TEXT, _TEXT, _BINARY, _PING, _PING, _PONG]), st.just(0x80), _payload
)
_fragment = st.tuples(st.sampled_from([_TEXT, 0, 0, 0]), st.sampled_from([0, 0, 0x80]), _payload)
_broken = st.tuples(
    st.integers(0, 15), st.sampled_from([0, 0x80, 0xC0, 0xF0, 0x10]), st.binary(max_size=200)
)
_frame = st.one_of(_well_formed, _well_formed, _fragment, _broken)


def encoded(frame: tuple[int, int, bytes], mask: bytes = b"\0\0\0\0") -> bytes:
    """A client's frame; a mask of zeros leaves the payload unchanged."""
    opcode, first, payload = frame
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    return bytes([first | opcode]) + length + mask + payload


def entered(gateway: Gateway) -> socket.socket:
    """A connection after its WebSocket handshake."""
    plug = gateway.connect()
    plug.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    told = b""
    while b"\r\n\r\n" not in told:
        told += plug.recv(4096)
    assert told.startswith(b"HTTP/1.1 101"), told
    return plug


@fuzz(_frame, batch=20)
def test_any_sequence_ends_in_a_closed_socket(gateway: Gateway, drawn: list[Any]) -> None:
    with entered(gateway) as plug:
        try:
            plug.sendall(b"".join(map(encoded, drawn)))
            plug.shutdown(socket.SHUT_WR)
            while plug.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass  # the gateway closed the connection, which is a valid answer


#: Frames in one flood. At the rate of AXON_CLIENT_MESSAGES they take minutes.
_FLOOD = 20_000
#: Seconds within which no flood may have been processed, however fast the machine is.
_SOON = 3.0


def test_empty_frames_count_as_messages(gateway: Gateway) -> None:
    """A flooding client is slowed down or cut off: a ping after its flood is not answered soon."""
    floods = [
        encoded((_PING, 0x80, b"")) * _FLOOD,
        encoded((_PING, 0x80, b"x" * 125)) * _FLOOD,
        encoded((_PONG, 0x80, b"")) * _FLOOD,
        encoded((_TEXT, 0, b"")) + encoded((0, 0, b"")) * _FLOOD + encoded((0, 0x80, b"{}")),
    ]
    asked = encoded((_TEXT, 0x80, b'{"type":"ping"}'))
    plugs = [entered(gateway) for _ in floods]
    senders = [
        threading.Thread(target=_send, args=(plug, flood + asked))
        for plug, flood in zip(plugs, floods, strict=True)
    ]
    for sender in senders:
        sender.start()
    gateway.generate()
    try:
        deadline = time.monotonic() + _SOON
        answered = [_answered(plug, deadline) for plug in plugs]
        assert answered == [False] * len(floods)
    finally:
        for plug in plugs:
            plug.close()
        for sender in senders:
            sender.join()


def _answered(plug: socket.socket, deadline: float) -> bool:
    """Whether the gateway answers `pong` before the deadline."""
    told = b""
    while (left := deadline - time.monotonic()) > 0:
        plug.settimeout(left)
        try:
            data = plug.recv(65536)
        except OSError:
            return False
        if not data:
            return False
        told = told[-20:] + data
        if b'"type":"pong"' in told:
            return True
    return False


def _send(plug: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the client was cut off, or the test is over
        plug.sendall(data)
