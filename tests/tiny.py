"""Small random models and SAEs, written to disk in the formats of the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = "the capital of France is Paris and a small cat sat on every warm mat under 17 stars ,.!"


def tokenizer_folder(folder: Path, vocab_size: int = 400) -> Any:
    """A byte-level BPE tokenizer, as GPT-2's, so that characters can span tokens."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    raw = ByteLevelBPETokenizer()
    special = "<|endoftext|>"
    raw.train_from_iterator([WORDS] * 4, vocab_size=vocab_size, special_tokens=[special])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw._tokenizer, bos_token=special, eos_token=special
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def family_folder(folder: Path, model_type: str) -> Path:
    """A random model of another family, 32 wide, in Hugging Face format."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = tokenizer_folder(folder)
    shared = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "initializer_range": 0.4,
    }
    if model_type != "gpt_neox":
        shared["num_key_value_heads"] = 2  # keys and values shared by pairs of heads
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **shared)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def gpt2_folder(folder: Path, *, n_layers: int = 3, d_model: int = 32, context: int = 64) -> Path:
    """A random GPT-2 in Hugging Face format."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tokenizer_folder(folder)
    config = GPT2Config(
        n_layer=n_layers,
        n_head=4,
        n_embd=d_model,
        n_positions=context,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.4,  # wide, so that greedy choices are far apart
    )
    torch.manual_seed(0)
    GPT2LMHeadModel(config).save_pretrained(folder)
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
    """A random SAE in SAELens' format, its decoder rows of different norms."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(1)

    def random(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    norms = torch.rand(d_sae, 1, generator=generator) + 0.5
    weights = {
        "W_enc": random(d_in, d_sae, scale=d_in**-0.5),
        "W_dec": torch.nn.functional.normalize(random(d_sae, d_in), dim=-1) * norms,
        "b_dec": random(d_in, scale=0.1),
    }
    if architecture == "gated":
        weights["b_gate"] = random(d_sae, scale=0.1)
        weights["r_mag"] = random(d_sae, scale=0.1)
        weights["b_mag"] = random(d_sae, scale=0.1)
    else:
        weights["b_enc"] = random(d_sae, scale=0.1)
    if architecture == "jumprelu":
        weights["threshold"] = torch.rand(d_sae, generator=generator)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "sae_weights.safetensors")
    extra = {"k": 12, "rescale_acts_by_decoder_norm": True} if architecture == "topk" else {}
    config = {
        "architecture": architecture,
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": architecture != "jumprelu",
        "normalize_activations": metadata.pop("normalize_activations", "none"),
        "reshape_activations": "none",
        **extra,
        "metadata": {
            "sae_lens_version": "6.54.12",  # without one it is read as a flat config of old
            "hook_name": hook_name,
            "prepend_bos": True,
            **metadata,
        },
    }
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder
