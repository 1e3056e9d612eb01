"""Which models and SAEs go together: bundled, presets, local folders, SAELens' registry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import BUNDLED_MODEL

BUNDLED_ID = "axon-demo"


class CatalogError(ValueError):
    """A model or source that cannot be found; the message says what can."""


@dataclass(frozen=True)
class SourceSpec:
    """Where an SAE comes from: a local SAELens folder, or its registry's release and sae_id."""

    folder: Path | None = None
    release: str = ""
    sae_id: str = ""

    def __str__(self) -> str:
        return str(self.folder) if self.folder else f"{self.release}/{self.sae_id}"


@dataclass(frozen=True)
class Selection:
    """What to serve. `path` is a folder or a Hugging Face repository; `id` prefixes source ids."""

    id: str
    path: str
    sources: tuple[SourceSpec, ...]


@dataclass(frozen=True)
class Preset:
    """A model by the name Neuronpedia gives it, with the source served unless others are named."""

    repository: str
    release: str
    sae_id: str


PRESETS = {
    "gpt2-small": Preset("openai-community/gpt2", "gpt2-small-res-jb", "blocks.8.hook_resid_pre"),
    "pythia-70m-deduped": Preset(
        "EleutherAI/pythia-70m-deduped", "pythia-70m-deduped-res-sm", "blocks.3.hook_resid_post"
    ),
}


def select(model: str, sources: tuple[str, ...]) -> Selection:
    """Resolve the names in AXON_MODEL and AXON_SOURCES.

    Raises:
        CatalogError: a name means nothing here; the message says what would.
    """
    if model == BUNDLED_ID:
        return _bundled(sources)
    if model in PRESETS:
        preset = PRESETS[model]
        specs = tuple(_source(name) for name in sources) or (
            SourceSpec(release=preset.release, sae_id=preset.sae_id),
        )
        return Selection(model, preset.repository, specs)
    folder = Path(model).expanduser()
    if (folder / "config.json").is_file():
        if not sources:
            raise CatalogError(
                f"AXON_MODEL={model} is a folder of your own, so name its SAEs in AXON_SOURCES "
                "(SAELens folders, comma separated)"
            )
        return Selection(folder.resolve().name, str(folder), tuple(_source(n) for n in sources))
    raise CatalogError(
        f"AXON_MODEL={model!r} is neither a preset ({', '.join([BUNDLED_ID, *PRESETS])}) nor a "
        "folder with a config.json in Hugging Face format"
    )


def _bundled(sources: tuple[str, ...]) -> Selection:
    model = BUNDLED_MODEL / "model"
    if not (model / "config.json").is_file():
        raise CatalogError(f"the bundled model is missing from {BUNDLED_MODEL}; `make demo-model`")
    found = {_local_id(folder): folder for folder in _sae_folders(BUNDLED_MODEL / "saes")}
    chosen = []
    for name in sources or tuple(found):
        folder = found.get(name) or found.get(f"{BUNDLED_ID}/{name}") or _folder(name)
        if folder is None:
            raise CatalogError(f"AXON_SOURCES: no source {name!r}; there are {', '.join(found)}")
        chosen.append(SourceSpec(folder=folder))
    return Selection(BUNDLED_ID, str(model), tuple(chosen))


def _source(name: str) -> SourceSpec:
    """A local folder, `release/sae_id`, or a Neuronpedia id such as `gpt2-small/8-res-jb`."""
    if folder := _folder(name):
        return SourceSpec(folder=folder)
    release, _, sae_id = name.partition("/")
    registry = _registry()
    if release in registry and sae_id in registry[release].saes_map:
        return SourceSpec(release=release, sae_id=sae_id)
    for entry in registry.values():
        for known_id, neuronpedia_id in entry.neuronpedia_id.items():
            if neuronpedia_id == name:
                return SourceSpec(release=entry.release, sae_id=known_id)
    hint = ""
    if release in registry:
        hint = (
            f"; release {release} has " + ", ".join(list(registry[release].saes_map)[:8]) + " ..."
        )
    raise CatalogError(
        f"AXON_SOURCES: {name!r} is no local SAELens folder, no release/sae_id of SAELens' "
        f"registry and no Neuronpedia id{hint}"
    )


def _registry() -> dict[str, Any]:
    # Late: importing sae_lens takes seconds, and local folders never need its registry.
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    registry: dict[str, Any] = get_pretrained_saes_directory()
    return registry


def _folder(name: str) -> Path | None:
    folder = Path(name).expanduser()
    return folder if (folder / "cfg.json").is_file() else None


def _sae_folders(parent: Path) -> list[Path]:
    return sorted(path.parent for path in parent.glob("*/cfg.json"))


def _local_id(folder: Path) -> str:
    config = json.loads((folder / "cfg.json").read_text())
    return str(config.get("metadata", {}).get("neuronpedia_id") or folder.name)
