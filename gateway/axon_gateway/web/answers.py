"""How a refusal looks over HTTP."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiohttp import web

from axon_gateway import metrics
from axon_gateway.errors import Refusal


def answer(refusal: Refusal, headers: Mapping[str, str] | None = None) -> web.Response:
    """The JSON answer that tells a client about a refusal, which is counted."""
    metrics.ERRORS.labels(refusal.code).inc()
    headers = dict(headers or {})
    if refusal.retry_after is not None:
        # Whole seconds is all that the header knows.
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return web.json_response(refusal.body(), status=refusal.status, headers=headers)
