"""Every model family, loaded from a Hugging Face cache by the real loaders, and from local folders.

Models and SAEs are random and tiny. In the cache they have the paths and formats of the real ones.
Prompt and continuation together are longer than a sliding window.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axon_inference.catalog.presets import PRESETS
from axon_inference.model.configuration import ModelError

from .. import tiny
from ..releases import HubCache
from . import reference
from .harness import Bench, assert_same

PROMPTS = ["the capital of France is", "a small cat sat on every warm mat", "17 stars", "Üb"]
LENGTHS = [14, 9, 20, 6]
HEADS = 64  # the width of all heads together in the families whose heads are 16 wide


@dataclass(frozen=True)
class Case:
    """A preset, its model's family, and SAEs of public releases by name, each with the settings in
    its files."""

    preset: str
    family: str
    saes: dict[str, dict[str, Any]]
    n_layers: int = 3


def at_hook(release: str, *hooks: str, **about: Any) -> dict[str, dict[str, Any]]:
    """SAEs of a release in SAELens' own format that names them by their hook points."""
    return {f"{release}/{hook}": {"hook_point": hook, **about} for hook in hooks}


TOPK_OF_NORMALIZED = {
    "activation_fn_str": "topk",
    "activation_fn_kwargs": {"k": 12},
    "normalize_activations": "layer_norm",
}
CASES = {
    "gpt2": Case(
        "gpt2-small",
        "gpt2",
        {
            **at_hook("gpt2-small-resid-post-v5-32k", "blocks.1.hook_resid_post"),
            **at_hook(
                "gpt2-small-resid-mid-v5-32k", "blocks.2.hook_resid_mid", **TOPK_OF_NORMALIZED
            ),
            **at_hook("gpt2-small-mlp-out-v5-32k", "blocks.0.hook_mlp_out", **TOPK_OF_NORMALIZED),
            **at_hook("gpt2-small-attn-out-v5-32k", "blocks.1.hook_attn_out"),
            "gpt2-small-hook-z-kk/blocks.1.hook_z": {"hook_point": "blocks.1.attn.hook_z"},
        },
    ),
    "pythia": Case(
        "pythia-70m-deduped",
        "gpt_neox",
        {
            **at_hook("pythia-70m-deduped-res-sm", "blocks.1.hook_resid_post", prepend_bos=False),
            **at_hook("pythia-70m-deduped-res-sm", "blocks.0.hook_resid_pre", prepend_bos=False),
            **at_hook("pythia-70m-deduped-mlp-sm", "blocks.2.hook_mlp_out", prepend_bos=False),
            **at_hook("pythia-70m-deduped-att-sm", "blocks.0.hook_attn_out", prepend_bos=False),
        },
    ),
    "pythia-saebench": Case(
        "pythia-70m-deduped",
        "gpt_neox",
        {
            f"sae_bench_pythia70m_sweep_{sweep}/blocks.3.hook_resid_post__trainer_{trainer}": {
                "architecture": architecture,
                "layer": 3,
            }
            for sweep, trainer, architecture in [
                ("standard_ctx128_0712", 10, "standard"),
                ("gated_ctx128_0730", 0, "gated"),
                ("topk_ctx128_0730", 0, "topk"),
                ("panneal_ctx128_0730", 16, "jumprelu"),
            ]
        },
        n_layers=4,
    ),
    "gemma-1": Case("gemma-2b", "gemma", at_hook("gemma-2b-res-jb", "blocks.0.hook_resid_post")),
    "gemma-2": Case(
        "gemma-2-2b",
        "gemma2",
        {
            "gemma-scope-2b-pt-res-canonical/layer_2/width_16k/canonical": {},
            "gemma-scope-2b-pt-mlp-canonical/layer_1/width_16k/canonical": {},
            "gemma-scope-2b-pt-att-canonical/layer_2/width_16k/canonical": {"d_in": HEADS},
            **at_hook("gemma-2-2b-res-matryoshka-dc", "blocks.0.hook_resid_post"),
            "gemma-scope-2b-pt-transcoders/layer_1/width_16k/average_l0_65": {},
            "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_44": {},
            "mntss-gemma-2-2b-2.5m-clt-as-per-layer/layer_1": {},
        },
    ),
    "gemma-3": Case(
        "gemma-3-1b",
        "gemma3_text",
        {
            "gemma-scope-2-1b-pt-res-all/layer_2_width_16k_l0_small": {},
            "gemma-scope-2-1b-pt-mlp-all/layer_1_width_16k_l0_small": {},
            "gemma-scope-2-1b-pt-att-all/layer_0_width_16k_l0_small": {"d_in": HEADS},
            "gemma-scope-2-1b-pt-transcoders-all/layer_1_width_16k_l0_small": {},
            "gemma-scope-2-1b-pt-transcoders-all/layer_2_width_16k_l0_small_affine": {},
        },
    ),
    "llama-3": Case(
        "llama3.1-8b",
        "llama3",
        {
            "llama_scope_lxr_8x/l1r_8x": {"hook_point": "blocks.1.hook_resid_post"},
            "llama_scope_lxm_8x/l2m_8x": {"hook_point": "blocks.2.hook_mlp_out"},
            "llama_scope_lxa_8x/l0a_8x": {"hook_point": "blocks.0.hook_attn_out"},
        },
    ),
    "llama-3-distilled": Case(
        "deepseek-r1-distill-llama-8b",
        "llama3",
        {"llama_scope_r1_distill/l2r_800m_slimpajama": {"hook_point": "blocks.2.hook_resid_post"}},
    ),
    "mistral": Case(
        "mistral-7b",
        "mistral",
        at_hook("mistral-7b-res-wg", "blocks.8.hook_resid_pre"),
        n_layers=9,
    ),
    "gpt-oss": Case(
        "gpt-oss-20b",
        "gpt_oss",
        {
            "gpt-oss-20b-andyrdt/resid_post_layer_3_trainer_0": {
                "architecture": "jumprelu",
                "layer": 3,
            }
        },
        n_layers=4,
    ),
    "qwen-2.5": Case(
        "qwen2.5-7b-it",
        "qwen2",
        {
            "qwen2.5-7b-instruct-andyrdt/resid_post_layer_3_trainer_1": {
                "architecture": "jumprelu",
                "layer": 3,
            }
        },
        n_layers=4,
    ),
    "qwen-3": Case("qwen3-1.7b-base", "qwen3", {"qwen-scope-3-1.7b-base-w32k-l50/layer1": {}}),
    "qwen-3-transcoders": Case(
        "qwen3-0.6b",
        "qwen3",
        {
            "mwhanna-qwen3-0.6b-transcoders-lowl0/layer_1": {"config": "wanb-config.yaml"},
            "mwhanna-qwen3-0.6b-transcoders-lowl0/layer_2": {"model": "Qwen/Qwen3-0.6B"},
        },
    ),
    "qwen-3-experts": Case(
        "qwen3-30b-a3b-base",
        "qwen3_moe",
        {"qwen-scope-3-30b-a3b-base-w32k-l50/layer1": {}},
    ),
}


