"""The inference service with a fake model, for every test that calls it over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from axon_inference.config import Settings
from axon_inference.service import Service

from .rig import Rig, fake_load


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A service that serves: two slots, and a queue of one."""
    settings = Settings(port=0, slots=2, max_queue=1, drain_seconds=1)
    service = Service(settings, on_fatal=pytest.fail, load=fake_load)
    await service.listen()
    await service.load()
    rig = Rig(service)
    yield rig
    await rig.channel.close()
    await service.drain()
