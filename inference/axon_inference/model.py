"""Loading a language model and finding its hook points.

The model runs as transformers wrote it. TransformerLens knows, for every architecture, which
module a hook point such as `blocks.8.hook_resid_pre` belongs to; we ask it once, at start-up,
and put plain torch hooks there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from . import attention, prepack

_log = logging.getLogger(__name__)

# Where nothing else bounds it: keys and values of a slot grow with it.
_LONGEST_CONTEXT = 2048


class ModelError(ValueError):
    """A model that cannot be served, or a hook point it does not have."""


@dataclass(frozen=True)
class HookPoint:
    """A module, and whether the tensor is what goes into it or what comes out of it."""

    name: str
    layer: int
    module: nn.Module
    side: Literal["in", "out"]


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model in evaluation mode, its tokenizer, and its shape."""

    id: str
    network: nn.Module
    tokenizer: Any
    config: Any
    adapter: Any
    device: torch.device
    dtype: torch.dtype
    context_length: int
    n_layers: int
    d_model: int
    vocab_size: int
    bos_id: int | None
    eos_ids: frozenset[int]

    def hook_point(self, name: str) -> HookPoint:
        """Resolve a TransformerLens hook name to a module of the network.

        Raises:
            ModelError: the model has no such hook point, or Axon cannot observe it.
        """
        return _resolve(self.adapter, self.network, self.n_layers, name)


def load_model(
    model_id: str, path: str, *, device: str, dtype: str, context_length: int = 0
) -> LanguageModel:
    """Load a Hugging Face folder or repository for inference.

    Raises:
        ModelError: the architecture is one that Axon cannot run faithfully.
        OSError: files are missing, from transformers.
    """
    place = torch.device(_device(device))
    config = AutoConfig.from_pretrained(path)
    _refuse_unsupported(config)
    precision = getattr(torch, dtype)
    _log.info("loading model %s from %s", model_id, path)
    network: Any = AutoModelForCausalLM.from_pretrained(
        path, config=config, dtype=precision, attn_implementation=attention.NAME
    )
    network.to(place).eval().requires_grad_(False)
    if prepack.available(place, precision):
        prepack.prepack(network)
    tokenizer = AutoTokenizer.from_pretrained(path)
    adapter = _adapter(config, model_id, precision)
    longest = int(config.max_position_embeddings)
    return LanguageModel(
        id=model_id,
        network=network,
        tokenizer=tokenizer,
        config=config,
        adapter=adapter,
        device=place,
        dtype=precision,
        context_length=min(longest, context_length or _LONGEST_CONTEXT),
        n_layers=int(config.num_hidden_layers),
        d_model=int(config.hidden_size),
        vocab_size=int(config.vocab_size),
        bos_id=tokenizer.bos_token_id,
        eos_ids=_eos_ids(network, tokenizer),
    )


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _refuse_unsupported(config: Any) -> None:
    """Refuse layers that carry anything from token to token but keys and values."""
    known = {"full_attention", "sliding_attention"}
    unknown = set(getattr(config, "layer_types", None) or ()) - known
    if unknown:
        raise ModelError(
            f"{config.model_type} has layers of kind {', '.join(sorted(unknown))}; Axon serves "
            "models whose layers attend to all of the context or to a sliding window of it"
        )


def _adapter(config: Any, model_id: str, dtype: torch.dtype) -> Any:
    from transformer_lens.factories.architecture_adapter_factory import (
        ArchitectureAdapterFactory,
    )
    from transformer_lens.model_bridge.sources._bridge_builder import (
        build_bridge_config_from_hf,
    )

    architecture = (config.architectures or ["unknown"])[0]
    bridge_config = build_bridge_config_from_hf(config, architecture, model_id, dtype)
    return ArchitectureAdapterFactory.select_architecture_adapter(bridge_config)


def _eos_ids(network: Any, tokenizer: Any) -> frozenset[int]:
    ids = network.generation_config.eos_token_id
    if ids is None:
        ids = tokenizer.eos_token_id
    if ids is None:
        return frozenset()
    return frozenset(ids if isinstance(ids, list) else [ids])


def _resolve(adapter: Any, network: nn.Module, n_layers: int, name: str) -> HookPoint:
    parts = name.split(".")
    if len(parts) != 3 or parts[0] != "blocks" or not parts[1].isdigit():
        raise ModelError(f"hook point {name!r}: Axon reads blocks.LAYER.hook_NAME only")
    layer = int(parts[1])
    if layer >= n_layers:
        raise ModelError(f"hook point {name!r}: the model has layers 0 to {n_layers - 1}")
    target = adapter.get_component_mapping()["blocks"].hook_aliases.get(parts[2])
    component, _, end = target.rpartition(".") if isinstance(target, str) else ("", "", "")
    if end not in ("hook_in", "hook_out"):
        raise ModelError(f"hook point {name!r}: this model has none that Axon can read")
    path = f"blocks.{layer}.{component}".rstrip(".")
    module = adapter.get_component(network, path)
    return HookPoint(name, layer, module, "in" if end == "hook_in" else "out")
