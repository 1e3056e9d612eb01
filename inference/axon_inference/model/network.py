"""Loading a language model and finding its hook points.

The model runs as transformers wrote it. TransformerLens knows, for every architecture, which
module a hook point such as `blocks.8.hook_resid_pre` belongs to; we ask it once, at start-up,
and put plain torch hooks there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3ForCausalLM,
)
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging as transformers_logging

from axon_inference.model import prepack
from axon_inference.model.configuration import (
    LINEAR,
    RECURRENT,
    ModelError,
    bos_id,
    eos_ids,
    read_config,
    refuse_odd_vocabulary,
    refuse_shared_stretching,
)
from axon_inference.model.reading import (
    reading,
    require_configuration,
    require_finite,
    require_weights,
    weights_file,
)

# The name under which transformers finds the attention of a packed batch (step/attention.py).
ATTENTION = "axon_slots"
# Where nothing else bounds it: keys and values of a slot grow with it.
_LONGEST_CONTEXT = 2048
# The heads' outputs before they are mixed: the one hook point inside attention that SAEs read.
_HEADS = "attn.hook_z"
# The token embeddings as they enter the residual stream.
_EMBEDDING = "hook_embed"
# What a norm makes of its input before its weight and bias.
_NORMALIZED = "hook_normalized"
# Gemma-3 from 4B on comes with a vision tower around the language model, which we leave out.
_TEXT_OF_MULTIMODAL = {r"^(language_model\.model|model\.language_model)": "model"}


@dataclass(frozen=True)
class HookPoint:
    """A module, and whether the tensor is what goes into it or what comes out of it.

    `width` is the length of the vectors there: that of the residual stream, except at
    `attn.hook_z`, where it is all heads' outputs side by side. What is put in the tensor's place
    reaches all that depends on it, unless the stream `passes_by`: `hook_resid_mid` is what a norm
    reads, and the residual stream goes on beside it. At `hook_normalized` the vectors are what
    `normalize` makes of the tensor.
    """

    name: str
    layer: int
    module: nn.Module
    side: Literal["in", "out"]
    width: int
    passes_by: bool
    normalize: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model in evaluation mode, its tokenizer, and its shape.

    It computes in `dtype`. Its linear layers are to have weights of type `layers_dtype`.
    """

    id: str
    network: nn.Module
    tokenizer: Any
    config: Any
    adapter: Any
    device: torch.device
    dtype: torch.dtype
    layers_dtype: torch.dtype
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
        if name == _EMBEDDING:
            embedding = self.adapter.get_component(self.network, "embed")
            return HookPoint(name, 0, embedding, "out", self.d_model, passes_by=False)
        blocks, _, rest = name.partition(".")
        number, _, hook = rest.partition(".")
        if blocks != "blocks" or not number.isdigit() or not hook:
            raise ModelError(
                f"hook point {name!r}: Axon reads {_EMBEDDING} and blocks.LAYER.hook_NAME only"
            )
        layer = int(number)
        if layer >= self.n_layers:
            raise ModelError(f"hook point {name!r}: the model has layers 0 to {self.n_layers - 1}")
        target = _target(self.adapter.get_component_mapping()["blocks"], hook)
        component, _, end = target.rpartition(".")
        if end not in ("hook_in", "hook_out", _NORMALIZED):
            raise ModelError(f"hook point {name!r}: this model has none that Axon can read")
        path = f"blocks.{layer}.{component}".rstrip(".")
        try:
            module = self.adapter.get_component(self.network, path)
        except AttributeError:
            # Of a model that mixes kinds of layers, such as linear attention and the usual one.
            raise ModelError(f"hook point {name!r}: this layer has no such module") from None
        width = _inputs(module) if hook == _HEADS else self.d_model
        beside = hook.startswith("hook_resid") or component.startswith("ln")
        side: Literal["in", "out"] = "out" if end == "hook_out" else "in"
        passes_by = beside and bool(component) and side == "in"
        normalize = _normalizer(module, self.has_layer_norm) if end == _NORMALIZED else None
        return HookPoint(name, layer, module, side, width, passes_by, normalize)

    @property
    def is_recurrent(self) -> bool:
        """Whether layers carry a state from token to token, which cannot be taken back."""
        return LINEAR in (getattr(self.config, "layer_types", None) or ())

    @property
    def has_layer_norm(self) -> bool:
        """Whether it normalises by LayerNorm, which takes the mean out, rather than by RMSNorm."""
        return self.adapter.cfg.normalization_type in ("LN", "LNPre")


def outline(
    model_id: str,
    folder: str,
    *,
    device: str,
    dtype: str,
    half: bool = False,
    context_length: int = 0,
) -> LanguageModel:
    """All of a model in Hugging Face format but its weights, which stay on the meta device.

    It is enough to tell whether the SAEs fit and how much memory all of it takes. `half` asks for
    layers with float16 weights in a model that computes in float32.

    Raises:
        ModelError: the architecture is one that Axon cannot run faithfully, or this machine cannot
            multiply by such weights.
        Unservable: files are missing or damaged.
    """
    if half and not prepack.can_halve(torch.device(device), getattr(torch, dtype)):
        raise ModelError(
            "AXON_WEIGHTS=float16 is for AXON_DTYPE=float32 on an x86-64 CPU with AVX2, not for "
            f"{dtype} on this {torch.device(device).type}; unset it"
        )
    require_configuration(Path(folder))
    with reading(f"the model in {folder}"):
        return _outline(model_id, folder, device, dtype, half, context_length)


