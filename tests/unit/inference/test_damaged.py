"""A damaged folder is refused at start, in one line that names it and says what to do."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.config import Settings
from axon_inference.errors import Unservable
from axon_inference.loading import ready
from safetensors.torch import load_file, save_file

from ... import tiny

HOOK = "blocks.1.hook_resid_pre"
ODD: list[Any] = ["x", -1, 10**30, None, True, [1], math.nan]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    tiny.gpt2_folder(root / "model")
    for architecture in ("standard", "jumprelu", "gated", "topk"):
        tiny.sae_folder(root / architecture, architecture, HOOK)
    return root


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "copy")


def load(root: Path, sae: str = "standard") -> ready.Loaded:
    settings = Settings(model=str(root / "model"), sources=(str(root / sae),), device="cpu")
    return ready.load(replace(settings, slots=2))


def refusal(root: Path, part: Path, sae: str = "standard") -> str:
    """The refusal as logged: one line that names the damaged part."""
    with pytest.raises(Unservable) as refused:
        load(root, sae)
    text = str(refused.value)
    assert len(text) < 700
    assert str(part) in text or part.name in text
    assert "\n" not in text
    return text


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": truncate,
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "text": lambda path: path.write_text("<html>404: Not Found</html>"),
    "list": lambda path: path.write_text("[]"),
    "null": lambda path: path.write_text("null"),
    "number": lambda path: path.write_text("4" * 5000),
    "deep": lambda path: path.write_text('{"a":' * 100_000),
    "object": lambda path: path.write_text("{}"),
    "folder": folder,
    "dangling link": dangle,
    "link to itself": circle,
    "pointer": lambda path: path.write_text(  # what git checks out without LFS
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    ),
}
FILES = [
    "model/config.json",
    "model/tokenizer.json",
    "model/model.safetensors",
    "standard/cfg.json",
    "standard/sae_weights.safetensors",
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named(copy: Path, name: str, damage: str) -> None:
    path = copy / name
    DAMAGES[damage](path)
    text = refusal(copy, path.parent)
    absent = damage in ("missing", "folder", "dangling link", "link to itself")
    if not (absent and path.name in ("config.json", "cfg.json")) and damage != "object":
        assert path.name in text


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name not in ("missing", "object")])
@pytest.mark.parametrize("name", ["generation_config.json", "tokenizer_config.json"])
def test_a_damaged_optional_file_is_named(copy: Path, name: str, damage: str) -> None:
    DAMAGES[damage](copy / "model" / name)
    assert name in refusal(copy, copy / "model")


def test_a_file_that_may_not_be_read_is_named(copy: Path) -> None:
    path = copy / "model" / "model.safetensors"
    if os.geteuid():
        path.chmod(0)
    else:
        path.unlink()  # root may read every file
    assert path.name in refusal(copy, copy / "model")


#: The odd values that are valid for a key of a model's configuration.
MEANINGFUL: dict[str, list[Any]] = {
    "eos_token_id": [-1, 10**30, None, [1]],
    "layer_norm_epsilon": [10**30],
}


def edited(path: Path, key: str, value: Any) -> None:
    config = json.loads(path.read_text())
    config[key] = value
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize(
    "key",
    ["model_type", "n_layer", "n_embd", "n_positions", "layer_norm_epsilon", "eos_token_id"],
)  # fmt: skip
def test_a_models_configuration_of_wrong_values(copy: Path, key: str, value: Any) -> None:
    """It is refused, except for the values in MEANINGFUL."""
    edited(copy / "model" / "config.json", key, value)
    if value in MEANINGFUL.get(key, ()):
        assert load(copy).served.context_length > 0
    else:
        refusal(copy, copy / "model")


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize(
    "key",
    ["architecture", "d_in", "d_sae", "apply_b_dec_to_input", "normalize_activations",
     "reshape_activations", "metadata", "k", "rescale_acts_by_decoder_norm"],
)  # fmt: skip
def test_an_saes_configuration_of_wrong_values(copy: Path, key: str, value: Any) -> None:
    edited(copy / "topk" / "cfg.json", key, value)
    if value is True and key in ("apply_b_dec_to_input", "rescale_acts_by_decoder_norm"):
        load(copy, "topk")
    else:
        refusal(copy, copy / "topk", "topk")


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize(
    "key", ["hook_name", "prepend_bos", "model_from_pretrained_kwargs", "sae_lens_version"]
)
def test_an_saes_metadata_of_wrong_values(copy: Path, key: str, value: Any) -> None:
    path = copy / "standard" / "cfg.json"
    config = json.loads(path.read_text())
    config["metadata"][key] = value
    path.write_text(json.dumps(config))
    empty = key == "model_from_pretrained_kwargs" and value in (None, {})
    if empty or (key == "prepend_bos" and value in (True, None)):
        load(copy)
    else:
        refusal(copy, copy / "standard")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, -1])
def test_a_models_weights_that_are_not_finite(copy: Path, value: float, place: int) -> None:
    path = copy / "model" / "model.safetensors"
    for name in list(load_file(path))[::7]:
        tensors = {key: tensor.clone() for key, tensor in load_file(path).items()}
        kept = tensors[name].clone()
        tensors[name].view(-1)[place] = value
        save_file(tensors, path, metadata={"format": "pt"})
        text = refusal(copy, path)
        assert name.removeprefix("transformer.") in text
        tensors[name] = kept
        save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("architecture", ["standard", "jumprelu", "gated", "topk"])
def test_an_saes_weights_that_are_not_finite(copy: Path, architecture: str, value: float) -> None:
    path = copy / architecture / "sae_weights.safetensors"
    whole = load_file(path)
    for name in whole:
        tensors = {key: tensor.clone() for key, tensor in whole.items()}
        tensors[name].view(-1)[3] = value
        save_file(tensors, path)
        text = refusal(copy, path, architecture)
        assert name in text
        assert path.name in text


@pytest.mark.parametrize("architecture", ["standard", "jumprelu", "gated", "topk"])
def test_an_saes_tensors_of_a_wrong_shape_or_type(copy: Path, architecture: str) -> None:
    path = copy / architecture / "sae_weights.safetensors"
    whole = load_file(path)
    for name, tensor in whole.items():
        others = {key: value for key, value in whole.items() if key != name}
        wrong = [
            others,
            {**others, name: tensor[:-1].contiguous()},
            {**others, name: tensor[None].contiguous()},
            {**others, name: tensor.to(torch.int64)},
            {**others, name: tensor.new_empty(0)},
            {**whole, "another": tensor.clone()},
        ]
        if tensor.ndim == 2:
            wrong.append({**others, name: tensor.t().contiguous()})
        for tensors in wrong:
            save_file(tensors, path)
            refusal(copy, path.parent, architecture)


def test_weights_too_large_for_the_data_type_are_refused(copy: Path) -> None:
    path = copy / "model" / "model.safetensors"
    tensors = {key: tensor.clone() for key, tensor in load_file(path).items()}
    next(iter(tensors.values())).view(-1)[0] = 1e30
    save_file(tensors, path, metadata={"format": "pt"})
    sources = (str(copy / "standard"),)
    settings = Settings(model=str(path.parent), sources=sources, device="cpu", dtype="float16")
    with pytest.raises(Unservable, match=r"not finite in float16.*AXON_DTYPE"):
        ready.load(settings)


def test_a_first_step_that_is_not_finite_is_refused(copy: Path) -> None:
    """All weights are finite, but the results are not."""
    path = copy / "model" / "model.safetensors"
    tensors = {key: tensor.clone() for key, tensor in load_file(path).items()}
    for tensor in tensors.values():
        tensor.fill_(3e38)
    save_file(tensors, path, metadata={"format": "pt"})
    assert "first step" in refusal(copy, path.parent)


def test_a_sharded_model_names_the_shard(copy: Path) -> None:
    path = copy / "model" / "model.safetensors"
    tensors = load_file(path)
    names = sorted(tensors)
    shards = {f"model-{n}-of-2.safetensors": names[n - 1 :: 2] for n in (1, 2)}
    path.unlink()
    for shard, held in shards.items():
        some = {name: tensors[name].clone() for name in held}
        if shard.startswith("model-2"):
            some[held[3]].view(-1)[0] = math.nan
        save_file(some, path.with_name(shard), metadata={"format": "pt"})
    weight_map = {name: shard for shard, held in shards.items() for name in held}
    index = path.with_name("model.safetensors.index.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    assert "model-2-of-2.safetensors" in refusal(copy, path.parent)
    path.with_name("model-1-of-2.safetensors").write_bytes(b"")
    assert "model-1-of-2.safetensors" in refusal(copy, path.parent)
    path.with_name("model-1-of-2.safetensors").unlink()
    assert "model-1-of-2.safetensors" in refusal(copy, path.parent)
    for damage in ("empty", "list", "object", "deep"):
        DAMAGES[damage](index)
        assert index.name in refusal(copy, path.parent)
