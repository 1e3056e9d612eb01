"""An unchanged client of the earlier demo. It knows no message types, rooms or batches."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field

import aiohttp
from axon_gateway.config import Settings

from ...patience import PATIENCE
from . import harness
from .fake_inference import SOURCES, FakeInference, Script
from .fake_neuronpedia import FakeNeuronpedia
from .harness import Running

REQUEST = {
    "prompt": "The capital",
    "max_tokens": 40,
    "temperature": 0.8,
    "feat_k": 10,
    "act_threshold": 0.1,
}


@dataclass
class Seen:
    """What such a client has received in the end."""

    text: str = ""
    labels: list[str] = field(default_factory=list)
    activations: list[float] = field(default_factory=list)


async def earlier_client(gateway: Running) -> Seen:
    """One generation, read in the way of that client."""
    seen = Seen()
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{gateway.url}/ws") as socket:
        await socket.send_json(REQUEST)
        while True:
            frame = json.loads(await socket.receive_str(timeout=PATIENCE))
            if "token" in frame:
                seen.text += frame["token"]
            for feature in frame.get("features", []):
                seen.labels.append(feature.get("label", "").lower())
                seen.activations.append(feature["activation"])
            if frame.get("status") == "done":
                return seen


async def test_it_works_to_the_end(gateway: Running, inference: FakeInference) -> None:
    inference.script = Script(delay=0.02)
    seen = await earlier_client(gateway)
    assert seen.text == " of France is Paris"
    assert len(seen.labels) == len(seen.activations) == 16
    assert all(label.startswith("label ") for label in seen.labels)
    request = inference.seen.requests[0]
    assert (request.max_tokens, request.features.top_k) == (40, 10)


async def test_it_works_while_labels_are_not_known(
    settings: Settings, inference: FakeInference
) -> None:
    inference.script = Script(delay=0.02)
    with harness.redis_server() as redis:
        settings = dataclasses.replace(settings, redis_url=redis.url)
        await _with_late_labels(settings)


async def _with_late_labels(settings: Settings) -> None:
    async with FakeNeuronpedia({}, dict.fromkeys(range(64), "Single")) as fake:
        fake.api_delay = 0.1
        settings = dataclasses.replace(
            settings, labels=None, neuronpedia_export="", neuronpedia_api=fake.api
        )
        settings = dataclasses.replace(settings, neuronpedia_ids=((SOURCES[0], "fake/api-only"),))
        async with harness.running(settings) as gateway:
            seen = await earlier_client(gateway)
    assert seen.text == " of France is Paris"
    assert len(seen.labels) == len(seen.activations) == 16
    assert "" in seen.labels
