"""Models and sources that cannot be served are refused at start, with what to change."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from axon.v1 import inference_pb2 as pb
from axon_inference.config import Settings
from axon_inference.engine.text import decoder
from axon_inference.loading import container, memory, ready
from axon_inference.model.configuration import ModelError
from axon_inference.model.network import LanguageModel, outline
from axon_inference.model.sources import Size, SourceError
from axon_inference.serving.fields import InvalidRequest
from axon_inference.serving.validation import resolve

from ... import tiny
from ...fake_hub import FakeHub
from ...parity import reference


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.gpt2_folder(tmp_path_factory.mktemp("model"))


def load(model: Path, *sources: Path) -> ready.Loaded:
    return ready.load(Settings(model=str(model), sources=tuple(map(str, sources)), device="cpu"))


def test_an_sae_of_another_width_is_refused(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre", d_in=48)
    with pytest.raises(SourceError, match=r"48.*32"):
        load(model, sae)


@pytest.mark.parametrize(
    "hook",
    ["blocks.7.hook_resid_pre", "blocks.1.hook_nonsense", "hook_pos_embed", "blocks.1.attn.hook_q"],
)
def test_a_hook_point_the_model_lacks_is_refused(model: Path, tmp_path: Path, hook: str) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", hook)
    with pytest.raises(ModelError, match=hook):
        load(model, sae)


@pytest.mark.parametrize(
    ("hook", "processing"),
    [
        ("blocks.1.hook_resid_pre", {"fold_ln": True, "checkpoint_index": 3}),
        ("blocks.1.attn.hook_z", {"refactor_factored_attn_matrices": True}),
    ],
)
def test_unsupported_model_processing_is_refused(
    model: Path, tmp_path: Path, hook: str, processing: dict[str, Any]
) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", hook, model_from_pretrained_kwargs=processing)
    with pytest.raises(SourceError, match=f"processed by {list(processing)[-1]}, which"):
        load(model, sae)


def test_activations_scaled_by_an_unknown_factor_are_refused(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(
        tmp_path,
        "standard",
        "blocks.1.hook_resid_pre",
        normalize_activations="expected_average_only_in",
    )
    with pytest.raises(SourceError, match="fold_activation_norm_scaling_factor"):
        load(model, sae)


def test_an_architecture_that_axon_does_not_know_is_refused(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_mlp_out")
    config = json.loads((sae / "cfg.json").read_text())
    (sae / "cfg.json").write_text(json.dumps({**config, "architecture": "temporal"}))
    with pytest.raises(SourceError, match="is a temporal; Axon shows SAEs"):
        load(model, sae)


@pytest.mark.parametrize(
    ("hook", "about", "why"),
    [
        ("blocks.1.hook_resid_pre", {}, ""),
        ("blocks.1.hook_mlp_out", {"hook_name_out": "blocks.1.hook_mlp_out"}, ""),
        ("blocks.1.attn.hook_z", {}, ""),
        (
            "blocks.1.hook_resid_pre",
            {"hook_name_out": "blocks.1.hook_mlp_out"},
            "reads blocks.1.hook_resid_pre and writes blocks.1.hook_mlp_out",
        ),
        ("blocks.1.hook_resid_mid", {}, "cannot be changed at blocks.1.hook_resid_mid"),
    ],
)
def test_a_source_says_why_its_features_cannot_be_edited(
    model: Path, tmp_path: Path, hook: str, about: dict[str, str], why: str
) -> None:
    [source] = load(model, tiny.sae_folder(tmp_path, "standard", hook, **about)).sources
    assert why in source.not_editable
    assert bool(source.not_editable) is bool(why)


def test_sources_with_the_same_name_are_refused(model: Path, tmp_path: Path) -> None:
    hook = "blocks.1.hook_resid_pre"
    twins = [tiny.sae_folder(tmp_path / parent / "mine", "standard", hook) for parent in "ab"]
    with pytest.raises(SourceError, match=r"would be called model\w*/1-mine: .*=MODEL/SOURCE"):
        load(model, *twins)
    names = (f"{twins[0]}=m/1-a", f"{twins[1]}=m/1-b")
    loaded = ready.load(Settings(model=str(model), sources=names, device="cpu"))
    assert loaded.served.sources == ("m/1-a", "m/1-b")
    assert [s.neuronpedia_url[-5:] for s in loaded.sources] == ["m/1-a", "m/1-b"]


def test_weights_of_another_model_are_refused(model: Path, tmp_path: Path) -> None:
    """transformers by itself would fill missing weights with random numbers."""
    shutil.copytree(model, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps({**config, "n_layer": 4}))
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    with pytest.raises(ModelError, match=r"lacks 12 weights of a GPT2LMHeadModel, such as"):
        load(tmp_path / "model", sae)


def test_the_saes_have_a_number_format_of_their_own(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre", d_sae=8192)
    needed: list[memory.Need] = []
    monkeypatch.setattr(memory, "require", lambda need, model: needed.append(need))
    settings = Settings(model=str(model), sources=(str(sae),), device="cpu")
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        loaded = ready.load(replace(settings, sae_dtype=name))
        [source] = loaded.runner.tap.sources
        assert source.sae.W_dec.dtype == source.sae.dtype == dtype
        assert loaded.info.dtype == "float32"
    assert needed[0].sources == 2 * needed[1].sources
    monkeypatch.undo()
    monkeypatch.setattr(memory, "_available", lambda device: 10**6)
    with pytest.raises(memory.MemoryTooSmall, match="AXON_SAE_DTYPE=bfloat16"):
        ready.load(settings)


@pytest.mark.parametrize("version", [0, 1])
def test_a_model_that_does_not_fit_into_memory_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    limit = tmp_path / "memory.max"
    limit.write_text("3040000\n")
    limits = [tmp_path / "none", tmp_path / "none"]
    limits[version] = limit
    monkeypatch.setattr(container, "_LIMITS", limits)
    monkeypatch.setattr(memory, "_own", lambda: 2_000_000)
    with pytest.raises(memory.MemoryTooSmall) as refused:
        load(model, sae)
    for part in ("weights", "sources 33 kB", "keys and values 786 kB", "AXON_DTYPE=bfloat16"):
        assert part in str(refused.value)
    limit.write_text("max\n")
    load(model, sae)


def test_the_memory_of_a_step_is_counted(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wide source's activations for a prompt take far more memory than its weights."""
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre", d_sae=20_000)
    settings = Settings(model=str(model), sources=(str(sae),), device="cpu", prefill_tokens=100)
    monkeypatch.setattr(memory, "_available", lambda _: 50_000_000)
    with pytest.raises(memory.MemoryTooSmall, match=r"a step 160 MB.*AXON_PREFILL_TOKENS \(a"):
        ready.load(settings)
    ready.load(replace(settings, prefill_tokens=10))
    wide = memory.need(model_of(model), 16, [Size(weights=0, width=1 << 20)], tokens=2048)
    assert wide.step == 5 * 256 * 2**20
    head = memory.need(model_of(model), 16, [Size(weights=0, width=8)], tokens=1)
    assert head.step == 10 * 4 * 16 * model_of(model).vocab_size


