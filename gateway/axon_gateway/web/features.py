"""`/api/features`: what is known of features, and a search of their labels."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
from aiohttp import web
from axon.types import Source, TokenEffect

from axon_gateway.backends.upstream import Upstream
from axon_gateway.clients import client_of
from axon_gateway.errors import Refusal
from axon_gateway.labels.examples import Example
from axon_gateway.rooms.examples import fired
from axon_gateway.web.state import GATEWAY, Gateway

_INDEX = re.compile(r"[0-9]{1,10}", re.ASCII)
#: Features that one question may be about.
_MOST_FACTS = 512
#: Most features in the answer to a search, how many without a limit, and its longest text.
_MOST_FOUND = 100
_FOUND = 20
_LONGEST_SEARCH = 200


async def feature(request: web.Request) -> web.Response:
    """What is known of one feature of one source: its label, and what its weights say."""
    gateway = request.app[GATEWAY]
    parts = request.match_info
    backend, source = await gateway.backends.source(f"{parts['model']}/{parts['source']}")
    index = int(parts["index"]) if _INDEX.fullmatch(parts["index"]) else source.width
    if index >= source.width:
        message = f"{source.id} has features 0 to {source.width - 1}"
        raise Refusal("unknown_feature", message, "index")
    address = client_of(request, gateway.settings)
    async with gateway.limits.features.turn(address):
        weights, record, examples, texts = await asyncio.gather(
            _weights(gateway, backend, source, index),
            gateway.labels.feature(source.id, index),
            gateway.labels.examples(source.id, index),
            _of_rooms(gateway, source.id, index),
        )
    weights["examples"] += [*examples, *texts]
    url = f"{source.neuronpedia_url}/{index}" if source.neuronpedia_url else None
    return _json(
        {
            "model": parts["model"],
            "source": parts["source"],
            "index": index,
            "label": record.label,
            "explainer": record.explainer,
            "score": record.score,
            "density": record.density,
            "max_activation": record.max_activation,
            "neuronpedia_url": url,
            **weights,
        }
    )


async def facts(request: web.Request) -> web.Response:
    """Labels and statistics of the features `?index=1,2,3` of a source, as far as known here."""
    gateway = request.app[GATEWAY]
    parts = request.match_info
    _, source = await gateway.backends.source(f"{parts['model']}/{parts['source']}")
    texts = request.query.get("index", "").split(",")
    indices = [int(text) for text in texts if _INDEX.fullmatch(text)]
    if len(indices) < len(texts) or any(index >= source.width for index in indices):
        message = f"index must list features of {source.id}, 0 to {source.width - 1}"
        raise Refusal("unknown_feature", message, "index")
    if len(indices) > _MOST_FACTS:
        raise Refusal("out_of_range", f"index may list {_MOST_FACTS} features", "index")
    async with gateway.limits.facts.turn(client_of(request, gateway.settings)):
        found = await gateway.labels.records(source.id, indices)
    return _json({"features": found})


async def search(request: web.Request) -> web.Response:
    """A model's features with all words of `?label=TEXT` in their label, the best fit first."""
    gateway = request.app[GATEWAY]
    text = request.query.get("label", "").strip()
    if not 0 < len(text) <= _LONGEST_SEARCH:
        message = f"label must be 1 to {_LONGEST_SEARCH} characters to look for"
        raise Refusal("out_of_range", message, "label")
    asked = request.query.get("limit", str(_FOUND))
    limit = int(asked) if _INDEX.fullmatch(asked) else 0
    if not 0 < limit <= _MOST_FOUND:
        raise Refusal("out_of_range", f"limit must be 1 to {_MOST_FOUND}", "limit")
    model = await gateway.backends.model(request.query.get("model"))
    sources = [source.id for source in model.sources]
    async with gateway.limits.searches.turn(client_of(request, gateway.settings)):
        found = await gateway.search.find(sources, text, limit)
    return web.json_response(
        {
            "features": [
                {"source": match.source, "index": match.index, "label": match.label}
                for match in found
            ]
        }
    )


async def _weights(
    gateway: Gateway, backend: Upstream, source: Source, index: int
) -> dict[str, Any]:
    """What inference says of a feature: the tokens it promotes and suppresses, its neighbours, its
    kin in other sources, and texts that activate it. If it cannot tell, they are null and
    `weights_error` says why, since the rest is useful without them."""
    try:
        found = await backend.feature(source.id, index)
    except Refusal as refusal:
        nothing = dict.fromkeys(("promoted", "suppressed", "neighbors", "kin"))
        return {**nothing, "examples": [], "weights_error": refusal.message}
    await gateway.labels.hold(kin.source for kin in found.kin)
    return {
        "promoted": [_effect(effect) for effect in found.promoted],
        "suppressed": [_effect(effect) for effect in found.suppressed],
        "neighbors": [{"index": n.index, "cosine": n.cosine} for n in found.neighbors],
        "kin": [
            {
                "source": kin.source,
                "index": kin.feature,
                "label": gateway.labels.known(kin.source, kin.feature),
                "cosine": kin.cosine,
                "mutual": kin.mutual,
            }
            for kin in found.kin
        ],
        "examples": [
            Example(list(one.tokens), list(one.activations), "recipe") for one in found.examples
        ],
        "weights_error": None,
    }


async def _of_rooms(gateway: Gateway, source: str, index: int) -> list[Example]:
    """Texts of rooms that are open to all, the newest room first."""
    if gateway.settings.room_examples == "off":
        return []
    logs = [room.log.all() for room in gateway.rooms.all() if room.open]
    return await asyncio.to_thread(fired, reversed(logs), source, index) if logs else []


def _json(content: dict[str, Any]) -> web.Response:
    body = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(body=body, content_type="application/json")


def _effect(effect: TokenEffect) -> dict[str, Any]:
    return {"token": effect.text, "token_id": effect.token_id, "logit": effect.logit}
