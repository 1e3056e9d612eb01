"""Tiny models and SAEs in a Hugging Face cache, in the formats that SAELens' loaders read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axon_inference.catalog import registry
from huggingface_hub import constants

from . import tiny

COMMIT = "0123456789abcdef0123456789abcdef01234567"


# Loaders that take an SAE's widths from the name of its release, not from its files.
_WIDTHS_BY_NAME = ("gemma_2", "gemma_2_transcoder", "qwen_scope")


class HubCache:
    """A folder with the layout of huggingface_hub's cache, with one commit of each repository.

    While `patch` lasts it is this process's cache. Other processes can use it as HF_HOME/hub.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = patch
        patch.setattr(constants, "HF_HUB_CACHE", str(folder))

    def snapshot(self, repository: str) -> Path:
        """The folder of a repository's files."""
        storage = self.folder / f"models--{repository.replace('/', '--')}"
        files = storage / "snapshots" / COMMIT
        if not files.exists():
            files.mkdir(parents=True)
            (storage / "refs").mkdir()
            (storage / "refs" / "main").write_text(COMMIT)
        return files

    def add_sae(self, name: str, *, d_in: int = 32, **about: Any) -> str:
        """Write a random SAE in the format that the loader of its release reads; returns `name`.

        Args:
            name: release/sae_id.
            d_in: the width of the vectors that the SAE reads.
            about: other settings in its files, under this loader's names, such as `hook_point`.
        """
        release, _, sae_id = name.partition("/")
        entry = registry.releases()[release]
        place = self.snapshot(entry.repository) / entry.saes[sae_id].path
        place.parent.mkdir(parents=True, exist_ok=True)
        default, write = _FORMATS[entry.loader]
        if "transcoder" in entry.saes[sae_id].path and entry.loader == "gemma_3":
            default = f"jumprelu{'_skip' * sae_id.endswith('_affine')}_transcoder"
        about.setdefault("architecture", default)
        weights = tiny.sae_weights(about["architecture"], d_in)
        write(place, weights, about)
        if entry.loader in _WIDTHS_BY_NAME:
            self._narrow(release, d_in, weights["W_enc"].shape[1])
        return name

    def _narrow(self, release: str, d_in: int, d_sae: int) -> None:
        from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

        entry = get_pretrained_saes_directory()[release]
        widths: dict[str, Any] = {"d_in": d_in, "d_sae": d_sae}
        if entry.conversion_func == "gemma_2_transcoder":
            widths["d_out"] = d_in
        if entry.conversion_func == "qwen_scope":
            widths["activation_fn_kwargs"] = {"k": 12}
        self._patch.setattr(entry, "config_overrides", widths)


