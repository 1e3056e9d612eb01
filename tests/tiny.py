"""Small random models and SAEs, written to disk in the formats of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = "the capital of France is Paris and a small cat sat on every warm mat under 17 stars ,.!"


def tokenizer_folder(folder: Path, vocab_size: int = 400, *, bos: bool = True) -> Any:
    """A byte-level BPE tokenizer like GPT-2's; a character may span several tokens."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    raw = ByteLevelBPETokenizer()
    special = "<|endoftext|>"
    raw.train_from_iterator([WORDS] * 4, vocab_size=vocab_size, special_tokens=[special])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw._tokenizer, bos_token=special if bos else None, eos_token=special
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def sentencepiece_folder(folder: Path) -> Any:
    """A tokenizer like Llama-2's and Gemma's: words begin with their space, unknown characters are
    spelled in bytes, and decoding drops the first space of a text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    words = [f"\u2581{word}" for word in dict.fromkeys(WORDS.split())]
    letters = sorted(set("".join(words)))
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    merges = []
    for word in words:
        for end in range(2, len(word) + 1):
            if word[:end] not in pieces:
                pieces.append(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    raw = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    raw.add_special_tokens([AddedToken(piece, special=True) for piece in pieces[:3]])
    raw.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    raw.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


# The settings special to each family, with small values. Where a config allows another width of
# heads than d_model / 4, it has another.
_GROUPED = {"num_key_value_heads": 2, "intermediate_size": 64}
_GEMMA = {**_GROUPED, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8}
_RECURRENT = {
    **_GROUPED,
    "head_dim": 16,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "gpt_neox": {"intermediate_size": 64},
    "llama": _GROUPED,
    "llama3": {
        **_GROUPED,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    },
    "mistral": {**_GROUPED, "sliding_window": 8},
    "qwen2": _GROUPED,
    "qwen3": {**_GROUPED, "head_dim": 16},
    "qwen3_moe": {
        **_GROUPED,
        "head_dim": 16,
        "moe_intermediate_size": 32,
        "num_experts": 4,
        "num_experts_per_tok": 2,
    },
    "gemma": {**_GROUPED, "num_key_value_heads": 1, "head_dim": 16},
    # The caps are low enough to change the results.
    "gemma2": {**_GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 10.0},
    "gemma3": _GEMMA,
    "gemma3_text": _GEMMA,
    "gpt_oss": {
        **_GROUPED,
        "head_dim": 16,
        "sliding_window": 8,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
    "qwen3_5_text": _RECURRENT,
    "qwen3_5_moe_text": {
        **_RECURRENT,
        "moe_intermediate_size": 32,
        "shared_expert_intermediate_size": 32,
        "num_experts": 4,
        "num_experts_per_tok": 2,
    },
}
#: Those that sort rows by experts.
EXPERTS = ("qwen3_moe", "gpt_oss", "qwen3_5_moe_text")
#: Those with a state that layers carry along, and these as they come, with a vision tower.
RECURRENT = ("qwen3_5_text", "qwen3_5_moe_text")
MULTIMODAL = ("qwen3_5", "qwen3_5_moe")


def family_folder(
    folder: Path, family: str, *, n_layers: int = 3, d_model: int = 32, context: int = 64
) -> Path:
    """A random model in Hugging Face format: one of FAMILIES, or of MULTIMODAL."""
    from transformers import AutoConfig

    if family in ("llama", "mistral") or family.startswith("gemma"):
        tokenizer = sentencepiece_folder(folder)
    else:
        tokenizer = tokenizer_folder(folder, bos=not family.startswith("qwen"))
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": d_model,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 4,
        "max_position_embeddings": context,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "initializer_range": 0.4,  # large, so that the best token is clear
        **FAMILIES[f"{family}_text" if family in MULTIMODAL else family],
    }
    if family.startswith("gemma3"):
        kinds = ["sliding_attention", "full_attention", "sliding_attention"]
        settings["layer_types"] = [kinds[layer % 3] for layer in range(n_layers)]
    if family.startswith("qwen3_5"):
        kinds = ["linear_attention", "full_attention", "linear_attention"]
        settings["layer_types"] = [kinds[layer % 3] for layer in range(n_layers)]
    if family == "gemma3":  # from 4B on it has a vision tower besides the language model
        small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
        vision = {**small, "num_attention_heads": 2, "image_size": 28}
        settings = {
            "text_config": settings,
            "vision_config": vision,
            "mm_tokens_per_image": 4,
            "initializer_range": 0.4,
        }
    if family in MULTIMODAL:
        small = {"hidden_size": 32, "intermediate_size": 32, "depth": 1, "num_heads": 2}
        vision = {**small, "out_hidden_size": d_model, "num_position_embeddings": 16}
        settings = {"text_config": settings, "vision_config": vision}
    return _save(AutoConfig.for_model(model_type(family), **settings), folder)


def model_type(family: str) -> str:
    """The name in transformers of one of FAMILIES."""
    return {"llama3": "llama"}.get(family, family)


def untested_folder(folder: Path, model_type: str, **settings: Any) -> Path:
    """A random model of a family that is not in FAMILIES."""
    from transformers import AutoConfig

    tokenizer = tokenizer_folder(folder)
    common = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.4,
    }
    return _save(AutoConfig.for_model(model_type, **{**common, **settings}), folder)


def gpt2_folder(folder: Path, *, n_layers: int = 3, d_model: int = 32, context: int = 64) -> Path:
    """A random GPT-2 in Hugging Face format."""
    return family_folder(folder, "gpt2", n_layers=n_layers, d_model=d_model, context=context)


def _save(config: Any, folder: Path) -> Path:
    """A model with this configuration and random weights, including norms and biases."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    torch.manual_seed(0)
    kind = AutoModelForImageTextToText if "vision_config" in config else AutoModelForCausalLM
    model = kind.from_config(config)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim == 1:
                weights += 0.2 * torch.randn_like(weights)
    model.save_pretrained(folder)
    return folder


