"""Answers over HTTP: refusals, and frames as NDJSON."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiohttp import web

from axon_gateway import metrics
from axon_gateway.errors import Refusal
from axon_gateway.frames import Frame, encode


def answer(refusal: Refusal, headers: Mapping[str, str] | None = None) -> web.Response:
    """Counts a refusal, and returns it as a JSON answer."""
    metrics.ERRORS.labels(refusal.code).inc()
    headers = dict(headers or {})
    if refusal.retry_after is not None:
        # The header takes whole seconds only.
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return web.json_response(refusal.body(), status=refusal.status, headers=headers)


class Lines:
    """An answer of one frame a line, each sent as soon as it is there; begun with the first."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._seq = 0
        self.response = web.StreamResponse(
            headers={
                "Content-Type": "application/x-ndjson",
                "Cache-Control": "no-store",
                # Otherwise nginx would buffer the lines.
                "X-Accel-Buffering": "no",
            }
        )

    @property
    def begun(self) -> bool:
        """Whether the client has been told something: a refusal can no longer be the answer."""
        return self.response.prepared

    async def emit(self, frame: Frame) -> None:
        """Sends a frame; waits for a slow client."""
        if not self.begun:
            await self.response.prepare(self._request)
        self._seq += 1
        await self.response.write(encode(frame, self._seq) + b"\n")
