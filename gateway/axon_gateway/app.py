"""Wiring: the parts of a gateway, put together and taken apart in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import WSCloseCode, web
from axon.v1 import inference_pb2 as pb

from axon_gateway import middleware, page, routes
from axon_gateway.config import Settings
from axon_gateway.errors import Refusal
from axon_gateway.generation import Emit, Generation
from axon_gateway.labels import Labels
from axon_gateway.limits import Client, Limits
from axon_gateway.rooms import Rooms
from axon_gateway.sharing import RedisSharing
from axon_gateway.state import GATEWAY, Gateway
from axon_gateway.upstream import Upstream

_log = logging.getLogger(__name__)

#: Seconds between two tries to reach inference while starting.
_RETRY = 1.0
#: Seconds that sockets have to take their goodbye.
_GOODBYE = 2.5


def build(settings: Settings) -> web.Application:
    """The application; its parts live from start-up to clean-up."""
    app = web.Application(
        middlewares=[middleware.failures, middleware.same_origin],
        client_max_size=settings.max_message_bytes,
    )
    app.cleanup_ctx.append(_parts)
    app.cleanup_ctx.append(_warm_up)
    app.on_shutdown.append(_say_goodbye)
    app.add_routes(routes.routes())
    app.add_routes(page.routes(settings.page))
    app[_SETTINGS] = settings
    return app


_SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)


async def _parts(app: web.Application) -> AsyncIterator[None]:
    settings = app[_SETTINGS]
    upstream = Upstream(settings.inference, settings.generation_timeout)
    labels = Labels(settings.redis_url, settings.labels, settings.label_cache)

    limits = Limits(settings)

    def start(request: pb.GenerateRequest, emit: Emit, client: Client | None) -> Generation:
        return Generation(
            upstream, labels, request, emit, limits.generation(client, request.prompt)
        )

    sharing = RedisSharing(settings.redis_url, max(settings.room_idle, settings.room_grace))
    rooms = Rooms(
        start,
        limit=settings.max_rooms,
        log_bytes=settings.room_log_bytes,
        grace=settings.room_grace,
        idle=settings.room_idle,
        sharing=sharing,
    )
    sharing.start(rooms)
    app[GATEWAY] = Gateway(settings, upstream, labels, rooms, limits)
    yield
    await rooms.close()
    await sharing.close()
    await labels.close()
    await upstream.close()


async def _warm_up(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(_meet_inference(app[GATEWAY]))
    yield
    task.cancel()
    await asyncio.wait([task])


async def _meet_inference(gateway: Gateway) -> None:
    """Waits for inference to serve, then loads its labels ahead of the first generation."""
    while True:
        try:
            await gateway.upstream.check()
            model = await gateway.upstream.model()
            break
        except Refusal:
            await asyncio.sleep(_RETRY)
    sources = [source.id for source in model.sources]
    target = gateway.upstream.target
    _log.info("inference at %s serves %s: %s", target, model.model, ", ".join(sources))
    for source in sources:
        try:
            await gateway.labels.prepare(source)
        except Refusal:
            # Said in the log by now. The first look-up tries again.
            return


async def _say_goodbye(app: web.Application) -> None:
    """Closes the sockets all at once; those that do not take it in time are cut off."""
    sockets = app[GATEWAY].sockets
    closing = [
        asyncio.create_task(
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"the gateway is shutting down")
        )
        for socket in sockets
    ]
    if closing:
        await asyncio.wait(closing, timeout=_GOODBYE)
        for transport in list(sockets.values()):
            transport.abort()
        await asyncio.gather(*closing, return_exceptions=True)
