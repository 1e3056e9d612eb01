"""TransformerLens and SAELens used the plain way: no cache, no batch, one whole pass a token."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Reference:
    """Greedy ids [tokens], their log-probabilities, and per source the dense activations
    [tokens, width] at every position."""

    ids: list[int]
    logprobs: list[float]
    activations: list[torch.Tensor]


def boot(folder: Path, **processing: bool) -> Any:
    """The model in TransformerLens, raw or with the weight processing named."""
    from transformer_lens.model_bridge import TransformerBridge

    bridge = TransformerBridge.boot_transformers(str(folder), device="cpu")
    steps = ("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases")
    chosen = {step: processing.get(step, False) for step in steps}
    bridge.enable_compatibility_mode(refactor_factored_attn_matrices=False, **chosen)
    return bridge.eval()


def load_saes(folders: list[Path]) -> list[Any]:
    """SAEs as a notebook loads them, their decoder norms folded as Neuronpedia does."""
    from sae_lens import SAE

    return [SAE.load_from_disk(folder, fold_W_dec_norm=True).eval() for folder in folders]


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
    return [sae.encode(cache[hook][0]) for sae, hook in zip(saes, hooks, strict=True)]