# By architecture, the hook point that an SAE reads in the tests of local folders.
LOCAL = {
    "standard": "blocks.1.hook_resid_pre",
    "jumprelu": "blocks.2.hook_resid_post",
    "topk": "blocks.1.hook_mlp_out",
    "gated": "blocks.0.hook_attn_out",
    "matching_pursuit": "blocks.0.hook_resid_post",
}


def compare(bench: Bench, bridge: Any, saes: list[Any], atol: float = 5e-4) -> None:
    """Compare requests alone, all at once and staggered, with fewer slots than requests."""
    requests = [bench.request(p, n) for p, n in zip(PROMPTS, LENGTHS, strict=True)]
    bos = bench.loaded.served.bos_id is not None
    prompts = [bridge.to_tokens(prompt, prepend_bos=bos)[0].tolist() for prompt in PROMPTS]
    assert [list(request.prompt_ids) for request in requests] == prompts
    expected = [
        reference.generate(bridge, saes, prompt, length)
        for prompt, length in zip(prompts, LENGTHS, strict=True)
    ]
    for steps_between in (0, 2):
        for events, want in zip(bench.run(requests, steps_between), expected, strict=True):
            assert_same(events, want, atol=atol)
    for index in (0, 2):
        assert_same(bench.run([requests[index]])[0], expected[index], atol=atol)


@pytest.mark.filterwarnings(
    r"ignore:\s*This SAE has non-empty:UserWarning", "ignore:This loads the CLT layer:UserWarning"
)
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_public_releases(case: Case, hub: HubCache) -> None:
    folder = hub.snapshot(PRESETS[case.preset].repository)
    tiny.family_folder(folder, case.family, n_layers=case.n_layers)
    names = [hub.add_sae(name, **about) for name, about in case.saes.items()]
    bench = Bench.load(case.preset, names, slots=2, prefill_tokens=6)
    compare(bench, reference.boot(folder), reference.load_releases(names))


