"""One SAE on one hook point: checking that it fits, loading it, encoding with it."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from safetensors import safe_open

from axon_inference.catalog.files import read_json
from axon_inference.catalog.registry import releases
from axon_inference.catalog.selection import SourceSpec
from axon_inference.errors import Unservable
from axon_inference.model.configuration import ModelError
from axon_inference.model.network import HookPoint, LanguageModel
from axon_inference.model.reading import reading, require_finite, tensors_in
from axon_inference.model.sae import ARCHITECTURES, SAE, PackingError, of

# What `from_pretrained` settings of an SAE's model mean for the raw model we run. These change
# weights, but no vector where SAEs read; all others that are set are refused, except centring.
_HARMLESS_KWARGS = frozenset({"n_devices", "device", "dtype", "move_to_device", "center_unembed"})
# These do not change what an attention layer adds to the stream, but what its heads put out.
_HARMLESS_OUTSIDE_HEADS = frozenset({"fold_value_biases", "refactor_factored_attn_matrices"})
# This does not change the stream, but what an MLP reads.
_HARMLESS_OUTSIDE_MLPS = frozenset({"fold_ln"})
#: The file of an SAE's weights in SAELens' format.
WEIGHTS = "sae_weights.safetensors"
# What these hook points hold is added to the residual stream as it is.
_WRITTEN = frozenset(
    {
        "hook_embed",
        "hook_resid_pre",
        "hook_resid_mid",
        "hook_resid_post",
        "hook_attn_out",
        "hook_mlp_out",
    }
)
# In TransformerLens `hook_mlp_in` is before the norm. SAELens also calls what the norm puts out so,
# and then names the module.
_OF_MODULES = {
    ("hook_mlp_in", "pre_feedforward_layernorm.output"): "mlp.hook_in",
    ("hook_mlp_out", "post_feedforward_layernorm.output"): "hook_mlp_out",
}
_KINDS = {
    "d_in": int,
    "d_out": int,
    "d_sae": int,
    "k": int,
    "apply_b_dec_to_input": bool,
    "rescale_acts_by_decoder_norm": bool,
    "normalize_activations": str,
    "reshape_activations": str,
}
_KINDS_OF_METADATA = {"hook_name": str, "prepend_bos": bool, "model_from_pretrained_kwargs": dict}
# An sae_id that says no more than its hook point or layer does.
_ONLY_A_LAYER = re.compile(r"blocks\.\d+\.[\w.]+|layer_?\d+|l\d+")


class SourceError(Unservable):
    """An SAE that does not fit the model or that Axon cannot apply faithfully."""


@dataclass(frozen=True)
class Source:
    """A loaded SAE. It reads vectors at `hook`. Its decoder's rows belong to those at `target`,
    which is another hook point if it is a transcoder."""

    id: str
    hook: HookPoint
    target: HookPoint
    sae: SAE
    architecture: str
    prepend_bos: bool
    neuronpedia_url: str
    #: Whether its decoder is the sum of those of several layers, so that it reconstructs nothing.
    sums_layers: bool = False

    @property
    def writes_to(self) -> str:
        """The hook point that its decoder's rows belong to."""
        return self.target.name

    @property
    def writes_residual(self) -> bool:
        """Whether its decoder's rows are added to the residual stream as they are."""
        return _is_written(self.target)

    @property
    def not_editable(self) -> str:
        """Why its features cannot be edited; empty if they can."""
        if self.sums_layers:
            return "its features write to several layers, and only the sum of that is known"
        if self.target.name != self.hook.name and not self.sae.transcodes:
            return (
                f"it reads {self.hook.name} and writes {self.writes_to}, but is no transcoder, so "
                "no change of what it writes is one of what it reads"
            )
        if self.target.passes_by:
            return f"the residual stream of this model cannot be changed at {self.target.name}"
        return ""


@dataclass(frozen=True)
class Size:
    """How much memory an SAE's weights will take, in bytes, how many features it has, and the bytes
    that are taken besides until it is read."""

    weights: int
    width: int
    reading: int = 0


