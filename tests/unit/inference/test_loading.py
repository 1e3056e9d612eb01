"""What cannot be served is refused at start, with what to change."""

from __future__ import annotations

from pathlib import Path

import pytest
from axon_inference import loading
from axon_inference.catalog import PRESETS, CatalogError, select
from axon_inference.config import Settings
from axon_inference.model import ModelError, load_model
from axon_inference.sources import SourceError

from ... import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.gpt2_folder(tmp_path_factory.mktemp("model"))


def load(model: Path, *sources: Path) -> loading.Loaded:
    return loading.load(Settings(model=str(model), sources=tuple(map(str, sources)), device="cpu"))


def test_presets_are_in_saelens_registry() -> None:
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    registry = get_pretrained_saes_directory()
    for name, preset in PRESETS.items():
        entry = registry[preset.release]
        assert preset.sae_id in entry.saes_map
        assert entry.neuronpedia_id[preset.sae_id].startswith(f"{name}/")


def test_sources_are_found_by_release_and_by_neuronpedia_id() -> None:
    by_release = select("gpt2-small", ("gpt2-small-res-jb/blocks.8.hook_resid_pre",))
    by_neuronpedia = select("gpt2-small", ("gpt2-small/8-res-jb",))
    assert by_release == by_neuronpedia == select("gpt2-small", ())


def test_an_unknown_model_says_what_there_is() -> None:
    with pytest.raises(CatalogError, match="gpt2-small"):
        select("gpt9", ())


def test_an_unknown_source_says_what_there_is() -> None:
    with pytest.raises(CatalogError, match=r"blocks\.0\.hook_resid_pre"):
        select("gpt2-small", ("gpt2-small-res-jb/blocks.99.hook_resid_pre",))
    with pytest.raises(CatalogError, match="no local SAELens folder"):
        select("gpt2-small", ("nowhere/else",))


def test_a_folder_of_ones_own_needs_sources(model: Path) -> None:
    with pytest.raises(CatalogError, match="AXON_SOURCES"):
        select(str(model), ())


def test_an_sae_of_another_width_is_refused(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre", d_in=48)
    with pytest.raises(SourceError, match=r"48.*32"):
        load(model, sae)


@pytest.mark.parametrize(
    "hook",
    ["blocks.7.hook_resid_pre", "blocks.1.hook_nonsense", "hook_embed", "blocks.1.attn.hook_z"],
)
def test_a_hook_point_the_model_lacks_is_refused(model: Path, tmp_path: Path, hook: str) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", hook)
    with pytest.raises(ModelError, match=hook):
        load(model, sae)


def test_model_processing_that_is_not_imitated_is_refused(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(
        tmp_path,
        "standard",
        "blocks.1.hook_resid_pre",
        model_from_pretrained_kwargs={"fold_ln": True},
    )
    with pytest.raises(SourceError, match="fold_ln"):
        load(model, sae)


def test_sources_that_disagree_on_bos_are_refused(model: Path, tmp_path: Path) -> None:
    hook = "blocks.1.hook_resid_pre"
    with_bos = tiny.sae_folder(tmp_path / "a", "standard", hook)
    without = tiny.sae_folder(tmp_path / "b", "standard", hook, prepend_bos=False)
    with pytest.raises(SourceError, match="BOS"):
        load(model, with_bos, without)


def test_a_source_without_bos_prepends_none(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre", prepend_bos=False)
    assert load(model, sae).served.bos_id is None


def test_layers_that_are_not_attention_are_refused(tmp_path: Path) -> None:
    from transformers import Qwen3NextConfig

    Qwen3NextConfig(num_hidden_layers=4).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="linear_attention"):
        load_model("m", str(tmp_path), device="cpu", dtype="float32")


def test_a_source_that_its_hook_point_never_feeds_is_refused(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre")
    runner = load(model, sae).runner
    runner.tap.close()  # as if the name resolved to a module that the forward pass goes around
    runner.tap._seen.clear()
    with pytest.raises(SourceError, match=r"blocks\.1\.hook_resid_pre gave nothing"):
        runner.tap.check(tokens=2)