@pytest.mark.parametrize("family", [f for f in tiny.FAMILIES if f not in ("gpt2", "gemma3")])
def test_local_folders(family: str, tmp_path: Path) -> None:
    """Models without public SAEs, such as Llama-2 and larger Pythias, are loaded in this way."""
    folder = tiny.family_folder(tmp_path / "model", family)
    hooks = LOCAL.copy()
    if family in tiny.RECURRENT:
        # Its first layer has linear attention, whose output has no such name.
        gated = tiny.sae_folder(tmp_path / "refused", "gated", hooks.pop("gated"))
        with pytest.raises(ModelError, match="no such module"):
            Bench.load(folder, [gated])
    saes = [tiny.sae_folder(tmp_path / name, name, hook) for name, hook in hooks.items()]
    bench = Bench.load(folder, saes, slots=2, prefill_tokens=6)
    # A state step by step and a text at once round differently: residuals of 70 are off by 5e-4 in
    # either, compared with float64.
    atol = 5e-3 if family in tiny.RECURRENT else 5e-4
    compare(bench, reference.boot(folder), reference.load_saes(saes), atol)


def test_multimodal_gemma_is_served_as_its_language_model(hub: HubCache, tmp_path: Path) -> None:
    from transformers import Gemma3ForCausalLM, Gemma3ForConditionalGeneration

    folder = tiny.family_folder(hub.snapshot(PRESETS["gemma-3-4b"].repository), "gemma3")
    name = hub.add_sae("gemma-scope-2-4b-pt-res-all/layer_1_width_16k_l0_small")
    bench = Bench.load("gemma-3-4b", [name], slots=2, prefill_tokens=6)
    whole = Gemma3ForConditionalGeneration.from_pretrained(folder)
    text = Gemma3ForCausalLM(whole.config.text_config)
    text.model.load_state_dict(whole.model.language_model.state_dict())
    text.lm_head.load_state_dict(whole.lm_head.state_dict())
    text.save_pretrained(tmp_path)
    bench.loaded.tokenizer.save_pretrained(tmp_path)
    compare(bench, reference.boot(tmp_path), reference.load_releases([name]))


@pytest.mark.filterwarnings(r"ignore:\s*This SAE has non-empty:UserWarning")
def test_all_13_layers_of_res_jb_at_once(hub: HubCache) -> None:
    """The release names all its 13 SAEs. They read the residual stream before each of GPT-2 small's
    12 blocks and after the last, and were trained on a model with centred writing weights."""
    folder = hub.snapshot(PRESETS["gpt2-small"].repository)
    tiny.family_folder(folder, "gpt2", n_layers=12)
    release = "gpt2-small-res-jb"
    hooks = [f"blocks.{n}.hook_resid_pre" for n in range(12)] + ["blocks.11.hook_resid_post"]
    names = [hub.add_sae(name, **about) for name, about in at_hook(release, *hooks).items()]
    bench = Bench.load("gpt2-small", [release], slots=2, prefill_tokens=6)
    assert list(bench.loaded.served.sources) == [f"gpt2-small/{n}-res-jb" for n in range(13)]
    assert [source.hook_name for source in bench.loaded.sources] == hooks
    centred = reference.boot(folder, center_writing_weights=True)
    compare(bench, centred, reference.load_releases(names))


@pytest.mark.filterwarnings(r"ignore:\s*This SAE has non-empty:UserWarning")
@pytest.mark.parametrize(
    ("family", "processing"),
    [
        ("gpt2", "center_writing_weights"),
        ("gpt_neox", "center_writing_weights"),
        ("llama", "center_writing_weights"),  # has no effect: RMSNorm does not subtract a mean
        ("gpt2", "fold_ln"),
        ("gpt2", "fold_value_biases"),
    ],
)
def test_processing_of_the_model_that_saes_were_trained_on(
    family: str, processing: str, tmp_path: Path
) -> None:
    """Centring changes the vectors that SAEs read, so Axon centres them. The other kinds of
    processing change only weights, and need nothing."""
    settings = {processing: True}
    folder = tiny.family_folder(tmp_path / "model", family)
    saes = [
        tiny.sae_folder(tmp_path / hook, "standard", hook, model_from_pretrained_kwargs=settings)
        for hook in LOCAL.values()
    ]
    bench = Bench.load(folder, saes, slots=2, prefill_tokens=6)
    compare(bench, reference.boot(folder, **settings), reference.load_saes(saes))