def check(spec: SourceSpec, model: LanguageModel, dtype: str = "float32") -> Size:
    """Check from its configuration alone that an SAE belongs on this model.

    `dtype` is that of its weights here.

    Raises:
        SourceError, ModelError: it does not fit; the message says what does not.
        Unservable: files are missing or damaged.
    """
    config = _read_config(spec)
    _place(spec, config, model)
    width, d_in, d_out = int(config.d_sae), int(config.d_in), _d_out(config)
    skip = d_in * d_out if "skip" in config.architecture() else 0
    item = getattr(torch, dtype).itemsize
    weights = item * ((d_in + d_out) * width + skip)
    return Size(weights, width, reading=_summed(spec, model.device) if _sums_layers(spec) else 0)


def load_source(spec: SourceSpec, model: LanguageModel, dtype: str = "float32") -> Source:
    """Load an SAE, with weights of `dtype`, and check that it belongs on this model.

    Raises:
        SourceError, ModelError: it does not fit; the message says what does not.
        Unservable: files are missing or damaged, or hold values that are not finite.
    """
    with reading(f"the SAE {spec}"):
        sae = _load_sae(spec, str(model.device))
    require_finite(sae, lambda tensor: spec.folder / WEIGHTS if spec.folder else str(spec))
    hook, target, centers = _place(spec, sae.cfg, model)
    try:
        with reading(f"the SAE {spec}"):
            ours = of(sae, centers=centers, dtype=getattr(torch, dtype))
    except PackingError as error:
        raise SourceError(f"source {spec}: {error}") from error
    metadata = sae.cfg.metadata
    listed = spec.neuronpedia_id
    return Source(
        id=listed or metadata.neuronpedia_id or f"{model.id}/{hook.layer}-{_set_name(spec)}",
        hook=hook,
        target=target,
        sae=ours,
        architecture=sae.cfg.architecture(),
        prepend_bos=bool(metadata.get("prepend_bos", True)),
        neuronpedia_url=f"https://www.neuronpedia.org/{listed}" if listed else "",
        sums_layers=_sums_layers(spec),
    )


def _sums_layers(spec: SourceSpec) -> bool:
    return bool(spec.release) and releases()[spec.release].sums_layers


def _summed(spec: SourceSpec, device: torch.device) -> int:
    """The bytes of the decoders of all layers, which SAELens adds up in float32. On a CPU the file
    is mapped, so that only numbers of another format are copied."""
    release = releases()[spec.release]
    *_, decoders = release.files(spec.sae_id)
    path = Path(hf_hub_download(release.repository, decoders, local_files_only=True))
    copied = path.stat().st_size if device.type != "cpu" else 0
    others = [one for one in tensors_in(path).values() if one.dtype != "F32"]
    return copied + 4 * sum(math.prod(one.shape) for one in others)


def _place(
    spec: SourceSpec, config: Any, model: LanguageModel
) -> tuple[HookPoint, HookPoint, tuple[bool, bool]]:
    """Where an SAE of this configuration reads and writes, and whether the vectors are centred."""
    transcodes = hasattr(config, "d_out")
    names = [_hook_name(config.metadata, "hook_name", "hf_hook_name", spec)]
    if transcodes or config.metadata.get("hook_name_out"):
        names.append(_hook_name(config.metadata, "hook_name_out", "hf_hook_name_out", spec))
    try:
        hooks = [model.hook_point(name) for name in names]
    except ModelError as error:
        raise ModelError(f"source {spec}: {error}") from error
    widths = (("reads", config.d_in), ("writes", _d_out(config)))
    for hook, (does, width) in zip(hooks, widths, strict=False):
        if width != hook.width:
            raise SourceError(
                f"source {spec} {does} vectors of width {width}, but {hook.name} of {model.id} is "
                f"{hook.width} wide: it was trained on another model"
            )
    hook, target = hooks[0], hooks[-1]
    if transcodes and (target.layer, target.side) != (hook.layer, "out"):
        raise SourceError(
            f"source {spec} reads {hook.name} and writes {target.name}; Axon shows transcoders "
            "that write what their own layer puts out"
        )
    asked = _asks_centred(config.metadata.model_from_pretrained_kwargs, spec, hooks)
    centred = asked and model.has_layer_norm
    return hook, target, (centred and _is_written(hook), centred and _is_written(target))


