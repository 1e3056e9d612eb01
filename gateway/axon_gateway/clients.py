"""Who a client is, and what its access token allows.

A client is an address. Behind a trusted proxy, it is the address that the proxy names.
"""

from __future__ import annotations

import ipaddress
import secrets

from aiohttp import web

from axon_gateway.config import Settings
from axon_gateway.errors import Refusal


class Client:
    """The client behind a socket; `may_generate` if its access token allows it.

    `voter` tells its browser from others, if that has named itself.
    """

    def __init__(self, address: str, may_generate: bool = True, voter: str = "") -> None:
        self.address = address
        self.may_generate = may_generate
        self.voter = voter

    def check_may_generate(self) -> None:
        """Refusal unless the client's access token lets it generate."""
        if not self.may_generate:
            raise _no_access("generate")


class Permissions:
    """What holders of an access token may do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def may_generate(self, access: str) -> bool:
        """Whether an access token lets its holder generate."""
        tokens = self._settings.generate_tokens
        return not tokens or _is_one_of(access, tokens)

    def check_may_generate(self, access: str) -> None:
        """Refusal unless an access token lets its holder generate."""
        if not self.may_generate(access):
            raise _no_access("generate", access)

    def check_may_join(self, access: str) -> None:
        """Refusal unless an access token lets its holder watch."""
        tokens = self._settings.join_tokens
        if tokens and not _is_one_of(access, (*tokens, *self._settings.generate_tokens)):
            raise _no_access("watch", access)


def client_of(request: web.Request, settings: Settings) -> str:
    """The address of a request's sender: the nearest one that is not a trusted proxy."""
    address = request.remote or ""
    named = request.headers.get("X-Forwarded-For", "").split(",")
    while named and _is_trusted(address, settings):
        further = named.pop().strip()
        if not _is_address(further):
            break
        address = further
    return address


def forwarded_proto(request: web.Request, settings: Settings) -> str:
    """The scheme that the client used, as a trusted proxy says; http if there is none."""
    if _is_trusted(request.remote or "", settings):
        return request.headers.get("X-Forwarded-Proto", "http").lower()
    return "http"


def unknown_proxy(request: web.Request, settings: Settings) -> str:
    """The address of a proxy that is not believed, or "": all its users count as that address."""
    address = request.remote or ""
    if _is_trusted(address, settings):
        # nginx in front of us knows which of its own clients are proxies.
        return request.headers.get("X-Unknown-Proxy", "")
    return address if "X-Forwarded-For" in request.headers else ""


def _is_trusted(address: str, settings: Settings) -> bool:
    if not _is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in settings.trusted_proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def access_of(request: web.Request) -> str:
    """The access token that a request shows: as bearer, or as `access` in its query."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else request.query.get("access", "")


def _no_access(what: str, shown: str = "") -> Refusal:
    """The refusal of a client whose access token, if it has `shown` one, does not allow `what`."""
    needed = f"an access token is needed to {what} here"
    message = f"{needed}; the one given is not one of them" if shown else needed
    return Refusal("no_access", message, "access")


def _is_one_of(access: str, tokens: tuple[str, ...]) -> bool:
    shown = access.encode(errors="surrogatepass")
    return any(secrets.compare_digest(shown, token.encode()) for token in tokens)
