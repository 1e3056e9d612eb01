"""A model's configuration: read, and refused where Axon cannot serve what it describes."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, GenerationConfig

from axon_inference.errors import Unservable

#: The kind of layers that keep a state, and the families of which Axon knows them.
LINEAR = "linear_attention"
RECURRENT = frozenset({"qwen3_5_text", "qwen3_5_moe_text"})
# Models around a language model that is served alone.
_AROUND_TEXT = frozenset({"gemma3", "qwen3_5", "qwen3_5_moe"})
# Beyond these a configuration is damaged.
_MOST_LAYERS, _MOST = 1000, 2**31 - 1


class ModelError(Unservable):
    """A model that cannot be served, or a hook point it does not have."""


def read_config(folder: str) -> Any:
    """The language model's part of a configuration, if Axon can serve it."""
    whole = AutoConfig.from_pretrained(folder)
    config = whole.get_text_config()
    if config is not whole and whole.model_type not in _AROUND_TEXT:
        raise ModelError(f"{whole.model_type} is more than a language model; Axon serves text only")
    _refuse_unsupported(config)
    _refuse_odd_shape(config)
    return config


def _refuse_odd_shape(config: Any) -> None:
    """Refuse sizes that are none before anything is built by them."""
    sizes = ("hidden_size", "num_attention_heads", "max_position_embeddings", "vocab_size")
    for name, most in (("num_hidden_layers", _MOST_LAYERS), *((name, _MOST) for name in sizes)):
        size = getattr(config, name, None)
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= most:
            raise ModelError(
                f"the model's config.json says {name} = {str(size)[:40]}; it must be an integer "
                f"from 1 to {most}"
            )


def refuse_odd_vocabulary(network: Any, vocabulary: int) -> None:
    """Refuse a network that reads or writes other tokens than its configuration says."""
    for layer in (network.get_input_embeddings(), network.get_output_embeddings()):
        if layer.weight.shape[0] != vocabulary:
            raise ModelError(
                f"a {type(network).__name__} has {layer.weight.shape[0]} tokens where its "
                f"config.json says vocab_size = {vocabulary}; Axon cannot tell which there are"
            )


def _refuse_unsupported(config: Any) -> None:
    """Refuse layers that carry what Axon does not know of from token to token."""
    known = {"full_attention", "sliding_attention"}
    if config.model_type in RECURRENT:
        known.add(LINEAR)
    unknown = set(getattr(config, "layer_types", None) or ()) - known
    if unknown:
        raise ModelError(
            f"{config.model_type} has layers of kind {', '.join(sorted(unknown))}; Axon serves "
            "models whose layers attend to all of the context or to a sliding window of it"
        )


def refuse_shared_stretching(config: Any, context_length: int) -> None:
    """Refuse position embeddings that follow the longest sequence of a batch, beyond the length
    from which on they do: the longest request would change all others."""
    ropes = getattr(config, "rope_parameters", None) or {}
    for rope in (ropes, *(kind for kind in ropes.values() if isinstance(kind, dict))):
        if rope.get("rope_type") in ("dynamic", "longrope"):
            own = rope.get("original_max_position_embeddings")
            limit = int(own or config.max_position_embeddings)
            if context_length > limit:
                raise ModelError(
                    f"{config.model_type} changes its position embeddings when a sequence passes "
                    f"{limit} tokens: set AXON_CONTEXT_LENGTH to at most that"
                )


def bos_id(tokenizer: Any) -> int | None:
    """Where a tokenizer has no BOS (Qwen's), TransformerLens takes EOS for it, and so do SAEs."""
    own: int | None = tokenizer.bos_token_id
    return tokenizer.eos_token_id if own is None else own


def eos_ids(folder: str, config: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a text: those of the folder, or else the tokenizer\'s own."""
    try:
        generation = GenerationConfig.from_pretrained(folder)
    except OSError:
        generation = GenerationConfig.from_model_config(config)
    ids: Any = generation.eos_token_id
    if ids is None:
        ids = tokenizer.eos_token_id
    if ids is None:
        return frozenset()
    found = frozenset(ids if isinstance(ids, list) else [ids])
    if not all(isinstance(i, int) for i in found):
        raise ModelError(f"eos_token_id of the model in {folder} is {ids!r}, which is no token id")
    return found