def sae_folder(
    folder: Path,
    architecture: str,
    hook_name: str,
    *,
    d_in: int = 32,
    d_sae: int = 128,
    **metadata: Any,
) -> Path:
    """A random SAE in SAELens' format, whose decoder rows have different norms. A transcoder
    writes what its layer's MLP puts out."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(sae_weights(architecture, d_in, d_sae), folder / "sae_weights.safetensors")
    if "transcoder" in architecture:
        metadata.setdefault("hook_name_out", ".".join([*hook_name.split(".")[:2], "hook_mlp_out"]))
    extra = {
        "topk": {"k": 12, "rescale_acts_by_decoder_norm": True},
        "matching_pursuit": {"max_iterations": 6, "residual_threshold": 0.0},
    }.get(architecture, {})
    config = {
        "architecture": architecture,
        "d_in": d_in,
        "d_out": d_in,
        "d_sae": d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": architecture != "jumprelu" and "transcoder" not in architecture,
        "normalize_activations": metadata.pop("normalize_activations", "none"),
        "reshape_activations": "none",
        **extra,
        "metadata": {
            "sae_lens_version": "6.54.12",  # without it the file counts as an old flat config
            "hook_name": hook_name,
            "prepend_bos": True,
            **metadata,
        },
    }
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def sae_weights(architecture: str, d_in: int = 32, d_sae: int = 128) -> dict[str, Any]:
    """The tensors of a random SAE by SAELens' names; its decoder rows have different norms."""
    import torch

    generator = torch.Generator().manual_seed(1)

    def random(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    norms = torch.rand(d_sae, 1, generator=generator) + 0.5
    weights = {
        "W_enc": random(d_in, d_sae, scale=d_in**-0.5),
        "W_dec": torch.nn.functional.normalize(random(d_sae, d_in), dim=-1) * norms,
        "b_dec": random(d_in, scale=0.1),
    }
    if architecture == "matching_pursuit":  # it encodes with its decoder
        del weights["W_enc"]
    elif architecture == "gated":
        weights["b_gate"] = random(d_sae, scale=0.1)
        weights["r_mag"] = random(d_sae, scale=0.1)
        weights["b_mag"] = random(d_sae, scale=0.1)
    else:
        weights["b_enc"] = random(d_sae, scale=0.1)
    if architecture.startswith("jumprelu"):
        weights["threshold"] = torch.rand(d_sae, generator=generator)
    if "skip" in architecture:
        weights["W_skip"] = random(d_in, d_in, scale=d_in**-0.5)
    return weights
