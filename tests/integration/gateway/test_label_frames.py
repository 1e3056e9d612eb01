"""Labels in the frames of a gateway: late ones, overrides, and those known from the start."""

from __future__ import annotations

import dataclasses
from typing import Any

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
            # The API answers after 0.5 s. No token waited for that, and the override needs no API.
            shown = {f["id"]: f for f in features if f["source"] == SOURCES[0]}
            assert shown[7]["label"] == "mine"
            assert "label" not in shown[8]
            while (frame := await client.frame())["type"] != "labels":
                pass
            [(index, label)] = frame["labels"].items()
            assert (frame["source"], label) == (SOURCES[0], f"single {index}")
    # The second source is not on Neuronpedia, so its features are not asked for.
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


async def features_of(gateway: harness.Running) -> list[dict[str, Any]]:
    """All features of one generation, as in the prompt's and tokens' frames."""
    client = await gateway.connect()
    await client.send(prompt="x")
    frames = await client.until("finished")
    await client.close()
    return [
        feature
        for frame in frames
        if frame["type"] in ("prompt", "token")
        for token in frame.get("tokens", [frame])
        for feature in token["features"]
    ]


async def test_labels_from_files_come_with_the_first_token(settings: Settings) -> None:
    # No Redis listens there. Labels in files need none.
    settings = dataclasses.replace(settings, redis_url="redis://127.0.0.1:1/0")
    async with harness.running(settings) as gateway:
        features = await features_of(gateway)
    assert [f["label"] for f in features] == [f"label {f['id']} of {f['source']}" for f in features]
    assert {f["max"] for f in features if "max" in f} == {4.5}


async def test_labels_that_redis_has_come_with_the_first_token(
    settings: Settings, redis: RedisServer
) -> None:
    labels = {index: f"exported {index}" for index in range(64)}
    async with FakeNeuronpedia(labels, source=SOURCES[0]) as fake:
        settings = dataclasses.replace(
            settings, labels=None, redis_url=redis.url, neuronpedia_export=fake.export
        )
        settings = dataclasses.replace(settings, neuronpedia_api="")
        async with harness.running(settings) as gateway:
            # From now on the gateway knows that Neuronpedia has the source.
            async with gateway.http.get(f"{gateway.url}/readyz") as answer:
                assert answer.status == 200
            await gateway.gateway.labels.prepare(SOURCES[0])
        # A new gateway, without Neuronpedia.
        await fake.stop()
        async with harness.running(settings) as gateway:
            features = [f for f in await features_of(gateway) if f["source"] == SOURCES[0]]
    assert features
    assert [f.get("label") for f in features] == [f"exported {f['id']}" for f in features]


async def test_no_token_waits_for_the_download_of_an_export(
    settings: Settings, redis: RedisServer
) -> None:
    labels = {index: f"exported {index}" for index in range(64)}
    async with FakeNeuronpedia(labels, source=SOURCES[0]) as fake:
        fake.go.clear()
        settings = dataclasses.replace(
            settings, labels=None, redis_url=redis.url, neuronpedia_export=fake.export
        )
        settings = dataclasses.replace(settings, neuronpedia_api="")
        async with harness.running(settings) as gateway:
            client = await gateway.connect()
            await client.send(prompt="x")
            frames = await client.until("finished")
            features = [
                f for frame in frames if frame["type"] == "token" for f in frame["features"]
            ]
            assert features
            assert not any("label" in feature for feature in features)
            fake.go.set()
            late = await client.until("labels")
    assert late[-1]["source"] == SOURCES[0]
    assert all(label == f"exported {index}" for index, label in late[-1]["labels"].items())