def _flat(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    """SAELens' own format before version 6: a flat object that has `hook_point`."""
    from safetensors.torch import save_file

    place.mkdir(exist_ok=True)
    save_file(weights, place / "sae_weights.safetensors")
    d_in, d_sae = weights["W_enc"].shape
    config = {"d_in": d_in, "d_sae": d_sae, "dtype": "torch.float32", "device": "mps"}
    (place / "cfg.json").write_text(json.dumps({**config, "context_size": 128, **about}))


def _hook_z(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    import torch

    torch.save(weights, place)
    d_in, d_sae = weights["W_enc"].shape
    config = {"act_size": d_in, "dict_size": d_sae, "act_name": about["hook_point"]}
    place.with_name(f"{place.stem}_cfg.json").write_text(json.dumps(config))


def _gemma_scope(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    import numpy as np

    place.mkdir()
    np.savez(place / "params.npz", **{name: value.numpy() for name, value in weights.items()})


def _gemma_scope_2(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    place.mkdir()
    named = {name.lower(): weight for name, weight in weights.items()}
    if "w_skip" in named:
        named["affine_skip_connection"] = named.pop("w_skip").T.contiguous()
    save_file(named, place / "params.safetensors")
    config = {**about, "architecture": "jump_relu", "model_name": "gemma-v3-1b-pt"}
    if "transcoder" in about["architecture"]:
        [layer] = re.findall(r"layer_(\d+)", place.name)
        norms = f"model.layers.{layer}" + ".{}_feedforward_layernorm.output"
        config |= {
            "hf_hook_point_in": norms.format("pre"),
            "hf_hook_point_out": norms.format("post"),
        }
        config["affine_connection"] = "skip" in about["architecture"]
    (place / "config.json").write_text(json.dumps(config))


def _llama_scope(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    (place / "checkpoints").mkdir(parents=True)
    save_file(_linear(weights), place / "checkpoints" / "final.safetensors")
    d_in, d_sae = weights["W_enc"].shape
    config = {
        "d_model": d_in,
        "d_sae": d_sae,
        "jump_relu_threshold": 0.4,
        "dataset_average_activation_norm": {"in": 9.0},
        "hook_point_in": about["hook_point"],
    }
    (place / "hyperparams.json").write_text(json.dumps(config))


def _llama_scope_r1(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    place.mkdir()
    threshold = {"log_jumprelu_threshold": weights["threshold"].clamp_min(0.1).log()}
    save_file({**_linear(weights), **threshold}, place / "sae_weights.safetensors")
    d_in, d_sae = weights["W_enc"].shape
    config = {
        "d_model": d_in,
        "expansion_factor": d_sae // d_in,
        "hook_point_in": about["hook_point"],
    }
    (place / "config.json").write_text(json.dumps(config))


def _dictionary_learning(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    import torch

    place.mkdir()
    d_in, d_sae = weights["W_enc"].shape
    kind, names = _DICTIONARIES[about["architecture"]]
    torch.save({names[n]: _transposed(n, w) for n, w in weights.items()}, place / "ae.pt")
    trainer = {"layer": about["layer"], "dict_class": kind, "activation_dim": d_in}
    config = {
        "trainer": {**trainer, "dict_size": d_sae, "lm_name": "some/model", "k": 12},
        "buffer": {"ctx_len": 128},
    }
    (place / "config.json").write_text(json.dumps(config))


_LINEAR = {
    "W_enc": "encoder.weight",
    "W_dec": "decoder.weight",
    "b_enc": "encoder.bias",
    "b_dec": "decoder.bias",
}
_DICTIONARIES = {
    "standard": ("AutoEncoder", {**_LINEAR, "b_dec": "bias"}),
    "topk": ("AutoEncoderTopK", {**_LINEAR, "b_dec": "b_dec"}),
    "gated": (
        "GatedAutoEncoder",
        {
            "W_enc": "encoder.weight",
            "W_dec": "decoder.weight",
            "b_dec": "decoder_bias",
            "b_gate": "gate_bias",
            "b_mag": "mag_bias",
            "r_mag": "r_mag",
        },
    ),
    "jumprelu": ("BatchTopKSAE", {**_LINEAR, "b_dec": "b_dec", "threshold": "threshold"}),
}


def _qwen_scope(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    import torch

    torch.save({name: _transposed(name, w) for name, w in weights.items()}, place)


def _cross_layer(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    import torch
    from safetensors.torch import save_file

    layer = place.name
    read = {"W_enc": weights["W_enc"].T.contiguous(), "b_enc": weights["b_enc"]}
    read |= {"b_dec": weights["b_dec"]}
    named = {f"{name}_{layer}": weight for name, weight in read.items()}
    save_file(named, place.with_name(f"W_enc_{layer}.safetensors"))
    shares = torch.tensor([0.5, -0.25, 0.75])[:, None]
    decoders = (weights["W_dec"][:, None] * shares).to(about.get("dtype", torch.float32))
    written = {f"W_dec_{layer}": decoders}
    save_file(written, place.with_name(f"W_dec_{layer}.safetensors"))
    hooks = {"feature_input_hook": "hook_resid_mid", "feature_output_hook": "hook_mlp_out"}
    config = json.dumps({"model_name": "google/gemma-2-2b", **hooks})
    place.with_name("config.yaml").write_text(config)


def _qwen_3(place: Path, weights: dict[str, Any], about: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    d_in, d_sae = weights["W_enc"].shape
    save_file({**weights, "W_enc": weights["W_enc"].T.contiguous()}, place)
    sizes = {"d_model": d_in, "d_feature": d_sae, "batch_size": 128}
    settings = {name: {"value": size} for name, size in sizes.items()}
    (place.parent / about.get("config", "wandb-config.yaml")).write_text(json.dumps(settings))
    if model := about.get("model"):
        (place.parent / "config.yaml").write_text(json.dumps({"model_name": model}))


def _linear(weights: dict[str, Any]) -> dict[str, Any]:
    """The tensors under the names of torch's linear layers, whose weights are [out, in]."""
    return {_LINEAR[name]: _transposed(name, weights[name]) for name in _LINEAR if name in weights}


def _transposed(name: str, weights: Any) -> Any:
    return weights.T.contiguous() if name.startswith("W_") else weights


# By loader: the architecture of its SAEs, and the function that writes one.
_FORMATS: dict[str, tuple[str, Callable[[Path, dict[str, Any], dict[str, Any]], None]]] = {
    "sae_lens": ("standard", _flat),
    "connor_rob_hook_z": ("standard", _hook_z),
    "gemma_2": ("jumprelu", _gemma_scope),
    "gemma_2_transcoder": ("jumprelu_transcoder", _gemma_scope),
    "gemma_3": ("jumprelu", _gemma_scope_2),
    "llama_scope": ("standard", _llama_scope),
    "llama_scope_r1_distill": ("jumprelu", _llama_scope_r1),
    "dictionary_learning_1": ("topk", _dictionary_learning),
    "mntss_clt_layer_transcoder": ("transcoder", _cross_layer),
    "mwhanna_transcoder": ("transcoder", _qwen_3),
    "qwen_scope": ("topk", _qwen_scope),
}
