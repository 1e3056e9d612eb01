"""SAELens' registry of public SAEs: what there is, for which model, and which files it is in.

The registry is a YAML file inside the package. It is read as a file because importing sae_lens
takes ten seconds, and a list of models should not.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

# What each of SAELens' loaders reads for one SAE, {path} being its path in the repository.
_FILES = {
    "sae_lens": ("{path}/cfg.json", "{path}/sae_weights.safetensors"),
    "connor_rob_hook_z": ("{stem}_cfg.json", "{path}"),
    "deepseek_r1": ("{path}",),
    "dictionary_learning_1": ("{path}/config.json", "{path}/ae.pt"),
    "gemma_2": ("{path}/params.npz",),
    "gemma_2_transcoder": ("{path}/params.npz",),
    "gemma_3": ("{path}/params.safetensors",),
    "goodfire": ("{path}",),
    "llama_scope": ("{path}/hyperparams.json", "{path}/checkpoints/final.safetensors"),
    "llama_scope_r1_distill": ("{path}/config.json", "{path}/sae_weights.safetensors"),
    "mntss_clt_layer_transcoder": (
        "config.yaml",
        "W_enc_{path}.safetensors",
        "W_dec_{path}.safetensors",
    ),
    "mwhanna_transcoder": ("{path}",),
    "qwen_scope": ("{path}",),
}
# Read if the repository has them; a loader does without, or takes one for another.
_OPTIONAL = {
    "gemma_3": ("{path}/config.json",),
    "mwhanna_transcoder": ("wandb-config.yaml", "wanb-config.yaml", "config.yaml"),
}
# Loaders of what Axon cannot show, and why.
_REFUSED = {
    "temporal": "temporal SAEs attend to all earlier positions, so features are no function of one "
    "position's vector",
}
# Where the registry names another model than the SAEs were trained on.
_TRAINED_ON = {"gemma-scope-9b-it-res": "gemma-2-9b-it"}


@dataclass(frozen=True)
class Entry:
    """One SAE of a release: its path in the repository and its Neuronpedia id, "" if none."""

    path: str
    neuronpedia_id: str


@dataclass(frozen=True)
class Release:
    """A set of SAEs in one repository, by SAELens' names for it and them."""

    name: str
    repository: str
    model: str
    loader: str
    saes: Mapping[str, Entry]

    @property
    def refused(self) -> str:
        """Why Axon cannot show its features; empty if it can."""
        unknown = "" if self.loader in _FILES else f"Axon does not know its format ({self.loader})"
        return _REFUSED.get(self.loader, unknown)

    @property
    def sums_layers(self) -> bool:
        """Whether features write to all layers from their own on, and SAELens adds these decoders
        up: the sum is what they add to the residual stream, but reconstructs nothing."""
        return self.loader == "mntss_clt_layer_transcoder"

    def files(self, sae_id: str) -> tuple[str, ...]:
        """The files that SAELens needs to load this SAE."""
        return self._names(_FILES[self.loader], sae_id)

    def optional_files(self, sae_id: str) -> tuple[str, ...]:
        """The files that it reads too where there are any."""
        return self._names(_OPTIONAL.get(self.loader, ()), sae_id)

    def _names(self, patterns: tuple[str, ...], sae_id: str) -> tuple[str, ...]:
        path = self.saes[sae_id].path
        stem = path.partition(".pt")[0]
        return tuple(pattern.format(path=path, stem=stem) for pattern in patterns)


@functools.cache
def releases() -> Mapping[str, Release]:
    """All releases, by name."""
    spec = importlib.util.find_spec("sae_lens")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "pretrained_saes.yaml").read_text()
    # The loader in C is ten times as fast, but PyYAML can be built without it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {name: _release(name, found) for name, found in yaml.load(text, loader).items()}


def releases_for(models: tuple[str, ...]) -> list[Release]:
    """The releases Axon serves that were trained on a model of one of these names."""
    return [r for r in releases().values() if not r.refused and r.model in models]


@functools.cache
def by_neuronpedia_id() -> Mapping[str, tuple[str, str]]:
    """Release and sae_id of every Neuronpedia id; the first where several share one."""
    found: dict[str, tuple[str, str]] = {}
    for release in releases().values():
        for sae_id, entry in release.saes.items():
            if entry.neuronpedia_id:
                found.setdefault(entry.neuronpedia_id, (release.name, sae_id))
    return found


def _release(name: str, found: Mapping[str, object]) -> Release:
    saes: object = found["saes"]
    assert isinstance(saes, list)
    return Release(
        name=name,
        repository=str(found["repo_id"]),
        model=_TRAINED_ON.get(name, str(found["model"])),
        loader=str(found.get("conversion_func") or "sae_lens"),
        saes={
            sae["id"]: Entry(str(sae["path"]), str(sae.get("neuronpedia") or "")) for sae in saes
        },
    )