def _hook_name(metadata: Any, field: str, module: str, spec: SourceSpec) -> str:
    """The hook point that a field of the metadata names, with the module in another field."""
    name = _required(metadata, field, spec)
    block, _, hook = name.rpartition(".")
    given = str(metadata.get(module) or "")
    if hook != "hook_mlp_in" and not (given and hook == "hook_mlp_out"):
        return name
    known = _OF_MODULES.get((hook, ".".join(given.split(".")[-2:])))
    if not known:
        raise SourceError(
            f"source {spec}: its cfg.json does not say whether {name} is before or after a norm "
            f"({module} is {given[:80]!r})"
        )
    return f"{block}.{known}"


def _d_out(config: Any) -> int:
    return int(getattr(config, "d_out", config.d_in))


def _is_written(hook: HookPoint) -> bool:
    return hook.name.rpartition(".")[2] in _WRITTEN


def _read_config(spec: SourceSpec) -> Any:
    """An SAE's configuration, without its weights."""
    from sae_lens.loading import pretrained_sae_loaders as loaders
    from sae_lens.saes.sae import SAEConfig

    with reading(f"cfg.json of the SAE {spec}"):
        if spec.folder:
            raw = loaders.handle_config_defaulting(read_json(spec.folder / "cfg.json"))
        else:
            with _from_cache():
                raw = loaders.load_sae_config_from_huggingface(spec.release, spec.sae_id)
        _require_served(raw, spec)
        config = SAEConfig.from_dict(raw)
        _refuse_odd_values(config, spec)
    if spec.folder:
        _require_weights(config, spec.folder / WEIGHTS)
    return config


def _require_served(raw: dict[str, Any], spec: SourceSpec) -> None:
    if (architecture := raw.get("architecture")) not in ARCHITECTURES:
        raise SourceError(
            f"source {spec} is a {str(architecture)[:40]}; Axon shows SAEs of these architectures: "
            f"{', '.join(sorted(ARCHITECTURES))}"
        )


