"""`/api/map`: places, districts and kin of all features, in one binary."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

from aiohttp import web

from axon_gateway.errors import Refusal
from axon_gateway.maps.collection import State
from axon_gateway.web.state import GATEWAY

#: What `?v=HASH` names never changes.
_FOREVER = "public, max-age=31536000, immutable"
#: Seconds after which to ask again for a map that is being made.
_AGAIN = "2"


async def whole(request: web.Request) -> web.Response:
    """The map of a model (`?model=NAME`, or the default one), 202 while it is made."""
    state = request.app[GATEWAY].maps.of(request.query.get("model"))
    if state.why_none:
        raise Refusal("no_map", state.why_none)
    drawn = state.drawn
    if drawn is None:
        return web.json_response(
            {"state": "making", "stage": state.stage, "done": state.done},
            status=202,
            headers={"Cache-Control": "no-store", "Retry-After": _AGAIN},
        )
    headers = {
        # No cache may keep this map under the name of one that was here before.
        "Cache-Control": _FOREVER if request.query.get("v") == drawn.hash else "no-cache",
        "ETag": f'"{drawn.hash}"',
        "Vary": "Accept-Encoding",
    }
    if any(tag.value in (drawn.hash, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    body = drawn.body
    if "gzip" in request.headers.get("Accept-Encoding", "").lower():
        headers["Content-Encoding"] = "gzip"
    else:
        body = await asyncio.to_thread(gzip.decompress, body)
    return web.Response(body=body, headers=headers, content_type="application/octet-stream")


def summary(state: State) -> dict[str, Any] | None:
    """What `/api/model` says of a map; None if there is none."""
    if state.why_none:
        return None
    if state.drawn:
        return {"hash": state.drawn.hash, "stage": "", "done": 1.0}
    return {"hash": None, "stage": state.stage, "done": state.done}
