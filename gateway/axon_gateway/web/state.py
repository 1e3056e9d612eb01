"""What the handlers share, under one typed key of the application."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from axon_gateway.backends.backends import Backends
from axon_gateway.clients import Permissions
from axon_gateway.config import Settings
from axon_gateway.generations.explainer import Explainer
from axon_gateway.generations.running import Running
from axon_gateway.labels.labels import Labels
from axon_gateway.labels.search import LabelSearch
from axon_gateway.limits import Limits
from axon_gateway.maps.collection import Maps
from axon_gateway.rooms.rooms import Rooms, StartGeneration

#: Handshakes in one turn of the event loop; each takes about a third of a millisecond.
_AT_ONCE = 4


@dataclass(slots=True)
class Gateway:
    """The parts of a running gateway."""

    settings: Settings
    backends: Backends
    labels: Labels
    search: LabelSearch
    maps: Maps
    rooms: Rooms
    permissions: Permissions
    limits: Limits
    #: The generations under way; lets none begin once the gateway stops.
    running: Running
    #: Makes a generation, which emits frames. Refusal if its client may not run it.
    start: StartGeneration
    #: Answers why a token came.
    explainer: Explainer
    #: Every open socket and its transport, to be closed properly when the gateway stops.
    sockets: dict[web.WebSocketResponse, asyncio.Transport] = field(default_factory=dict)
    #: Proxies that are not believed, of which the log has told.
    proxies: set[str] = field(default_factory=set)
    #: Bounds the handshakes in one turn of the event loop: a whole hall may connect at once.
    door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))


GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