def _outline(
    model_id: str, folder: str, device: str, dtype: str, half: bool, context_length: int
) -> LanguageModel:
    config = read_config(folder)
    precision = getattr(torch, dtype)
    with torch.device("meta"):
        network: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=precision
        )
    if not (network._supports_attention_backend or config.model_type in RECURRENT):
        raise ModelError(
            f"{config.model_type} brings its own attention, for which Axon's, over many requests "
            "at once, cannot be put"
        )
    refuse_odd_vocabulary(network, int(config.vocab_size))
    with reading(f"the tokenizer in {folder} (tokenizer.json)"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
    longest = min(int(config.max_position_embeddings), context_length or _LONGEST_CONTEXT)
    refuse_shared_stretching(config, longest)
    return LanguageModel(
        id=model_id,
        network=network,
        tokenizer=tokenizer,
        config=config,
        adapter=_adapter(config, type(network).__name__, model_id, precision),
        device=torch.device(device),
        dtype=precision,
        layers_dtype=torch.float16 if half else precision,
        context_length=longest,
        n_layers=int(config.num_hidden_layers),
        d_model=int(config.hidden_size),
        vocab_size=int(config.vocab_size),
        bos_id=bos_id(tokenizer),
        eos_ids=eos_ids(folder, config, tokenizer),
    )


def load_weights(model: LanguageModel, folder: str) -> LanguageModel:
    """The same model with its weights, on its device, in the form that transformers gives them.

    Raises:
        ModelError: the folder's weights are not those of the architecture it names.
        Unservable: files are missing or damaged, or hold values that are not finite.
    """
    require_weights(Path(folder))
    text_only = isinstance(model.network, Gemma3ForCausalLM)
    with reading(f"the weights in {folder}"), _quiet():
        network, found = type(model.network).from_pretrained(  # type: ignore[attr-defined]
            folder,
            config=model.config,
            dtype=model.dtype,
            attn_implementation=ATTENTION,
            key_mapping=_TEXT_OF_MULTIMODAL if text_only else None,
            # Each weight goes to a GPU as it is read, so the host never holds all of them.
            device_map=None if model.device.type == "cpu" else {"": str(model.device)},
            ignore_mismatched_sizes=True,  # they are told below
            output_loading_info=True,
        )
    # transformers fills what is missing with random numbers and goes on.
    if lacking := sorted({*found["missing_keys"], *map(str, found["mismatched_keys"])}):
        raise ModelError(
            f"{folder} lacks {len(lacking)} weights of a {type(network).__name__}, such as "
            f"{lacking[0]}; is it complete, and does its config.json belong to it?"
        )
    require_finite(network, lambda tensor: weights_file(Path(folder), tensor))
    network.to(model.device).eval().requires_grad_(False)
    # Nothing is ever padded, and to look for padding is to wait for the device in every step.
    network.config.pad_token_id = None
    return replace(model, network=network)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' bar, and its table of unexpected weights (vision, old buffers)."""
    level, bar = (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _adapter(config: Any, architecture: str, model_id: str, dtype: torch.dtype) -> Any:
    from transformer_lens.factories.architecture_adapter_factory import (
        ArchitectureAdapterFactory,
    )
    from transformer_lens.model_bridge.sources._bridge_builder import (
        build_bridge_config_from_hf,
    )

    bridge_config = build_bridge_config_from_hf(config, architecture, model_id, dtype)
    try:
        return ArchitectureAdapterFactory.select_architecture_adapter(bridge_config)
    except ValueError as error:
        raise ModelError(
            f"TransformerLens does not know {architecture}, so its hook points have no names"
        ) from error


def _target(block: Any, hook: str) -> str:
    """The component of a block, and its side, that a hook name stands for; "" if none."""
    if hook == _HEADS:
        found = block.submodules["attn"].hook_aliases.get("hook_z")
        return f"attn.{found}" if isinstance(found, str) else ""
    component, _, end = hook.rpartition(".")
    if component in block.submodules and (end != _NORMALIZED or component.startswith("ln")):
        return hook
    found = block.hook_aliases.get(hook)
    return found if isinstance(found, str) else ""


def _normalizer(norm: Any, centres: bool) -> Callable[[Tensor], Tensor]:
    """What a norm does to vectors [..., d] before its weight and bias, in float32 at least."""
    eps = float(norm.eps if hasattr(norm, "eps") else norm.variance_epsilon)

    def normalized(x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        if centres:
            x = x - x.mean(-1, keepdim=True)
        return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt()

    return normalized


def _inputs(module: Any) -> int:
    """How long the vectors are that a linear layer reads (GPT-2's is transposed)."""
    return int(module.weight.shape[0] if isinstance(module, Conv1D) else module.in_features)
