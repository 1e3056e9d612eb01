"""A scripted inference service for the client to talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.gateway.fake_inference import FakeInference


@pytest_asyncio.fixture
async def inference() -> AsyncIterator[FakeInference]:
    async with FakeInference() as service:
        yield service
