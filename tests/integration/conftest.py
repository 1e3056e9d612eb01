"""The inference service with a fake model, for the tests that call it over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .rig import Rig, serving


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A ready service with two slots and a queue of one."""
    async with serving() as service:
        rig = Rig(service)
        yield rig
        await rig.channel.close()
