"""What `python -m axon_inference models` prints: models and their sources, and what is here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from axon_inference.catalog.downloads import HubError, readable
from axon_inference.catalog.hub import Want, remote_files
from axon_inference.catalog.presets import PRESETS, Preset
from axon_inference.catalog.registry import Release
from axon_inference.catalog.registry import releases as every
from axon_inference.catalog.selection import BUNDLED_ID, CatalogError, SourceSpec
from axon_inference.config import BUNDLED_MODEL

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def overview(dtype: str) -> str:
    """All presets, one a line, their weights in memory as they are in `dtype`."""
    head = ("MODEL", "PARAMETERS", dtype.upper(), "SOURCES", "ON NEURONPEDIA", "DOWNLOADED")
    rows = [head, _bundled()]
    for name, preset in PRESETS.items():
        releases = preset.releases
        rows.append(
            (
                name,
                _parameters(preset),
                readable(preset.parameters * 1e6 * _BYTES[dtype]),
                str(sum(len(release.saes) for release in releases)),
                str(sum(_listed(release) for release in releases)),
                _here(preset, releases),
            )
        )
    refused = [f"{r.name} is not served: {r.refused}." for r in every().values() if r.refused]
    return "\n".join([_table(rows), "", *refused, "", _ADVICE])


_ADVICE = """\
`models NAME` lists a model's sets of sources, `models NAME SET` the sources of one.
AXON_MODEL takes a name from here, a folder in Hugging Face format, or a repository (ORG/NAME);
AXON_SOURCES takes Neuronpedia ids, SET/SOURCE, whole SETs, and folders as SAELens saves them."""


def details(name: str) -> str:
    """One preset's sets of sources, and how much it and its default source are to download.

    Raises:
        CatalogError: there is no such preset.
    """
    preset = _preset(name)
    rows = [("SET", "SOURCES", "ON NEURONPEDIA", "DOWNLOADED")]
    for release in preset.releases:
        downloaded = sum(_has(release, sae_id) for sae_id in release.saes)
        counts = (str(len(release.saes)), str(_listed(release)), str(downloaded))
        rows.append((release.name, *counts))
    default = SourceSpec(release=preset.release, sae_id=preset.sae_id)
    assert default.wanted
    return "\n".join(
        [
            f"{name}: {_parameters(preset)} parameters, {preset.repository}{_gate(preset)}",
            f"the model: {_state(Want(preset.repository))}",
            f"{default}, served unless others are named: {_state(default.wanted)}",
            "",
            _table(rows),
        ]
    )


def sources(name: str, release_name: str) -> str:
    """The sources of one set.

    Raises:
        CatalogError: the preset or the set does not exist.
    """
    for release in _preset(name).releases:
        if release.name == release_name:
            rows = [("SOURCE", "NEURONPEDIA ID", "DOWNLOADED")]
            for sae_id, entry in release.saes.items():
                here = "yes" if _has(release, sae_id) else "-"
                rows.append((f"{release.name}/{sae_id}", entry.neuronpedia_id or "-", here))
            return _table(rows)
    names = ", ".join(release.name for release in _preset(name).releases)
    raise CatalogError(f"{name} has no set {release_name!r}; there are {names}")


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise CatalogError(f"there is no model {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def _bundled() -> tuple[str, ...]:
    weights = BUNDLED_MODEL / "model" / "model.safetensors"
    count = str(len(list((BUNDLED_MODEL / "saes").glob("*/cfg.json"))))
    size = readable(weights.stat().st_size) if weights.exists() else "-"
    return (BUNDLED_ID, "-", size, count, "-", "comes along")


def _parameters(preset: Preset) -> str:
    millions = preset.parameters
    return f"{millions}M" if millions < 1000 else f"{millions / 1000:.1f}B"


def _listed(release: Release) -> int:
    return sum(1 for entry in release.saes.values() if entry.neuronpedia_id)


def _has(release: Release, sae_id: str) -> bool:
    return not Want(release.repository, release.files(sae_id)).missing()


def _here(preset: Preset, releases: Sequence[Release]) -> str:
    want = Want(preset.repository)
    parts = [] if want.missing() else [f"model {readable(_on_disk(want))}"]
    count = sum(_has(release, sae_id) for release in releases for sae_id in release.saes)
    if count:
        parts.append(f"{count} sources")
    return ", ".join(parts) or "-"


def _on_disk(want: Want) -> int:
    config = want.path("config.json")
    assert config
    return sum(_size(path) for path in config.parent.rglob("*"))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _gate(preset: Preset) -> str:
    return ", gated: its owner's terms must be accepted, and HF_TOKEN set" if preset.gated else ""


def _state(want: Want) -> str:
    if not want.missing():
        return "downloaded"
    try:
        files = remote_files(want)
    except HubError:
        return "not downloaded (the hub cannot be asked now how large it is)"
    total = sum(file.size for file in files)
    here = sum(file.here for file in files)
    return f"{readable(total)} to download" + (f", {readable(here)} of it is here" if here else "")


def _table(rows: Iterable[Sequence[str]]) -> str:
    columns = list(zip(*(tuple(row) for row in rows), strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    )
    return "\n".join(lines)
