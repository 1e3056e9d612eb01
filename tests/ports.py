"""Ports for tests that start servers."""

from __future__ import annotations

import itertools
import os
import random
import socket

#: Each worker of pytest-xdist has its own ports, below those that the system gives to clients.
_EACH = 1000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST = 10_000 + _WORKER % 20 * _EACH
_NUMBERS = itertools.count(random.randrange(_EACH))
#: Chromium opens no page at these (ERR_UNSAFE_PORT): those of its list that lie above 10,000.
_REFUSED_BY_BROWSERS = {10_080}
_CLAIMS: dict[int, socket.socket] = {}


def free_port() -> int:
    """A TCP port that nothing listens on, and that no other tests on this machine get meanwhile.

    The UDP port of this number claims it until this process ends or gives it back; servers may
    stop and start.
    """
    while True:
        port = _FIRST + next(_NUMBERS) % _EACH
        if port in _REFUSED_BY_BROWSERS:
            continue
        claim = socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as probe:
            try:
                claim.bind(("127.0.0.1", port))
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        _CLAIMS[port] = claim
        return port


def give_back(port: int) -> None:
    """Other tests may have this port of `free_port` again; nothing listens on it any more."""
    if claim := _CLAIMS.pop(port, None):
        claim.close()
