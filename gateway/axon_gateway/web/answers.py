"""Answers over HTTP: refusals, and those that are sent as they come, such as NDJSON."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from axon_gateway import metrics
from axon_gateway.errors import Refusal
from axon_gateway.frames import Frame, encode


@dataclass(frozen=True, slots=True)
class Form:
    """How a client is told of a refusal: as which JSON object, under which HTTP status."""

    body: Callable[[Refusal], dict[str, object]]
    status: Callable[[Refusal], int]


#: Axon's own.
PLAIN = Form(Refusal.body, lambda refusal: refusal.status)


def answer(
    refusal: Refusal, headers: Mapping[str, str] | None = None, form: Form = PLAIN
) -> web.Response:
    """Counts a refusal, and returns it as a JSON answer."""
    if not refusal.counted:
        metrics.ERRORS.labels(refusal.code).inc()
    headers = dict(headers or {})
    if refusal.retry_after is not None:
        # The header takes whole seconds only.
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return web.json_response(form.body(refusal), status=form.status(refusal), headers=headers)


class Events:
    """An answer that is sent piece by piece, each at once; begun with the first."""

    def __init__(self, request: web.Request, content_type: str) -> None:
        self._request = request
        self._begin = asyncio.Lock()
        self.response = web.StreamResponse(
            headers={
                "Content-Type": content_type,
                "Cache-Control": "no-store",
                # Otherwise nginx would buffer the pieces.
                "X-Accel-Buffering": "no",
            }
        )

    @property
    def begun(self) -> bool:
        """Whether the client has been told something: a refusal can no longer be the answer."""
        return self.response.prepared

    async def write(self, data: bytes) -> None:
        """Sends a piece; waits for a slow client."""
        async with self._begin:
            if not self.begun:
                await self.response.prepare(self._request)
        await self.response.write(data)


class Lines(Events):
    """An answer of one frame a line."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(request, "application/x-ndjson")
        self._seq = 0

    async def emit(self, frame: Frame) -> None:
        """Sends a frame; waits for a slow client."""
        self._seq += 1
        await self.write(encode(frame, self._seq) + b"\n")
