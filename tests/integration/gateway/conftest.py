"""A fake inference service, a real Redis, and a gateway between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from axon_gateway.config import Settings

from . import harness
from .fake_inference import SOURCES, WIDTH, FakeInference
from .harness import RedisServer, Running


@pytest_asyncio.fixture
async def inference() -> AsyncIterator[FakeInference]:
    """The fake service; set its `script` before generating."""
    async with FakeInference() as service:
        yield service


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One Redis for all tests that do not need their own. Sources never change once loaded."""
    with harness.redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Label files: feature 7 of the first source is "label 7 of fake/0-res", and so on."""
    folder = tmp_path_factory.mktemp("labels")
    for source in SOURCES:
        harness.write_labels(folder, source, {i: f"label {i} of {source}" for i in range(WIDTH)})
    return folder


@pytest.fixture
def settings(inference: FakeInference, shared_redis: RedisServer, labels: Path) -> Settings:
    """The gateway's settings; tests replace some."""
    return Settings(
        inference=inference.address,
        redis_url=shared_redis.url,
        labels=labels,
        page=None,
        room_grace=0.2,
    )


@pytest_asyncio.fixture
async def gateway(settings: Settings) -> AsyncIterator[Running]:
    """A running gateway."""
    async with harness.running(settings) as gateway:
        yield gateway
