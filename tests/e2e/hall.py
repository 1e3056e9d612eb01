"""A hall: the real gateway with fake models, to test rooms, access and limits without torch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from axon_gateway.config import Settings

from ..integration.gateway import harness
from ..integration.gateway.fake_inference import SOURCES, WIDTH, FakeInference, Script
from ..integration.gateway.harness import Running
from .fake_gateway import PAGE

#: A generation slow enough for a test to see it run, and that none sees end.
SLOW = Script(tokens=tuple(f" word{i}" for i in range(4000)), delay=0.05)


@dataclass
class Hall:
    """A gateway that serves the page, and the models behind it; `url` is the page's."""

    gateway: Running
    models: list[FakeInference]

    @property
    def url(self) -> str:
        return self.gateway.url

    @property
    def inference(self) -> FakeInference:
        """The first model."""
        return self.models[0]

    async def drop_sockets(self) -> None:
        """Breaks every connection, as a bad network would."""
        for transport in list(self.gateway.gateway.sockets.values()):
            transport.abort()


@asynccontextmanager
async def open_hall(
    labels: Any, *names: str, redis: harness.RedisServer | None = None, **settings: Any
) -> AsyncIterator[Hall]:
    """A hall with one model for each name; `labels` is a folder for label files."""
    async with AsyncExitStack() as parts:
        models = [
            await parts.enter_async_context(FakeInference(name=name)) for name in names or ("fake",)
        ]
        for source in SOURCES:
            harness.write_labels(labels, source, {i: f"thing {i}" for i in range(WIDTH)})
        server = redis or parts.enter_context(harness.redis_server())
        defaults: dict[str, Any] = {
            "backends": tuple(model.address for model in models),
            "redis_url": server.url,
            "labels": labels,
            "page": PAGE,
            "room_grace": 30.0,
        }
        gateway = await parts.enter_async_context(
            harness.running(Settings(**{**defaults, **settings}))
        )
        yield Hall(gateway, models)
