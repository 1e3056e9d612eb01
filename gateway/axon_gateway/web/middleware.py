"""What applies to every request: its id, which pages may send it, and errors as JSON."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from axon_gateway import logs
from axon_gateway.errors import Refusal, our_failure
from axon_gateway.web.answers import answer
from axon_gateway.web.state import GATEWAY

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request its id: the X-Request-ID that a proxy has set, or a new one."""
    request[logs.REQUEST_ID] = logs.begin_request(request.headers.get("X-Request-ID"))
    return await handler(request)


async def tell_identity(request: web.Request, response: web.StreamResponse) -> None:
    """Puts the request's id into its answer."""
    if id_ := request.get(logs.REQUEST_ID):
        response.headers["X-Request-ID"] = id_


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns refusals and failures into JSON. Details of our own failures go to the log only."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return answer(refusal)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        message = f"{request.path} takes only {allowed}"
        return answer(Refusal("method_not_allowed", message), {"Allow": allowed})
    except (web.HTTPException, ConnectionError):
        raise
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        return answer(our_failure())


@web.middleware
async def uncompressed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses compressed bodies: a small one may inflate to gigabytes, and no client needs one."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() in ("identity", ""):
        return await handler(request)
    message = f"the body is compressed ({encoding[:40]!a}); send it without Content-Encoding"
    raise Refusal("unsupported_encoding", message)


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
    raise Refusal("foreign_origin", f"pages of {origin} may not connect (see AXON_ORIGINS)")