def test_what_is_needed_only_while_a_source_is_read_is_counted(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [Size(weights=10, width=8, reading=10**9), Size(weights=20, width=8, reading=10**8)]
    empty = model_of(model)
    needed = memory.need(empty, 1, sizes, tokens=1)
    # The second source's weights are not there yet.
    assert needed.reading == 10**9 - 20
    assert needed.total == needed.weights + 10 + 10**9
    monkeypatch.setattr(memory, "_available", lambda _: needed.total - 1)
    with pytest.raises(memory.MemoryTooSmall, match=r"decoders of all layers 1\.0 GB"):
        memory.require(needed, empty)


def model_of(folder: Path) -> LanguageModel:
    return outline("m", str(folder), device="cpu", dtype="float32")


def test_memory_that_the_libraries_use_is_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{200 << 20}\n")  # torch alone uses more
    monkeypatch.setattr(container, "_LIMITS", (limit,))
    assert memory._available(torch.device("cpu")) == 0
    limit.write_text(f"{8 << 30}\n")
    left = memory._available(torch.device("cpu"))
    assert 0 < left < (8 << 30) - (100 << 20)


@pytest.mark.parametrize("files", [("memory.max",), ("missing", "memory.max")])
def test_a_container_too_small_for_any_model_is_refused_before_torch_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...]
) -> None:
    monkeypatch.setattr(container, "_LIMITS", tuple(tmp_path / name for name in files))
    (tmp_path / "memory.max").write_text("300000000\n")
    with pytest.raises(container.MemoryTooSmall, match="may use 300 MB of memory"):
        container.require_libraries()
    (tmp_path / "memory.max").write_text("max\n")
    container.require_libraries()


