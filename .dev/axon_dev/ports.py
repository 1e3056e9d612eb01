"""Check that Axon's ports are free before the slow set-up begins."""

import errno
import os
import socket

from axon_dev.console import Problem


def from_environment(variable: str, default: int) -> int:
    """The port in an environment variable. Raises Problem when the text is not a port."""
    text = os.environ.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise Problem(f"{variable}={text} is not a port: use a number from 1 to 65535.")
    return int(text)


def require_free(host: str, ports: dict[str, int], target: str = "run") -> None:
    """Raise Problem unless a server can listen on every port.

    `ports` has each port by the variable that sets it; `target` is the target of `make` that the
    advice names.
    """
    if len(set(ports.values())) < len(ports):
        raise Problem(f"{' and '.join(ports)} must differ; both are {next(iter(ports.values()))}.")
    for variable, port in ports.items():
        trouble = _trouble(host, port)
        if trouble:
            other = port + 1 if port < 65535 else port - 1
            raise Problem(
                f"Port {port} on {host} {trouble}. Choose another: make {target} {variable}={other}"
            )


def _trouble(host: str, port: int) -> str | None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        raise Problem(f"AXON_HOST={host} is not an address of this machine.") from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            # Servers set SO_REUSEADDR too: a port whose last connection is closing counts as free.
            # Never set SO_REUSEPORT here: gRPC listens with it, so the port of another Axon would
            # look free, and each of the two would get half of the callers.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                probe.listen(1)
            except PermissionError:
                return "may not be used by this user"
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise Problem(f"AXON_HOST={host} is not an address of this machine.") from None
                return "is in use"
    return None
