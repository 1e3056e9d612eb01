"""Request heads that never end."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from hypothesis import strategies as st

from .inputs import fuzz
from .subjects import Gateway

#: Seconds within which a connection without a complete head must be closed: AXON_IDLE_TIMEOUT and
#: some more for a busy machine.
_CLOSED = 25.0
#: The number of connections that are open at once.
_AT_ONCE = 1500
_HEAD = b"POST /api/generate HTTP/1.1\r\nHost: x\r\nUser-Agent: slow\r\nContent-Length: 15\r\n"
_head = st.one_of(
    st.integers(0, len(_HEAD)).map(lambda end: _HEAD[:end]),
    st.integers(0, len(_HEAD)).map(lambda end: _HEAD[:end]),
    st.binary(max_size=40).map(lambda junk: _HEAD + b"X-Junk: " + junk.replace(b"\n", b"")),
)


def test_connections_are_closed_in_time_and_do_not_delay_others(gateway: Gateway) -> None:
    opened: list[tuple[socket.socket, float]] = []

    @fuzz(_head, batch=50)
    def open_them(drawn: list[Any]) -> None:
        for head in drawn:
            plug = gateway.connect()
            plug.sendall(head)
            opened.append((plug, time.monotonic() + _CLOSED))
        while len(opened) > _AT_ONCE:
            _require_closed(*opened.pop(0))

    with contextlib.ExitStack() as plugs:
        open_them()
        for plug, _ in opened:
            plugs.enter_context(plug)
        for _ in range(5):
            gateway.generate()
        for plug, deadline in opened:
            _require_closed(plug, deadline)


def _require_closed(plug: socket.socket, deadline: float) -> None:
    """Reads until the gateway closes the connection."""
    with plug:
        plug.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            while plug.recv(4096):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise AssertionError(f"still open after {_CLOSED:.0f} s") from None
