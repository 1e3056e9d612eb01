"""By which names this server is reached: what a browser writes into `Host`.

A foreign page can give its own name this server's address (DNS rebinding). For the browser both
are then one origin, and only the name tells the server that the page is not its own. Names that
nobody on the internet can give away are always this server's.
"""

from __future__ import annotations

import ipaddress
import re
import socket

#: Names below these cannot be registered (RFC 6761, 6762, 8375; ICANN keeps the others for us).
_LOCAL = (".localhost", ".local", ".home.arpa", ".internal", ".lan")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\s]*)(?::[0-9]*)?")


def known(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether `host`, a Host header, names this server: NAME or NAME:PORT.

    `allowed` are further names; one that begins with a dot stands for all below it, `*` for all.
    """
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = found["name"].rstrip(".")
    return (
        "." not in name.strip("[]")  # a name without dots is of this network, or an IPv6 address
        or name.endswith(_LOCAL)
        or name == socket.gethostname().lower()
        or _is_address(name)
        or any(rule in ("*", name) or (rule[0] == "." and name.endswith(rule)) for rule in allowed)
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
