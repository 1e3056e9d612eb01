"""Labels through the whole gateway: those that come late, and those that come before all others."""

from __future__ import annotations

import dataclasses

import pytest
from axon_gateway.config import Settings
from redis import Redis

from . import harness
from .fake_inference import SOURCES, FakeInference
from .fake_neuronpedia import FakeNeuronpedia
from .harness import RedisServer


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    """The shared Redis, emptied."""
    with Redis.from_url(shared_redis.url) as client:
        client.flushall()
    return shared_redis


async def test_labels_that_only_the_api_has_follow_the_tokens(
    settings: Settings, inference: FakeInference, redis: RedisServer
) -> None:
    single = {index: f"single {index}" for index in range(64)}
    async with FakeNeuronpedia({}, single) as fake:
        fake.api_delay = 0.5
        settings = dataclasses.replace(
            settings,
            labels=None,
            redis_url=redis.url,
            neuronpedia_export=fake.export,
            neuronpedia_api=fake.api,
            neuronpedia_rate=1000.0,
            label_overrides={(SOURCES[0], 7): "mine"},
        )
        async with harness.running(settings) as gateway:
            client = await gateway.connect()
            await client.send(prompt="x")
            frames = await client.until("finished")
            features = [
                feature
                for frame in frames
                if frame["type"] in ("prompt", "token")
                for token in frame.get("tokens", [frame])
                for feature in token["features"]
            ]
            # Every answer takes its time. Nothing waited for one, and the override is at hand.
            shown = {f["id"]: f["label"] for f in features if f["source"] == SOURCES[0]}
            assert shown[7] == "mine"
            assert shown[8] is None
            while (frame := await client.frame())["type"] != "labels":
                pass
            [(index, label)] = frame["labels"].items()
            assert (frame["source"], label) == (SOURCES[0], f"single {index}")
    # The second source is not on Neuronpedia, and nobody asks there for it.
    assert set(fake.seen.features) <= {f["id"] for f in features if f["source"] == SOURCES[0]}


async def test_a_feature_says_where_its_label_is_from(
    settings: Settings, redis: RedisServer
) -> None:
    overrides = {(SOURCES[0], 7): "mine"}
    settings = dataclasses.replace(
        settings, redis_url=redis.url, label_overrides=overrides, neuronpedia_api=""
    )
    async with (
        harness.running(settings) as gateway,
        gateway.http.get(f"{gateway.url}/api/features/{SOURCES[0]}/7") as answer,
    ):
        found = await answer.json()
    assert (found["label"], found["explainer"], found["score"]) == ("mine", "override", None)
    assert found["density"] == 0.01
