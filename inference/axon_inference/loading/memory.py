"""Checks that all that is to be served fits into memory, before gigabytes are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from axon_inference.catalog.downloads import readable
from axon_inference.loading.container import MemoryTooSmall, memory_limit
from axon_inference.model import prepack, sae
from axon_inference.model.configuration import LINEAR
from axon_inference.model.network import LanguageModel
from axon_inference.model.sources import Size

# How many float32 tensors [slots, vocabulary] there are at once when all knobs are in use.
_SCORES = 10


@dataclass(frozen=True)
class Need:
    """Bytes that a model, its sources, its cache of keys and values, and a step will take.

    `step` is what a step needs for itself while it encodes or samples, whichever is more.
    `reading` is taken besides weights and sources before there are a cache and steps.
    """

    weights: int
    sources: int
    cache: int
    step: int
    reading: int

    @property
    def total(self) -> int:
        """The most at any time."""
        return self.weights + self.sources + max(self.reading, self.cache + self.step)


def need(model: LanguageModel, slots: int, sources: Sequence[Size] = (), tokens: int = 0) -> Need:
    """What `model`, not loaded yet, takes with these sources, in steps of at most `tokens`."""
    config, item = model.config, model.dtype.itemsize
    in_layers = sum(layer.weight.numel() for *_, layer in prepack.layers(model.network))
    others = sum(p.numel() for p in model.network.parameters()) - in_layers
    packed = prepack.form(model.device, model.dtype, model.layers_dtype)
    if config.tie_word_embeddings and packed:
        others += model.vocab_size * model.d_model  # the head is packed, the embedding not
    linear = list(getattr(config, "layer_types", None) or ()).count(LINEAR)
    keys = _keys_per_token(config) * (model.n_layers - linear)
    states = linear * _state_bytes(config, item) if linear else 0
    return Need(
        weights=others * item + in_layers * model.layers_dtype.itemsize,
        sources=sum(source.weights for source in sources),
        cache=slots * (2 * keys * model.context_length * item + states),
        step=max(
            [
                _SCORES * 4 * slots * model.vocab_size,
                *(sae.most_bytes(source.width, tokens) for source in sources),
            ]
        ),
        reading=_reading(sources),
    )


def _reading(sources: Sequence[Size]) -> int:
    """What is taken besides the weights of all sources while they are read one after another."""
    total = most = 0
    for source in sources:
        total += source.weights
        most = max(most, total + source.reading)
    return most - total


def slots_within(budget: int, wanted: int, model: LanguageModel) -> int:
    """How many of the slots wanted fit their keys and values into `budget` bytes; 0: no bound.

    Raises:
        MemoryTooSmall: not even one fits.
    """
    one = need(model, slots=1).cache
    slots = min(wanted, budget // one) if budget else wanted
    if not slots:
        raise MemoryTooSmall(
            f"keys and values of one request of {model.context_length} tokens take "
            f"{readable(one)}, more than AXON_CACHE_MB allows ({readable(budget)}): allow more, "
            "or set a shorter AXON_CONTEXT_LENGTH"
        )
    return slots


def require(needed: Need, model: LanguageModel) -> None:
    """Refuse what does not fit.

    Raises:
        MemoryTooSmall: says what is needed for what, and which settings take less.
    """
    available = _available(model.device)
    if needed.total <= available:
        return
    half = "" if model.layers_dtype.itemsize < 4 else "AXON_DTYPE=bfloat16 (halves the weights), "
    sources = (
        "AXON_SAE_DTYPE=bfloat16 (halves the sources), "
        if needed.sources > needed.weights // 4
        else ""
    )
    later = f"keys and values {readable(needed.cache)}, a step {readable(needed.step)}"
    if needed.reading > needed.cache + needed.step:
        later = f"reading the decoders of all layers {readable(needed.reading)}"
    raise MemoryTooSmall(
        f"{model.id} needs about {readable(needed.total)} (weights {readable(needed.weights)}, "
        f"sources {readable(needed.sources)}, {later}), but {readable(available)} of "
        f"{_place(model.device)} are available. To need less, set {half}{sources}fewer "
        "AXON_SOURCES, fewer AXON_SLOTS or a shorter AXON_CONTEXT_LENGTH (keys and values), or a "
        "smaller AXON_PREFILL_TOKENS (a step); or serve a smaller model (`python -m axon_inference "
        "models`)"
    )


def _keys_per_token(config: Any) -> int:
    """Numbers in one layer's keys of one token."""
    heads = int(config.num_attention_heads)
    d_head = getattr(config, "head_dim", None) or int(config.hidden_size) // heads
    return int(d_head) * int(getattr(config, "num_key_value_heads", None) or heads)


def _state_bytes(config: Any, item: int) -> int:
    """What a layer of linear attention keeps of a sequence: of each head a float32 matrix, and the
    last inputs of a convolution."""
    keys = int(config.linear_num_key_heads) * int(config.linear_key_head_dim)
    values = int(config.linear_num_value_heads) * int(config.linear_value_head_dim)
    inputs = (2 * keys + values) * int(config.linear_conv_kernel_dim)
    return 4 * values * int(config.linear_key_head_dim) + inputs * item


def _available(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    return min(int(psutil.virtual_memory().available), max(0, memory_limit() - _own()))


def _own() -> int:
    """What this process itself has taken so far, mostly for libraries."""
    used = psutil.Process().memory_info()
    return int(used.rss - getattr(used, "shared", 0))


def _place(device: torch.device) -> str:
    return f"{device}'s memory" if device.type == "cuda" else "this machine's memory"
