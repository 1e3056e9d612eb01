"""A service as a process: where it answers, and its end when it cannot serve."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping

#: Where a service that listens on all addresses answers on its own machine.
_HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def local_address(host: str, port: int) -> str:
    """HOST:PORT of a service on this machine that listens on `host`, for its health check."""
    host = host.strip("[]")
    host = _HERE.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def give_up(environment: Mapping[str, str]) -> int:
    """The exit code of a service that cannot serve, 1.

    If AXON_ON_FAILURE is wait, whatever else is wrong in `environment`, it first waits for a
    signal: a container's restart policy would start the process again at once, for ever.
    """
    if environment.get("AXON_ON_FAILURE", "").strip().lower() == "wait":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(1))
        signal.pause()
    return 1
