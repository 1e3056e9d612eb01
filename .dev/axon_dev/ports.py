"""Find out before the long work whether Axon's ports can be had."""

import errno
import os
import socket

from axon_dev.console import Problem


def from_environment(variable: str, default: int) -> int:
    """The port a variable names. Raises Problem when it is not one."""
    text = os.environ.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise Problem(f"{variable}={text} is not a port: use a number from 1 to 65535.")
    return int(text)


def require_free(host: str, ports: dict[str, int], target: str = "run") -> None:
    """Raise Problem unless every port (by the variable that sets it) can be listened on.

    `target` is the one of `make` that the advice names.
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
            # As servers do; a port whose last connection is just closing counts as free. Never
            # SO_REUSEPORT, with which gRPC would share the port of another Axon and take half of
            # its callers.
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
