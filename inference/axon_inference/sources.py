"""One SAE on one hook point: loading it, checking that it fits, encoding with it."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import torch

from .catalog import SourceSpec
from .model import HookPoint, LanguageModel

_log = logging.getLogger(__name__)

# What `from_pretrained` settings of an SAE's model mean for the raw model we run. Others that
# are set would change the residual stream in ways we do not imitate, so they are refused.
_HARMLESS_KWARGS = frozenset({"n_devices", "device", "dtype", "move_to_device"})
_NOT_FOLDABLE = frozenset({"temporal", "matching_pursuit"})


class SourceError(ValueError):
    """An SAE that does not fit the model or that Axon cannot apply faithfully."""


@dataclass(frozen=True)
class Source:
    """A loaded SAE. `centers` subtracts the residual's mean first, as its training model did."""

    id: str
    hook: HookPoint
    sae: Any
    width: int
    architecture: str
    prepend_bos: bool
    centers: bool
    neuronpedia_url: str


def load_source(spec: SourceSpec, model: LanguageModel) -> Source:
    """Load an SAE and check that it belongs on this model.

    Raises:
        SourceError: width, hook point or settings do not fit; the message says which.
        OSError: files are missing.
    """
    _log.info("loading source %s", spec)
    sae = _load_sae(spec, str(model.device))
    sae.eval().requires_grad_(False)
    fold_decoder_norm(sae)
    metadata = sae.cfg.metadata
    hook = model.hook_point(_required(metadata, "hook_name", spec))
    if sae.cfg.d_in != model.d_model:
        raise SourceError(
            f"source {spec} reads vectors of width {sae.cfg.d_in}, but {hook.name} of "
            f"{model.id} is {model.d_model} wide: it was trained on another model"
        )
    listed = None if spec.folder else metadata.neuronpedia_id
    return Source(
        id=metadata.neuronpedia_id or f"{model.id}/{hook.layer}-{_set_name(spec)}",
        hook=hook,
        sae=sae,
        width=int(sae.cfg.d_sae),
        architecture=sae.cfg.architecture(),
        prepend_bos=bool(metadata.get("prepend_bos", True)),
        centers=_centers(metadata.model_from_pretrained_kwargs, spec),
        neuronpedia_url=f"https://www.neuronpedia.org/{listed}" if listed else "",
    )


def _load_sae(spec: SourceSpec, device: str) -> Any:
    from sae_lens import SAE  # takes seconds to import, so only once it is needed

    with warnings.catch_warnings():
        # It advises to load the model in the way whose effect `_centers` makes sure of.
        warnings.filterwarnings("ignore", message=r"\s*This SAE has non-empty")
        if spec.folder:
            return SAE.load_from_disk(spec.folder, device=device, dtype="float32")
        return SAE.from_pretrained(spec.release, spec.sae_id, device=device)


@torch.no_grad()
def fold_decoder_norm(sae: Any) -> None:
    """Scale features so that every decoder row has norm 1, as Neuronpedia shows them.

    A top-k SAE that does not rescale by that norm chooses its k by unscaled values: folding
    would choose others, so, as on Neuronpedia, it is left as it is.
    """
    architecture = sae.cfg.architecture()
    chooses_unscaled = "topk" in architecture and not getattr(
        sae.cfg, "rescale_acts_by_decoder_norm", False
    )
    if architecture not in _NOT_FOLDABLE and not chooses_unscaled:
        sae.fold_W_dec_norm()


def _required(metadata: Any, name: str, spec: SourceSpec) -> str:
    value = metadata.get(name)
    if not value:
        raise SourceError(f"source {spec} does not say its {name} (cfg.json, metadata)")
    return str(value)


def _centers(kwargs: dict[str, Any] | None, spec: SourceSpec) -> bool:
    wanted = {name: value for name, value in (kwargs or {}).items() if value}
    centers = bool(wanted.pop("center_writing_weights", False))
    unknown = sorted(set(wanted) - _HARMLESS_KWARGS)
    if unknown:
        raise SourceError(
            f"source {spec} was trained on a model processed by {', '.join(unknown)}, which "
            "Axon does not imitate: its features would be wrong"
        )
    return centers


def _set_name(spec: SourceSpec) -> str:
    return spec.folder.name if spec.folder else spec.release
