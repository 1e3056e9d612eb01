"""Refusals as HTTP answers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiohttp import web

from axon_gateway import metrics
from axon_gateway.errors import Refusal


def answer(refusal: Refusal, headers: Mapping[str, str] | None = None) -> web.Response:
    """Counts a refusal, and returns it as a JSON answer."""
    metrics.ERRORS.labels(refusal.code).inc()
    headers = dict(headers or {})
    if refusal.retry_after is not None:
        # The header takes whole seconds only.
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return web.json_response(refusal.body(), status=refusal.status, headers=headers)
