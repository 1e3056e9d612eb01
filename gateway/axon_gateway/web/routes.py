"""The HTTP interface: probes, the model, and generation as NDJSON."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from axon_gateway import metrics, requests
from axon_gateway.clients import Client, access_of, client_of
from axon_gateway.errors import Refusal
from axon_gateway.rooms import recording
from axon_gateway.rooms.room import Room
from axon_gateway.web import features, maps, model_info, questions
from axon_gateway.web.answers import Lines
from axon_gateway.web.bodies import body
from axon_gateway.web.live import live
from axon_gateway.web.state import GATEWAY, Gateway

#: Seconds that a stream stays open after `finished` for labels that are late.
_LATE_LABELS = 2.0


def routes() -> list[web.RouteDef]:
    """Everything but the page."""
    return [
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/metrics", measurements),
        web.get("/ws", live),
        web.get("/api/model", model),
        web.get("/api/map", maps.whole),
        web.get("/api/features", features.search),
        web.get("/api/features/{model}/{source}", features.facts),
        web.get("/api/features/{model}/{source}/{index}", features.feature),
        web.post("/api/generate", generate),
        web.post("/api/explain", questions.explain),
        web.get("/api/rooms/{room}/recording.jsonl", recorded),
        web.route("*", "/api/{rest:(?s:.*)}", unknown),
    ]


async def healthz(request: web.Request) -> web.Response:
    """The process is alive."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """A generation would start now; 503 with the reason otherwise."""
    gateway = request.app[GATEWAY]
    gateway.running.check()
    await gateway.backends.check()
    labels = "ok" if gateway.labels.available else "unavailable"
    models = gateway.backends.models()
    return web.json_response({"status": "ready", "labels": labels, "models": models})


async def measurements(request: web.Request) -> web.Response:
    """Prometheus' text format."""
    gateway = request.app[GATEWAY]
    state = metrics.State(
        rooms=len(gateway.rooms),
        sockets=len(gateway.sockets),
        lags=[lag for room in gateway.rooms.all() for lag in room.lags()],
        labels=gateway.labels.available,
    )
    return web.Response(body=metrics.page(state), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def model(request: web.Request) -> web.Response:
    """A model (`?model=NAME`, or the default one), its sources, knobs, limits and load."""
    gateway = request.app[GATEWAY]
    described = await gateway.backends.model(request.query.get("model"))
    models = [{"model": name, "ready": up} for name, up in gateway.backends.models().items()]
    return web.json_response(
        {
            **model_info.describe(described, gateway.settings),
            "map": maps.summary(gateway.maps.of(described.model)),
            "models": models,
        },
        headers={"Cache-Control": "no-store"},
    )


async def generate(request: web.Request) -> web.StreamResponse:
    """One generation as NDJSON, an event a line, each sent as soon as it happens."""
    gateway = request.app[GATEWAY]
    gateway.permissions.check_may_generate(access_of(request))
    sent = await body(request, gateway.settings)
    command = requests.parse(sent, gateway.settings.max_message_bytes)
    if not isinstance(command, requests.Generate):
        raise Refusal("unknown_type", "only generate is possible here", "type")
    lines = Lines(request)
    # The request's token was checked above.
    client = Client(client_of(request, gateway.settings))
    generation = gateway.start(command, lines.emit, client)
    try:
        # A client that leaves cancels this handler, and with it the gRPC stream.
        await generation.run()
        await generation.settle(_LATE_LABELS)
        await lines.response.write_eof()
    finally:
        generation.close()
    return lines.response


async def recorded(request: web.Request) -> web.StreamResponse:
    """A room's log so far as a file, with its labels filled in."""
    gateway = request.app[GATEWAY]
    room = await gateway.rooms.find(request.match_info["room"])
    async with gateway.limits.recording():
        return await _recording(request, gateway, room)


async def _recording(request: web.Request, gateway: Gateway, room: Room) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-ndjson",
            "Content-Disposition": f'attachment; filename="axon-{room.id}.jsonl"',
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(request)
    async for line in recording.lines(room.id, room.log.all(), gateway.labels):
        await response.write(line)
    await response.write_eof()
    return response


async def unknown(request: web.Request) -> web.Response:
    """Any other path below /api."""
    raise Refusal("not_found", f"there is no {request.method} {request.path}")