def test_the_memory_counted_is_the_memory_allocated(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    loaded = load(model, sae)
    needed = memory.need(loaded.runner.model, loaded.runner.cache.slots)
    spare = loaded.runner.cache.nbytes * 1 // (loaded.runner.model.context_length + 1)
    assert needed.cache == loaded.runner.cache.nbytes - spare


def test_the_cache_stays_within_axon_cache_mb(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    told: list[str] = []
    settings = Settings(model=str(model), sources=(str(sae),), device="cpu")
    one = memory.need(load(model, sae).runner.model, slots=1).cache  # 49 kB
    assert one < 50_000
    small = replace(settings, slots=64, cache_mb=1)
    loaded = ready.load(small, report=told.append)
    assert loaded.slots == loaded.runner.cache.slots == 1_000_000 // one
    assert "only 20 slots fit into AXON_CACHE_MB=1" in told
    assert ready.load(replace(small, slots=3)).slots == 3
    long = tiny.gpt2_folder(tmp_path / "long", context=2048)
    with pytest.raises(memory.MemoryTooSmall, match=r"take 2 MB, more than AXON_CACHE_MB allows"):
        ready.load(replace(small, model=str(long)))


def test_a_model_too_large_is_refused_before_its_weights_are_downloaded(
    model: Path, tmp_path: Path, fake_hub: FakeHub
) -> None:
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    config = {**json.loads(files["config.json"]), "n_embd": 1 << 16, "n_layer": 96}
    files["config.json"] = json.dumps(config).encode()
    fake_hub.repositories["some/giant"] = files
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    with pytest.raises(memory.MemoryTooSmall, match=r"giant needs about \d+\.\d GB"):
        ready.load(Settings(model="some/giant", sources=(str(sae),), device="cpu"))
    assert fake_hub.ranges("config.json") == [""]
    assert fake_hub.ranges("model.safetensors") == []


def test_sources_that_disagree_on_bos_are_refused(model: Path, tmp_path: Path) -> None:
    hook = "blocks.1.hook_resid_pre"
    with_bos = tiny.sae_folder(tmp_path / "a", "standard", hook)
    without = tiny.sae_folder(tmp_path / "b", "standard", hook, prepend_bos=False)
    with pytest.raises(SourceError, match="BOS"):
        load(model, with_bos, without)


def with_added_token(model: Path, folder: Path, **named: str) -> Path:
    """A copy of the model whose tokenizer has one token more than the model, as Gemma 3's has."""
    from transformers import AutoTokenizer

    shutil.copytree(model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens(named or {"extra_special_tokens": ["<image_soft_token>"]})
    tokenizer.save_pretrained(folder)
    return folder


def test_a_token_that_the_model_does_not_know_is_refused_in_a_prompt(
    model: Path, tmp_path: Path
) -> None:
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    loaded = load(with_added_token(model, tmp_path / "model"), sae)
    known = loaded.served.vocab_size
    assert loaded.served.encode("a<image_soft_token>b")[1] >= known
    for text in ("<image_soft_token>", "a cat <image_soft_token>" * 2):
        with pytest.raises(InvalidRequest) as refused:
            resolve(pb.GenerateRequest(prompt=text), loaded.served, pb.GetModelResponse())
        [violation] = refused.value.violations
        assert (violation.field, violation.reason) == ("prompt", "UNKNOWN_TOKEN")
        assert "'<image_soft_token>'" in violation.description
    assert (
        max(
            resolve(
                pb.GenerateRequest(prompt="a cat"), loaded.served, pb.GetModelResponse()
            ).prompt_ids
        )
        < known
    )


def test_a_tokenizer_that_cannot_read_a_prompt_refuses_it(model: Path, tmp_path: Path) -> None:
    """Some tokenizers without an <unk> raise an error; others leave out unknown characters."""
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")

    def fail(text: str) -> list[int]:
        raise Exception("WordLevel error: Missing [UNK] token from the vocabulary")

    served = replace(load(model, sae).served, encode=fail)
    with pytest.raises(InvalidRequest, match=r"prompt: .*Missing \[UNK\]"):
        resolve(pb.GenerateRequest(prompt="a"), served, pb.GetModelResponse())


def test_a_bos_that_the_model_does_not_know_is_refused(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    with pytest.raises(ModelError, match=r"BOS token of model's tokenizer is \d+, but"):
        load(with_added_token(model, tmp_path / "model", bos_token="<new>"), sae)


def test_a_vocabulary_larger_than_the_tokenizers_is_served(model: Path, tmp_path: Path) -> None:
    """Models pad their vocabulary. A padding token may be drawn, though it has no text."""
    from transformers import AutoModelForCausalLM

    shutil.copytree(model, tmp_path / "model")
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    network.resize_token_embeddings(network.config.vocab_size + 64)
    network.save_pretrained(tmp_path / "model")
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    loaded = load(tmp_path / "model", sae)
    assert loaded.served.vocab_size == network.config.vocab_size
    drawn = loaded.served.vocab_size - 1
    assert decoder(loaded.tokenizer)([drawn]) == ""
    assert decoder(loaded.tokenizer)([5, drawn, 6]) == decoder(loaded.tokenizer)([5, 6])


def test_special_tokens_in_a_prompt_are_read_as_by_transformerlens(
    model: Path, tmp_path: Path
) -> None:
    """People compare Axon's results with those of TransformerLens and Hugging Face."""
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    loaded = load(model, sae)
    bridge = reference.boot(model)
    end = "<|endoftext|>"
    for text in (end, f"a cat{end} sat", f" {end}{end}a", "<|end"):
        ids = list(
            resolve(
                pb.GenerateRequest(prompt=text), loaded.served, pb.GetModelResponse()
            ).prompt_ids
        )
        assert ids == bridge.to_tokens(text, prepend_bos=True)[0].tolist()
        assert ids.count(loaded.served.bos_id) == 1 + text.count(end)


def test_a_source_trained_without_bos_prepends_none(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre", prepend_bos=False)
    assert load(model, sae).served.bos_id is None


def test_layers_that_are_not_attention_are_refused(tmp_path: Path) -> None:
    from transformers import Qwen3NextConfig

    Qwen3NextConfig(num_hidden_layers=4).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="linear_attention"):
        outline("m", str(tmp_path), device="cpu", dtype="float32")


def test_a_source_whose_hook_point_gives_nothing_is_refused(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre")
    runner = load(model, sae).runner
    runner.tap.close()  # as if the name meant a module that the forward pass does not call
    runner.tap._seen.clear()
    with pytest.raises(SourceError, match=r"blocks\.1\.hook_resid_pre gave nothing"):
        runner.tap.check(tokens=2)


def test_each_stage_of_loading_is_reported(model: Path, tmp_path: Path, fake_hub: FakeHub) -> None:
    fake_hub.repositories["some/model"] = {p.name: p.read_bytes() for p in model.iterdir()}
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    lines: list[str] = []
    settings = Settings(model="some/model", sources=(str(sae),), device="cpu")
    ready.load(settings, report=lines.append)
    begins = [" ".join(line.split()[:2]) for line in lines]
    assert begins[0] == "downloading some/model:"
    assert begins[-2:] == ["loading model", "loading source"]


def test_attention_that_cannot_be_replaced_is_refused(tmp_path: Path) -> None:
    from transformers import GPTJConfig

    tiny.tokenizer_folder(tmp_path)
    GPTJConfig(n_layer=1, n_embd=32, n_head=4, rotary_dim=8).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="gptj brings its own attention"):
        outline("m", str(tmp_path), device="cpu", dtype="float32")


def test_positions_that_depend_on_the_longest_request_are_refused(tmp_path: Path) -> None:
    rope = {
        "rope_type": "dynamic",
        "factor": 2.0,
        "rope_theta": 10000.0,
        "original_max_position_embeddings": 32,
    }
    folder = tiny.untested_folder(tmp_path, "llama", rope_parameters=rope)
    with pytest.raises(ModelError, match=r"passes 32 tokens: set AXON_CONTEXT_LENGTH"):
        outline("m", str(folder), device="cpu", dtype="float32")
    outline("m", str(folder), device="cpu", dtype="float32", context_length=32)
