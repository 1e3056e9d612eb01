"""What applies to every request: its id, which pages may send it, and errors as JSON."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Middleware

from axon_gateway import logs
from axon_gateway.clients import access_of, forwarded_proto, unknown_proxy
from axon_gateway.errors import Refusal, our_failure
from axon_gateway.web import hosts
from axon_gateway.web.answers import PLAIN, Form, answer
from axon_gateway.web.state import GATEWAY

_log = logging.getLogger(__name__)

#: Headers of every answer; nginx sends the same (frontend/nginx/headers.conf). The page loads
#: everything from its own host, and has no inline script or style. Its link may hold a token.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
#: Asked by machines under whatever name they know.
_PROBES = ("/healthz", "/readyz")
#: Paths below which everything needs the access token to watch, if there is one.
_GUARDED = ("/api/", "/v1/")
#: Proxies of which the log tells; anybody can claim to be one.
_MOST_PROXIES = 8

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request its id: the X-Request-ID that a proxy has set, or a new one."""
    request[logs.REQUEST_ID] = logs.begin_request(request.headers.get("X-Request-ID"))
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Puts the request's id, and what browsers are to forbid, into its answer."""
    response.headers.update(HEADERS)
    if id_ := request.get(logs.REQUEST_ID):
        response.headers["X-Request-ID"] = id_


def failures(forms: Mapping[str, Form]) -> Middleware:
    """Turns refusals and failures into JSON. Details of our own failures go to the log only.

    `forms` are those of the paths that begin with their keys.
    """

    @web.middleware
    async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
        form = next((forms[start] for start in forms if request.path.startswith(start)), PLAIN)
        try:
            return await handler(request)
        except Refusal as refusal:
            return answer(refusal, form=form)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            message = f"{request.path} takes only {allowed}"
            return answer(Refusal("method_not_allowed", message), {"Allow": allowed}, form)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            return answer(our_failure(), form=form)

    return failures


@web.middleware
async def uncompressed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses compressed bodies: a small one may inflate to gigabytes, and no client needs one."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() in ("identity", ""):
        return await handler(request)
    message = f"the body is compressed ({encoding[:40]!a}); send it without Content-Encoding"
    raise Refusal("unsupported_encoding", message)


@web.middleware
async def unknown_proxies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells the log once of each proxy that is not believed: a whole campus may be behind it."""
    gateway = request.app[GATEWAY]
    proxy = unknown_proxy(request, gateway.settings)
    if proxy and proxy not in gateway.proxies and len(gateway.proxies) < _MOST_PROXIES:
        gateway.proxies.add(proxy)
        _log.warning(
            "a proxy at %s is not believed, so all people behind it count as one address and share "
            "its limits; if it is yours, name it in AXON_PROXY (in containers; `host` is a proxy "
            "on the same machine) or AXON_TRUSTED_PROXIES",
            proxy,
        )
    return await handler(request)


@web.middleware
async def known_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses names that are not this server's; over TLS, the certificate has proved the name."""
    settings = request.app[GATEWAY].settings
    host = request.headers.get("Host", "")
    proved = forwarded_proto(request, settings) == "https"
    if proved or request.path in _PROBES or hosts.known(host, settings.hosts):
        return await handler(request)
    name = host.partition(":")[0][:100]
    raise Refusal("unknown_host", f"this server is not known as {name!a}: add it to AXON_HOSTS")


@web.middleware
async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses both APIs to those who may not even watch; `/ws` checks for itself."""
    if request.path.startswith(_GUARDED):
        request.app[GATEWAY].permissions.check_may_join(access_of(request))
    return await handler(request)


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses pages of other origins. Browsers name a page's origin; other clients name none.

    The browser's own same-origin rule covers neither a WebSocket nor a plain POST.
    """
    origin = request.headers.get("Origin")
    if origin is None or (request.method in ("GET", "HEAD") and request.path != "/ws"):
        return await handler(request)
    own = origin.partition("://")[2].lower() == request.host.lower()
    if own or origin.rstrip("/") in request.app[GATEWAY].settings.origins:
        return await handler(request)
    message = (
        f"pages of {origin} may not connect to {request.host}: a proxy in between must pass Host "
        "on; another site's page needs AXON_ORIGINS"
    )
    raise Refusal("foreign_origin", message)
