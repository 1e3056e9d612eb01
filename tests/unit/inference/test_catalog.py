"""Names of models and sources; the catalogue agrees with SAELens' registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from axon_inference.catalog import listing, registry
from axon_inference.catalog.presets import PRESETS
from axon_inference.catalog.selection import CatalogError, SourceSpec, select

from ... import tiny
from ...releases import HubCache

RES_JB = "gpt2-small-res-jb/blocks.8.hook_resid_pre"


def test_the_registry_is_read_as_saelens_reads_it() -> None:
    from sae_lens.loading import pretrained_sae_loaders as loaders
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    theirs = get_pretrained_saes_directory()
    ours = registry.releases()
    assert list(ours) == list(theirs)
    for name, release in ours.items():
        assert {sae_id: sae.path for sae_id, sae in release.saes.items()} == theirs[name].saes_map
        ids = {sae_id: sae.neuronpedia_id or None for sae_id, sae in release.saes.items()}
        assert ids == theirs[name].neuronpedia_id
        assert release.repository == theirs[name].repo_id
        assert release.loader == loaders.get_conversion_loader_name(name)


def test_presets_offer_only_what_the_registry_has() -> None:
    for name, preset in PRESETS.items():
        release = registry.releases()[preset.release]
        assert release in preset.releases
        assert preset.sae_id in release.saes
        for offered in preset.releases:
            for sae in offered.saes.values():
                # The Neuronpedia id begins with our name of the model.
                assert sae.neuronpedia_id.partition("/")[0] in ("", name)


def test_so_much_of_the_registry_is_served() -> None:
    ours = {release.name for preset in PRESETS.values() for release in preset.releases}
    every = registry.releases()
    assert (len(ours), len(every)) == (168, 170)
    refused = {name for name, release in every.items() if release.refused}
    assert set(every) - ours == refused == {"temporal-sae-gemma-2-2b", "temporal-sae-llama-3.1-8b"}
    assert sum(len(every[name].saes) for name in ours) == 13854
    assert sum(len(release.saes) for release in every.values()) == 13857


def test_a_short_name_in_the_registry_means_transformerlens_repository() -> None:
    from transformer_lens.loading_from_pretrained import get_official_model_name

    for preset in PRESETS.values():
        if preset.trained_on:
            official = get_official_model_name(preset.trained_on)
            assert official in (preset.repository, preset.repository.rpartition("/")[2])


def test_a_source_is_found_by_each_of_its_names() -> None:
    found = select("gpt2-small", (RES_JB,))
    assert found == select("gpt2-small", ("gpt2-small/8-res-jb",))
    assert found == select("gpt2-small", ("8-res-jb",))
    assert found == select("gpt2-small", ())
    assert found.sources[0].neuronpedia_id == "gpt2-small/8-res-jb"


def test_the_name_of_a_release_means_all_its_sources() -> None:
    found = select("gpt2-small", ("gpt2-small-res-jb",)).sources
    assert [s.neuronpedia_id for s in found] == [f"gpt2-small/{n}-res-jb" for n in range(13)]


def test_an_id_of_neuronpedia_that_the_registry_lacks_can_be_given(tmp_path: Path) -> None:
    name = "mistral-7b-res-wg/blocks.8.hook_resid_pre"
    folder = tiny.sae_folder(tmp_path / "a=b", "standard", "blocks.1.hook_resid_pre")
    listed = SourceSpec(
        release="mistral-7b-res-wg",
        sae_id="blocks.8.hook_resid_pre",
        neuronpedia_id="mistral-7b/8-res-wg",
    )
    local = SourceSpec(folder=folder)
    for entry, want in {
        f"{name}=mistral-7b/8-res-wg": listed,
        str(folder): local,  # a folder's name may contain =
        f"{folder}=m/1-s": SourceSpec(folder=folder, neuronpedia_id="m/1-s"),
    }.items():
        assert select("mistral-7b", (entry,)).sources == (want,)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (f"{RES_JB}=nonsense", "'nonsense'.*no Neuronpedia id, which is MODEL/SOURCE"),
        ("gpt2-small-res-jb=gpt2-small/all", "has 13 SAEs; 'gpt2-small/all' can name one"),
        ("gpt2-small-res-jb/blocks.99.hook_resid_pre", r"there? .*blocks\.0\.hook_resid_pre|has "),
        ("nowhere/else", "no local SAELens folder.*for gpt2-small there are.*gpt2-small-res-jb"),
        ("temporal-sae-gemma-2-2b/blocks.12.hook_resid_post", "temporal"),
    ],
)
def test_invalid_names_of_sources_are_refused(entry: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        select("gpt2-small", (entry,))


def test_the_refusal_of_an_unknown_model_lists_the_presets() -> None:
    with pytest.raises(CatalogError, match=r"axon-demo, gpt2-small.*folder.*ORG/NAME"):
        select("gpt9", ())


def test_a_repository_of_the_hub_needs_sources(tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    found = select("openai-community/gpt2-medium", (str(sae),))
    assert (found.id, found.repository) == ("gpt2-medium", "openai-community/gpt2-medium")
    with pytest.raises(CatalogError, match="AXON_SOURCES"):
        select("openai-community/gpt2-medium", ())


def test_a_local_folder_needs_sources(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CatalogError, match="AXON_SOURCES"):
        select(str(tmp_path), ())


def test_a_source_of_another_model_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    select("gemma-2-2b", ("gemma-2-2b/12-gemmascope-res-16k",))
    assert not caplog.records
    select("gemma-2-9b", ("gemma-2-9b-it/20-gemmascope-res-16k",))
    assert "was trained on gemma-2-9b-it, not on gemma-2-9b" in caplog.text


def test_the_listing_says_what_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = HubCache(tmp_path, monkeypatch)
    tiny.family_folder(cache.snapshot("openai-community/gpt2"), "gpt2")
    cache.add_sae(RES_JB, hook_point="blocks.8.hook_resid_pre")
    rows = {line.split()[0]: line for line in listing.overview("bfloat16").splitlines() if line}
    assert set(rows) >= {"axon-demo", *PRESETS}
    assert rows["gpt2-small"].split()[1:5] == ["124M", "248", "MB", "159"]
    assert rows["gpt2-small"].endswith("1 sources")
    assert rows["gemma-2-2b"].endswith("-")
    assert "temporal-sae-gemma-2-2b is not served: temporal SAEs attend" in listing.overview(
        "float32"
    )
    details = listing.details("gpt2-small").splitlines()
    assert "the model: downloaded" in details
    assert ["gpt2-small-res-jb", "13", "13", "1"] in [line.split() for line in details]
    sources = listing.sources("gpt2-small", "gpt2-small-res-jb").splitlines()
    assert [RES_JB, "gpt2-small/8-res-jb", "yes"] in [line.split() for line in sources]


def test_the_listing_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(CatalogError, match="gpt2-small"):
        listing.details("gpt9")
    with pytest.raises(CatalogError, match="gpt2-small-res-jb"):
        listing.sources("gpt2-small", "nonsense")
