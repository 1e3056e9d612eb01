"""Bodies of requests."""

from __future__ import annotations

import asyncio

from aiohttp import web

from axon_gateway.config import Settings
from axon_gateway.errors import Refusal


async def body(request: web.Request, settings: Settings) -> bytes:
    """The whole body, which has a limit of size and of time. Raises Refusal."""
    try:
        async with asyncio.timeout(settings.body_timeout):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        message = f"a request body may have {settings.max_message_bytes} bytes"
        raise Refusal("message_too_big", message) from None
    except web.RequestPayloadError as error:
        why = str(error).partition("\n")[0]
        raise Refusal("invalid_http", f"the body is not valid HTTP: {why}") from None
    except TimeoutError:
        message = f"a request body must arrive within {settings.body_timeout:g} s"
        raise Refusal("too_slow", message, retry_after=1.0) from None
