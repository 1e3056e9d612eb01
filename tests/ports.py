"""Ports for tests that start servers."""

from __future__ import annotations

import itertools
import os
import random
import socket

#: Each worker of pytest-xdist has its own ports, below those that the system gives to clients:
#: nothing takes a port between its choice here and the start of the server.
_EACH = 1000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST = 10_000 + _WORKER % 20 * _EACH
_NUMBERS = itertools.count(random.randrange(_EACH))


def free_port() -> int:
    """A port that nothing listens on now."""
    while True:
        port = _FIRST + next(_NUMBERS) % _EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
