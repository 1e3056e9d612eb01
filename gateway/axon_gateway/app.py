"""Builds a gateway from its parts, and closes them in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import WSCloseCode, web
from axon.types import Model

from axon_gateway import config
from axon_gateway.backends.backends import Backends
from axon_gateway.backends.upstream import Access
from axon_gateway.clients import Client, Permissions
from axon_gateway.config import Settings
from axon_gateway.documents import routes as documents
from axon_gateway.errors import Refusal
from axon_gateway.frames import Emit
from axon_gateway.generations.explainer import Explainer
from axon_gateway.generations.generation import Generation
from axon_gateway.generations.running import Running
from axon_gateway.labels.api import FeatureApi
from axon_gateway.labels.export import BulkExport
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.http import Http
from axon_gateway.labels.labels import Labels, Origins
from axon_gateway.labels.search import LabelSearch
from axon_gateway.labels.store import LabelStore
from axon_gateway.limits import Limits
from axon_gateway.maps.collection import Maps
from axon_gateway.openai import routes as openai
from axon_gateway.replication.redis_sharing import RedisSharing
from axon_gateway.requests import Generate
from axon_gateway.rooms.rooms import Rooms
from axon_gateway.tasks import Tasks, cancel
from axon_gateway.web import middleware, page, routes
from axon_gateway.web.state import GATEWAY, Gateway

#: Seconds after which a client that asks a stopping gateway should try again.
_TRY_AGAIN = 2.0
#: Seconds that sockets have to close when the gateway stops.
_GOODBYE = 2.5


def build(settings: Settings) -> web.Application:
    """The application; its parts live from start-up to clean-up."""
    app = web.Application(
        middlewares=[
            middleware.identify,
            middleware.failures({"/v1/": openai.FORM}),
            middleware.unknown_proxies,
            middleware.known_host,
            middleware.same_origin,
            middleware.admitted,
            middleware.uncompressed,
        ],
        client_max_size=settings.max_message_bytes,
    )
    app.cleanup_ctx.append(_parts)
    app.cleanup_ctx.append(_warm_up)
    app.on_response_prepare.append(middleware.add_headers)
    app.on_shutdown.append(_say_goodbye)
    described = [*routes.routes(), *openai.routes()]
    app.add_routes([*documents.routes(described), *described])
    app.add_routes(page.routes(settings.page))
    app[_SETTINGS] = settings
    return app


_SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
_SHARING: web.AppKey[RedisSharing] = web.AppKey("sharing", RedisSharing)


async def drain(app: web.Application) -> None:
    """Waits a while for running generations to end; viewers of the rest get an error."""
    message = "this gateway is stopping; try again, at another gateway if there are several"
    refusal = Refusal("gateway_stopping", message, None, _TRY_AGAIN)
    await app[GATEWAY].running.drain(app[_SETTINGS].drain_seconds, refusal)
    await app[_SHARING].flush()


async def _parts(app: web.Application) -> AsyncIterator[None]:
    settings = app[_SETTINGS]
    access = Access.of(settings.backend_tls, settings.backend_tls_name, settings.backend_token)
    backends = Backends(settings.targets, settings.generation_timeout, access)
    labels = _labels(settings, backends)
    search = LabelSearch(labels)
    maps = Maps(backends, labels)
    limits = Limits(settings)
    running = Running()

    def start(command: Generate, emit: Emit, client: Client | None) -> Generation:
        backend = backends.choose(command.model, command.request.features.sources)
        running.check()
        permit = limits.generation(client, command.text, command.branches)
        return Generation(backend, labels, command, emit, permit, running)

    explainer = Explainer(backends, labels, limits, running)
    sharing = RedisSharing(settings.redis_url, max(settings.room_idle, settings.room_grace))
    rooms = Rooms(
        start,
        limit=settings.max_rooms,
        log_bytes=settings.room_log_bytes,
        total_bytes=settings.rooms_bytes,
        grace=settings.room_grace,
        idle=settings.room_idle,
        sharing=sharing,
    )
    sharing.start(rooms)
    app[GATEWAY] = Gateway(
        settings,
        backends,
        labels,
        search,
        maps,
        rooms,
        Permissions(settings),
        limits,
        running,
        start,
        explainer,
    )
    app[_SHARING] = sharing
    yield
    await rooms.close()
    await sharing.close()
    await maps.close()
    await labels.close()
    await backends.close()


def _labels(settings: Settings, backends: Backends) -> Labels:
    http = Http()
    ids = dict(settings.neuronpedia_ids)

    def neuronpedia_id(source: str) -> str | None:
        return ids.get(source) or (source if backends.listed(source) else None)

    export, api = settings.neuronpedia_export, settings.neuronpedia_api
    origins = Origins(
        overrides=settings.label_overrides,
        files=LabelFiles(settings.labels, config.BUNDLED_LABELS),
        export=BulkExport(http, export) if export else None,
        api=FeatureApi(http, api, settings.neuronpedia_rate) if api else None,
        neuronpedia_id=neuronpedia_id,
        http=http,
    )
    return Labels(LabelStore(settings.redis_url), origins, settings.label_mb * 10**6)


async def _warm_up(app: web.Application) -> AsyncIterator[None]:
    """Loads the labels of a service's sources as soon as the service is up."""
    gateway = app[GATEWAY]
    tasks = Tasks()
    gateway.backends.watch(
        lambda model: tasks.start(_prepare(gateway.labels, model)), gateway.maps.look
    )
    yield
    # Stop watching first: the rest of the clean-up may wait for Redis, and a service that comes
    # up in the meantime needs no labels.
    await gateway.backends.unwatch()
    await cancel(tasks)


async def _prepare(labels: Labels, model: Model) -> None:
    # Load what this machine and Redis have first: fetching an export may take minutes.
    await labels.hold(source.id for source in model.sources)
    for source in model.sources:
        try:
            await labels.prepare(source.id)
        except Refusal:
            # Already logged. The first look-up tries again.
            return


async def _say_goodbye(app: web.Application) -> None:
    """Closes all sockets at once, and cuts off those that do not close in time."""
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
