"""Texts that activate a feature in `/api/features`: of the recipe, of Neuronpedia, of rooms."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from axon_gateway.config import Settings
from axon_gateway.labels import examples

from ...patience import eventually
from . import harness
from .fake_inference import SOURCES, FakeInference
from .fake_neuronpedia import FakeNeuronpedia
from .harness import Running

RECIPE = {"tokens": ["The", " capital"], "activations": [0, 2.5], "origin": "recipe"}


async def told(gateway: Running, index: int = 7) -> list[dict[str, Any]]:
    async with gateway.http.get(f"{gateway.url}/api/features/{SOURCES[0]}/{index}") as answer:
        found = (await answer.json())["examples"]
        assert isinstance(found, list)
        return found


@pytest.mark.parametrize("setting", ["open", "off"])
async def test_rooms_that_are_open_to_all_offer_their_texts(
    settings: Settings, inference: FakeInference, setting: str
) -> None:
    settings = dataclasses.replace(settings, room_examples=setting)
    async with harness.running(settings) as gateway:
        presenter = await gateway.connect()
        await presenter.send(prompt="x")
        await presenter.until("finished")
        assert await told(gateway) == [RECIPE]  # nobody has allowed it
        await presenter.send(type="open", open=True)
        while not presenter.room["open"]:
            await presenter.frame()
        recipe, *rest = await told(gateway)
        assert recipe == RECIPE
        if setting == "off":
            assert not rest
            return
        [room] = rest
        assert room["origin"] == "room"
        assert "".join(room["tokens"]).startswith("<bos>The capital")
        assert max(room["activations"]) > 0
        await presenter.send(type="open", open=False)
        while presenter.room["open"]:
            await presenter.frame()
        assert await told(gateway) == [RECIPE]


async def test_neuronpedias_texts_come_from_its_api_and_are_not_waited_for(
    settings: Settings, inference: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "_PATIENCE", 0)
    async with FakeNeuronpedia({7: "label"}, source=SOURCES[0]) as fake:
        fake.activations = [{"tokens": ["a", " b"], "values": [0, 4.5]}]
        settings = dataclasses.replace(settings, neuronpedia_api=fake.api)
        async with harness.running(settings) as gateway:
            assert await told(gateway) == [RECIPE]
            want = {"tokens": ["a", " b"], "activations": [0, 4.5], "origin": "neuronpedia"}

            async def there() -> bool:
                return await told(gateway) == [RECIPE, want]

            await eventually(there)
            assert await told(gateway, 8) == [RECIPE]  # it does not know this one
            asked = fake.seen.features.count(7)
            assert await there()
            assert fake.seen.features.count(7) == asked, "an answer is kept"
            fake.api_delay = 60.0
            assert await told(gateway, 9) == [RECIPE]