def _refuse_odd_values(config: Any, spec: SourceSpec) -> None:
    """Refuse what would change features silently, as the text "false", which counts as true."""
    metadata = config.metadata
    values = {name: getattr(config, name) for name in _KINDS if hasattr(config, name)}
    given = {name: metadata.get(name) for name in _KINDS_OF_METADATA}
    values |= {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        if type(value) is not (kind := (_KINDS | _KINDS_OF_METADATA)[name]):
            raise SourceError(
                f"source {spec}: cfg.json says {name} = {str(value)[:40]!r}; it must be of type "
                f"{kind.__name__}"
            )
    k = values.get("k", 1)
    if min(config.d_in, _d_out(config)) < 1 or not 1 <= k <= config.d_sae:
        raise SourceError(
            f"source {spec}: cfg.json says d_in {config.d_in}, d_sae {config.d_sae}, k {k}, which "
            "no SAE can have"
        )
    if config.reshape_activations not in ("none", "hook_z"):
        raise SourceError(f"source {spec}: cfg.json has an unknown reshape_activations")


def _require_weights(config: Any, path: Path) -> None:
    """Refuse weights of other sizes than the configuration says, before memory is taken by them,
    and integers, which would be taken for numbers."""
    tensors = tensors_in(path)
    found, wanted = tensors.get("W_dec"), [config.d_sae, _d_out(config)]
    if found is None or found.shape != wanted:
        raise SourceError(
            f"{path} has a W_dec of shape {found and found.shape}, and cfg.json beside it says "
            f"{wanted} (d_sae by d_in, or d_out): they do not belong together"
        )
    if odd := [name for name, tensor in tensors.items() if "F" not in tensor.dtype]:
        raise SourceError(
            f"{path}: the tensor {odd[0]} is of type {tensors[odd[0]].dtype}, not of floating point"
        )


def _load_sae(spec: SourceSpec, device: str) -> Any:
    from sae_lens import SAE  # takes seconds to import, so only once it is needed

    with warnings.catch_warnings():
        # It advises to load the model in the way whose effect `_centers` makes sure of.
        warnings.filterwarnings("ignore", message=r"\s*This SAE has non-empty")
        # As on Neuronpedia, such an SAE is used unscaled where the registry has no factor.
        warnings.filterwarnings("ignore", message=r"norm_scaling_factor not found")
        # `Source.sums_layers` says it to those who look.
        warnings.filterwarnings("ignore", message=r"This loads the CLT layer")
        if not spec.folder:
            with _from_cache():
                return SAE.from_pretrained(spec.release, spec.sae_id, device=device)
        sae = SAE.load_from_disk(spec.folder, device=device, dtype="float32")
    fold = {
        "expected_average_only_in": "fold_activation_norm_scaling_factor",
        "covariance_whitening": "fold_activation_whitening",
    }.get(sae.cfg.normalize_activations)
    if fold:
        raise SourceError(
            f"source {spec} expects scaled activations (normalize_activations), but does not say "
            f"by what: fold it in with {fold} and save again"
        )
    return sae


@contextmanager
def _from_cache() -> Iterator[None]:
    """Have SAELens' loaders read the hub's cache and nothing else.

    All is there before they run (hub.py). Left alone, they would ask the hub about every file,
    and for Gemma Scope 2 they cannot do without it.
    """
    from sae_lens.loading import pretrained_sae_loaders as loaders

    download = partial(hf_hub_download, local_files_only=True)

    def shapes(repository: str, filename: str) -> dict[str, list[int]]:
        with safe_open(download(repository, filename), framework="pt") as file:
            return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118

    before = loaders.hf_hub_download, loaders.get_safetensors_tensor_shapes
    loaders.hf_hub_download, loaders.get_safetensors_tensor_shapes = download, shapes
    try:
        yield
    finally:
        loaders.hf_hub_download, loaders.get_safetensors_tensor_shapes = before


def _required(metadata: Any, name: str, spec: SourceSpec) -> str:
    value = metadata.get(name)
    if not value:
        raise SourceError(f"source {spec} does not say its {name} (cfg.json, metadata)")
    return str(value)


def _asks_centred(
    kwargs: dict[str, Any] | None, spec: SourceSpec, hooks: Sequence[HookPoint]
) -> bool:
    """Whether the model that the SAE was trained on had centred weights.

    TransformerLens centres only what is added to the residual stream, and only where LayerNorm
    takes the mean out of it anyway.
    """
    wanted = {name: value for name, value in (kwargs or {}).items() if value}
    asked = bool(wanted.pop("center_writing_weights", False))
    harmless = _HARMLESS_KWARGS
    if not any(hook.name.endswith("hook_z") for hook in hooks):
        harmless |= _HARMLESS_OUTSIDE_HEADS
    if not any(hook.name.endswith("mlp.hook_in") for hook in hooks):
        harmless |= _HARMLESS_OUTSIDE_MLPS
    if unknown := sorted(set(wanted) - harmless):
        raise SourceError(
            f"source {spec} was trained on a model processed by {', '.join(unknown)}, which "
            "Axon does not imitate: its features would be wrong"
        )
    return asked


def _set_name(spec: SourceSpec) -> str:
    if spec.folder:
        return spec.folder.name
    if _ONLY_A_LAYER.fullmatch(spec.sae_id):
        return spec.release
    return f"{spec.release}-" + re.sub(r"[^\w.-]+", "-", spec.sae_id)
