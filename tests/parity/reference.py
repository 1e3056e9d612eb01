"""TransformerLens and SAELens used simply: no cache, no batch, one whole forward pass a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Reference:
    """Greedy ids [tokens], their log-probabilities, and for each source the dense activations
    [tokens, width] at every position."""

    ids: list[int]
    logprobs: list[float]
    activations: list[torch.Tensor]


def boot(folder: Path, **processing: bool) -> Any:
    """The model in TransformerLens, with the given weight processing or with none."""
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoConfig

    # For a multimodal model TransformerLens runs `pip install torchvision`, which replaces torch.
    assert not hasattr(AutoConfig.from_pretrained(folder), "vision_config"), "boot its text part"
    bridge = TransformerBridge.boot_transformers(str(folder), device="cpu")
    steps = ("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases")
    chosen = {step: processing.get(step, False) for step in steps}
    bridge.enable_compatibility_mode(refactor_factored_attn_matrices=False, **chosen)
    return bridge.eval()


def load_saes(folders: Sequence[Path]) -> list[Any]:
    """SAEs of local folders, loaded as in a notebook and folded as Neuronpedia does."""
    from sae_lens import SAE

    return [fold(SAE.load_from_disk(folder)) for folder in folders]


def load_releases(names: Sequence[str]) -> list[Any]:
    """SAEs of SAELens' registry, named `release/sae_id`, loaded and folded in the same way."""
    from sae_lens import SAE

    parts = [name.partition("/") for name in names]
    return [fold(SAE.from_pretrained(release, sae_id)) for release, _, sae_id in parts]


def fold(sae: Any) -> Any:
    """Fold the decoder norm where SAELens can."""
    try:
        sae.fold_W_dec_norm()
    except NotImplementedError:  # these select features by their unscaled values
        assert sae.cfg.architecture() in ("topk", "matching_pursuit")
    return sae.eval()


@torch.no_grad()
def generate(bridge: Any, saes: list[Any], prompt_ids: list[int], max_tokens: int) -> Reference:
    """Continue greedily, recomputing everything for every token."""
    ids, logprobs = list(prompt_ids), []
    for _ in range(max_tokens):
        logits = bridge(torch.tensor([ids]))[0, -1].float()
        best = int(logits.argmax())
        logprobs.append(float(logits.log_softmax(-1)[best]))
        ids.append(best)
    return Reference(ids, logprobs, activations(bridge, saes, ids))


@torch.no_grad()
def activations(bridge: Any, saes: list[Any], ids: list[int]) -> list[torch.Tensor]:
    """Dense feature activations [tokens, width] of each SAE."""
    hooks = [sae.cfg.metadata.hook_name for sae in saes]
    _, cache = bridge.run_with_cache(torch.tensor([ids]), names_filter=lambda n: n in hooks)
    return [sae.encode(_flat(cache[hook][0], sae)) for sae, hook in zip(saes, hooks, strict=True)]


def _flat(seen: torch.Tensor, sae: Any) -> torch.Tensor:
    """Concatenate the heads, as SAEs on hook_z need it. Most of them do it themselves; those of
    Gemma Scope 2 do not."""
    themselves = sae.cfg.reshape_activations == "hook_z"
    return seen if seen.ndim == 2 or themselves else seen.flatten(-2)
