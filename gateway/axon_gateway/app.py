"""Wiring: the parts of a gateway, put together and taken apart in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import WSCloseCode, web
from axon.v1 import inference_pb2 as pb

from axon_gateway import config, middleware, page, routes
from axon_gateway.config import Settings
from axon_gateway.errors import Refusal
from axon_gateway.generation import Emit, Generation
from axon_gateway.label_files import LabelFiles
from axon_gateway.label_store import LabelStore
from axon_gateway.labels import Labels, Origins
from axon_gateway.neuronpedia import BulkExport, FeatureApi, Http
from axon_gateway.rooms import Rooms
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
        middlewares=[middleware.identify, middleware.failures, middleware.same_origin],
        client_max_size=settings.max_message_bytes,
    )
    app.cleanup_ctx.append(_parts)
    app.cleanup_ctx.append(_warm_up)
    app.on_response_prepare.append(middleware.tell_identity)
    app.on_shutdown.append(_say_goodbye)
    app.add_routes(routes.routes())
    app.add_routes(page.routes(settings.page))
    app[_SETTINGS] = settings
    return app


_SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)


async def _parts(app: web.Application) -> AsyncIterator[None]:
    settings = app[_SETTINGS]
    upstream = Upstream(settings.inference, settings.generation_timeout)
    labels = _labels(settings, upstream)

    def start(request: pb.GenerateRequest, emit: Emit, client: str) -> Generation:
        return Generation(upstream, labels, request, emit)

    rooms = Rooms(
        start,
        limit=settings.max_rooms,
        log_bytes=settings.room_log_bytes,
        grace=settings.room_grace,
        idle=settings.room_idle,
    )
    app[GATEWAY] = Gateway(settings, upstream, labels, rooms)
    yield
    await rooms.close()
    await labels.close()
    await upstream.close()


def _labels(settings: Settings, upstream: Upstream) -> Labels:
    http = Http()
    ids = dict(settings.neuronpedia_ids)

    def neuronpedia_id(source: str) -> str | None:
        return ids.get(source) or (source if upstream.listed(source) else None)

    export, api = settings.neuronpedia_export, settings.neuronpedia_api
    origins = Origins(
        overrides=settings.label_overrides,
        files=LabelFiles(settings.labels, config.BUNDLED_LABELS),
        export=BulkExport(http, export) if export else None,
        api=FeatureApi(http, api, settings.neuronpedia_rate) if api else None,
        neuronpedia_id=neuronpedia_id,
        http=http,
    )
    return Labels(LabelStore(settings.redis_url), origins, settings.label_cache)


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
