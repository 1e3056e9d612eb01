"""From the names in AXON_MODEL and AXON_SOURCES to what is meant: folders, repositories, SAEs."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path

from axon_inference.catalog.files import read_json
from axon_inference.catalog.hub import Want
from axon_inference.catalog.presets import PRESETS
from axon_inference.catalog.registry import Release, by_neuronpedia_id, releases
from axon_inference.config import BUNDLED_MODEL
from axon_inference.errors import Unservable

_log = logging.getLogger(__name__)

BUNDLED_ID = "axon-demo"
# Presets that an error lists.
_TOLD = 10
# A repository of the hub (ORG/NAME) or an id of Neuronpedia (MODEL/SOURCE).
_TWO_NAMES = re.compile(r"[\w.-]+/[\w.-]+")


class CatalogError(Unservable):
    """A model or source that cannot be found; the message says what can."""


@dataclass(frozen=True)
class SourceSpec:
    """Where an SAE comes from: a local SAELens folder, or its registry's release and sae_id.

    `neuronpedia_id` is its id on Neuronpedia, "" if it has none that is known.
    """

    folder: Path | None = None
    release: str = ""
    sae_id: str = ""
    neuronpedia_id: str = ""

    def __str__(self) -> str:
        return str(self.folder) if self.folder else f"{self.release}/{self.sae_id}"

    @property
    def wanted(self) -> Want | None:
        """What the hub's cache must have for it; None for a local folder."""
        if self.folder:
            return None
        release = releases()[self.release]
        return Want(
            release.repository, release.files(self.sae_id), release.optional_files(self.sae_id)
        )


@dataclass(frozen=True)
class Selection:
    """What to serve. `id` prefixes source ids; the model is in a folder or in a repository."""

    id: str
    sources: tuple[SourceSpec, ...]
    folder: Path | None = None
    repository: str = ""

    @property
    def wanted(self) -> list[Want]:
        """What the hub's cache must have for all of it, the model first."""
        model = [Want(self.repository)] if self.repository else []
        return model + [spec.wanted for spec in self.sources if spec.wanted]


def select(model: str, sources: tuple[str, ...]) -> Selection:
    """Resolve the names in AXON_MODEL and AXON_SOURCES.

    Raises:
        CatalogError: a name means nothing here; the message says what would.
    """
    if model == BUNDLED_ID:
        return _bundled(sources)
    if model in PRESETS:
        preset = PRESETS[model]
        chosen = _sources(model, sources) or (_listed(preset.release, preset.sae_id),)
        _warn_of_foreign(model, chosen)
        return Selection(model, chosen, repository=preset.repository)
    folder = Path(model).expanduser()
    if (folder / "config.json").is_file():
        found = Selection(folder.resolve().name, _sources("", sources), folder=folder)
    elif _TWO_NAMES.fullmatch(model) and not folder.exists():
        found = Selection(model.rpartition("/")[2], _sources("", sources), repository=model)
    else:
        names = [BUNDLED_ID, *PRESETS]
        raise CatalogError(
            f"AXON_MODEL={model!r} is neither a preset ({', '.join(names[:_TOLD])} and "
            f"{len(names) - _TOLD} more that `python -m axon_inference models` lists), nor "
            "a folder with a config.json in Hugging Face format, nor a repository (ORG/NAME)"
        )
    if not found.sources:
        raise CatalogError(
            f"AXON_MODEL={model} is no preset, so name its SAEs in AXON_SOURCES (SAELens folders "
            "or releases, comma separated)"
        )
    return found


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
    return Selection(BUNDLED_ID, tuple(chosen), folder=model)


def _sources(model: str, names: tuple[str, ...]) -> tuple[SourceSpec, ...]:
    return tuple(spec for name in names for spec in _named(model, name))


def _named(model: str, entry: str) -> list[SourceSpec]:
    """The SAEs that one entry of AXON_SOURCES names: a local folder, `release/sae_id`, a whole
    release, or a Neuronpedia id; behind any but a release, `=MODEL/SOURCE` gives it such an id."""
    if folder := _folder(entry):
        return [SourceSpec(folder=folder)]
    name, equals, given = entry.rpartition("=")
    if not equals:
        return _found(model, entry)
    if not _TWO_NAMES.fullmatch(given):
        raise CatalogError(
            f"AXON_SOURCES: {given!r} in {entry!r} is no Neuronpedia id, which is MODEL/SOURCE"
        )
    folder = _folder(name)
    specs = [SourceSpec(folder=folder)] if folder else _found(model, name)
    if len(specs) > 1:
        raise CatalogError(f"AXON_SOURCES: {name!r} has {len(specs)} SAEs; {given!r} can name one")
    return [replace(specs[0], neuronpedia_id=given)]


def _found(model: str, name: str) -> list[SourceSpec]:
    release, _, sae_id = name.partition("/")
    if known := releases().get(release):
        _require_served(known)
        if not sae_id:
            return [_listed(release, sae_id) for sae_id in known.saes]
        if sae_id in known.saes:
            return [_listed(release, sae_id)]
    for neuronpedia_id in (name, f"{model}/{name}"):
        if place := by_neuronpedia_id().get(neuronpedia_id):
            _require_served(releases()[place[0]])
            return [_listed(*place)]
    raise CatalogError(
        f"AXON_SOURCES: {name!r} is no local SAELens folder, no release or release/sae_id of "
        f"SAELens' registry and no Neuronpedia id{_hint(model, known)}"
    )


def _listed(release: str, sae_id: str) -> SourceSpec:
    entry = releases()[release].saes[sae_id]
    return SourceSpec(release=release, sae_id=sae_id, neuronpedia_id=entry.neuronpedia_id)


def _require_served(release: Release) -> None:
    if release.refused:
        raise CatalogError(f"AXON_SOURCES: {release.name} cannot be shown: {release.refused}")


def _warn_of_foreign(model: str, chosen: tuple[SourceSpec, ...]) -> None:
    """Vectors of equal width say nothing of a model and those that were tuned from it."""
    own = {release.name for release in PRESETS[model].releases}
    for spec in chosen:
        if spec.release and spec.release not in own:
            trained_on = releases()[spec.release].model
            _log.warning("source %s was trained on %s, not on %s", spec, trained_on, model)


def _hint(model: str, release: Release | None) -> str:
    if release:
        return f"; release {release.name} has {', '.join(list(release.saes)[:8])} ..."
    if model in PRESETS:
        names = ", ".join(release.name for release in PRESETS[model].releases)
        return f"; for {model} there are the releases {names}"
    return ""


def _folder(name: str) -> Path | None:
    folder = Path(name).expanduser()
    return folder if (folder / "cfg.json").is_file() else None


def _sae_folders(parent: Path) -> list[Path]:
    return sorted(path.parent for path in parent.glob("*/cfg.json"))


def _local_id(folder: Path) -> str:
    metadata = read_json(folder / "cfg.json").get("metadata")
    known = metadata.get("neuronpedia_id") if isinstance(metadata, dict) else None
    return str(known or folder.name)
