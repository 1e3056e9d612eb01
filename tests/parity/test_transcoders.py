"""Transcoders read what an MLP reads and are judged by what it puts out, which edits change.

Their features, edits and removals are compared with TransformerLens in the tests of families,
architectures and explanations, too.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.catalog.presets import PRESETS
from axon_inference.engine.requests import Change, Edit
from axon_inference.errors import Unservable
from axon_inference.loading import memory
from axon_inference.model.features import FeatureReader
from transformers import AutoModelForCausalLM

from .. import tiny
from ..releases import HubCache
from . import reference
from .driver import Driven, dense, drive
from .harness import Bench
from .test_edits import PROMPTS, Subject, check_batches

HOOK = "blocks.1.mlp.hook_in"


def vectors(network: Any, ids: list[int], *modules: str) -> list[torch.Tensor]:
    """What modules of transformers' own network put out at each of some tokens."""
    seen: dict[str, torch.Tensor] = {}
    handles = [
        network.get_submodule(name).register_forward_hook(
            lambda module, args, output, name=name: seen.update({name: output[0]})
        )
        for name in modules
    ]
    with torch.no_grad():
        network(torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    return [seen[name] for name in modules]


def test_gemma_scope_2_reads_and_writes_the_modules_that_it_names(hub: HubCache) -> None:
    """SAELens calls these `hook_mlp_in`, which in TransformerLens comes before the norm."""
    folder = tiny.family_folder(hub.snapshot(PRESETS["gemma-3-1b"].repository), "gemma3_text")
    release = "gemma-scope-2-1b-pt-transcoders-all"
    names = [f"{release}/layer_1_width_16k_l0_small{affine}" for affine in ("", "_affine")]
    bench = Bench.load("gemma-3-1b", [hub.add_sae(name) for name in names], slots=2)
    assert [source.hook_name for source in bench.loaded.sources] == [HOOK, HOOK]
    assert not any(source.not_editable for source in bench.loaded.sources)
    prompt = bench.prompt_ids(PROMPTS[1])
    [found] = drive(bench.loaded.runner, [Driven(prompt, 0)])
    network = AutoModelForCausalLM.from_pretrained(folder).eval()
    for source, sae in enumerate(reference.load_releases(names)):
        about = sae.cfg.metadata
        modules = [
            name.removesuffix(".output") for name in (about.hf_hook_name, about.hf_hook_name_out)
        ]
        read, written = vectors(network, prompt, *modules)
        want = sae.encode(read)
        missed = (written - sae(read)).square().sum(-1) / written.square().sum(-1)
        for position in range(len(prompt)):
            features = dense(found, position, source, sae.cfg.d_sae)
            torch.testing.assert_close(features, want[position], atol=1e-4, rtol=1e-4)
            error = found.features[position][source][3]
            assert error == pytest.approx(missed[position].item(), rel=1e-3)


def test_beside_saes_that_read_what_it_writes(tmp_path: Path) -> None:
    """An SAE of the same MLP's output reads it unedited; one further on reads what edits left."""
    folder = tiny.family_folder(tmp_path / "model", "gemma2")
    kinds = {
        "skip_transcoder": HOOK,
        "standard": "blocks.1.hook_mlp_out",
        "jumprelu": "blocks.1.hook_resid_post",
        "jumprelu_transcoder": "blocks.2.ln2.hook_normalized",
    }
    saes = [tiny.sae_folder(tmp_path / kind, kind, hook) for kind, hook in kinds.items()]
    subject = Subject.load(folder, saes)
    assert subject.bench.loaded.served.above == (2, 2, 3, None)
    prompt = subject.prompt(PROMPTS[2])
    firing = [subject.firing(prompt, source)[0] for source in range(len(saes))]
    swap = Edit(0, firing[0], Change.SWAP, swap_with=7 + (firing[0] == 7))
    others = [Edit(n, firing[n], Change.SCALE, -1.5) for n in range(1, len(saes))]
    check_batches(subject, [(swap,), (swap, *others)])


@pytest.mark.filterwarnings(r"ignore:\s*This SAE has non-empty:UserWarning")
def test_what_it_should_write_is_centred_as_the_model_was(tmp_path: Path) -> None:
    kwargs = {"center_writing_weights": True}
    folder = tiny.gpt2_folder(tmp_path / "model")
    path = tiny.sae_folder(
        tmp_path / "sae",
        "transcoder",
        "blocks.1.ln2.hook_normalized",
        model_from_pretrained_kwargs=kwargs,
    )
    bench = Bench.load(folder, [path], slots=2)
    prompt = bench.prompt_ids(PROMPTS[0])
    [found] = drive(bench.loaded.runner, [Driven(prompt, 0)])
    [sae], bridge = reference.load_saes([path]), reference.boot(folder, **kwargs)
    _, cache = bridge.run_with_cache(torch.tensor([prompt]))
    read, written = cache["blocks.1.ln2.hook_normalized"][0], cache["blocks.1.hook_mlp_out"][0]
    missed = (written - sae(read)).square().sum(-1) / written.square().sum(-1)
    for position, want in enumerate(missed.tolist()):
        assert found.features[position][0][3] == pytest.approx(want, rel=1e-3)


def test_promoted_tokens_are_those_of_the_decoder_behind_the_norm(tmp_path: Path) -> None:
    """Gemma normalises an MLP's output. The decoder writes what that gives, so nothing is left to
    account for; a transcoder of the MLP itself has no effect on logits of its own."""
    folder = tiny.family_folder(tmp_path / "model", "gemma2")
    path = tiny.sae_folder(tmp_path / "sae", "transcoder", HOOK)
    inner = tiny.sae_folder(
        tmp_path / "inner", "transcoder", HOOK, hook_name_out="blocks.1.mlp.hook_out"
    )
    reader: FeatureReader = Bench.load(folder, [path, inner], slots=2).loaded.reader
    [sae], folded = reference.load_saes([path]), reference.boot(folder, fold_ln=True)
    logits = sae.W_dec[5] @ folded.W_U
    assert [effect.token_id for effect in reader.read(0, 5, 9).promoted] == logits.topk(
        9
    ).indices.tolist()
    with pytest.raises(ValueError, match="do not write to the residual stream"):
        reader.read(1, 5, 9)


@pytest.mark.filterwarnings(
    r"ignore:\s*This SAE has non-empty:UserWarning", "ignore:This loads the CLT layer:UserWarning"
)
def test_a_layer_of_a_cross_layer_transcoder_shows_features_alone(hub: HubCache) -> None:
    """Its decoders, added up, say what it promotes; they are no reconstruction, and no edit."""
    folder = tiny.family_folder(hub.snapshot(PRESETS["gemma-2-2b"].repository), "gemma2")
    name = hub.add_sae("mntss-gemma-2-2b-2.5m-clt-as-per-layer/layer_1")
    bench = Bench.load("gemma-2-2b", [name], slots=2)
    assert "only the sum" in bench.loaded.sources[0].not_editable
    assert bench.loaded.explainer is None
    [found] = drive(bench.loaded.runner, [Driven(bench.prompt_ids(PROMPTS[1]), 2)])
    assert all(math.isnan(features[0][3]) for features in found.features)
    [sae], folded = reference.load_releases([name]), reference.boot(folder, fold_ln=True)
    promoted = bench.loaded.reader.read(0, 5, 9).promoted
    logits = sae.W_dec[5] @ folded.W_U
    assert [effect.token_id for effect in promoted] == logits.topk(9).indices.tolist()


@pytest.mark.filterwarnings(
    r"ignore:\s*This SAE has non-empty:UserWarning", "ignore:This loads the CLT layer:UserWarning"
)
def test_the_decoders_of_all_layers_count_while_they_are_read(
    hub: HubCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.family_folder(hub.snapshot(PRESETS["gemma-2-2b"].repository), "gemma2")
    names = [f"mntss-gemma-2-2b-2.5m-clt-as-per-layer/layer_{layer}" for layer in (0, 1)]
    hub.add_sae(names[0], dtype=torch.bfloat16)
    hub.add_sae(names[1])
    needed: list[memory.Need] = []
    monkeypatch.setattr(memory, "require", lambda need, model: needed.append(need))
    Bench.load("gemma-2-2b", names, slots=1)
    one = 4 * 2 * 32 * 128
    assert needed[-1].sources == 2 * one
    # Three layers' decoders, copied into float32. The second SAE is not there yet.
    assert needed[-1].reading == 4 * 3 * 32 * 128 - one
    # The float32 file of the other one is mapped.
    Bench.load("gemma-2-2b", names[1:], slots=1)
    assert needed[-1].reading == 0


@pytest.mark.parametrize(
    ("hook", "about", "message"),
    [
        (
            "blocks.1.hook_mlp_in",
            {},
            "does not say whether blocks.1.hook_mlp_in is before or after",
        ),
        ("blocks.1.hook_mlp_in", {"hf_hook_name": "model.layers.1.mlp.output"}, "before or after"),
        (HOOK, {"hook_name_out": "blocks.2.hook_mlp_out"}, "that write what their own layer"),
        (HOOK, {"hook_name_out": HOOK}, "that write what their own layer"),
        (HOOK, {"hook_name_out": ""}, "does not say its hook_name_out"),
        (HOOK, {"model_from_pretrained_kwargs": {"fold_ln": True}}, "processed by fold_ln"),
        ("blocks.1.mlp.hook_normalized", {}, "has none that Axon can read"),
    ],
)
def test_what_does_not_fit_is_refused(
    hook: str, about: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = tiny.gpt2_folder(tmp_path / "model")
    path = tiny.sae_folder(tmp_path / "sae", "transcoder", hook, **about)
    with pytest.raises(Unservable, match=message):
        Bench.load(folder, [path], slots=2)
