"""What `GET /api/model` says: the model, its sources, and every knob with its range."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from axon.types import Model

from axon_gateway.config import Settings


def describe(model: Model, settings: Settings) -> dict[str, Any]:
    """The JSON object for a model."""
    limits = model.limits
    return {
        "model": model.model,
        "sources": [
            {
                "id": source.id,
                "hook": source.hook_name,
                "layer": source.layer,
                "width": source.width,
                "architecture": source.architecture,
                "neuronpedia_url": source.neuronpedia_url or None,
                "not_editable": source.not_editable or None,
            }
            for source in model.sources
        ],
        "params": _params(model),
        "limits": {
            "context_length": limits.context_length,
            "max_prompt_characters": min(limits.max_prompt_characters, settings.max_prompt),
            "slots": limits.slots,
            "max_queue": limits.max_queue,
            "branches": min(limits.max_branches, settings.client_generations),
            "edits": limits.max_edits,
            # Of an explanation; 0: the model's server does not explain.
            "removals": limits.max_removals,
            "max_message_bytes": settings.max_message_bytes,
            "generations": settings.client_generations,
            "messages_per_second": settings.client_messages,
        },
        "load": asdict(model.load),
        "info": asdict(model.info),
    }


def _params(model: Model) -> dict[str, dict[str, Any]]:
    """The knobs, under their JSON names; the ranges are those of the contract."""
    ranges: dict[str, dict[str, Any]] = {
        "max_tokens": _range("integer", 0, model.limits.context_length),
        # 0 is greedy; any other value begins here.
        "temperature": {**_range("number", 0, 10), "min_above_zero": 0.001},
        "top_k": _range("integer", 0, model.info.vocab_size),
        "top_p": {**_range("number", 0, 1), "exclusive_min": True},
        "repetition_penalty": _range("number", 0.1, 10),
        # A string, since a JavaScript number cannot hold 64 bits.
        "seed": _range("integer", 0, str(2**64 - 1)),
        "feat_k": _range("integer", 0, model.limits.max_features),
        "act_threshold": _range("number", 0, None),
        # 0 is as fast as it goes.
        "pace": {**_range("number", 0, 1000), "min_above_zero": 0.01},
        "alternatives": _range("integer", 0, model.limits.max_alternatives),
    }
    defaults = {**asdict(model.defaults), "pace": 0, "alternatives": None}
    return {name: {**range_, "default": defaults[name]} for name, range_ in ranges.items()}


def _range(type_: str, low: float, high: float | str | None) -> dict[str, Any]:
    return {"type": type_, "min": low, "max": high}
