"""TransformerLens and SAELens used simply: no cache, no batch, one whole forward pass a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from axon_inference.engine.requests import Change, Edit, Origin


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
    hooks = [read_at(sae) for sae in saes]
    _, cache = bridge.run_with_cache(torch.tensor([ids]), names_filter=lambda n: n in hooks)
    return [sae.encode(_flat(cache[hook][0], sae)) for sae, hook in zip(saes, hooks, strict=True)]


def read_at(sae: Any) -> str:
    """Where an SAE reads. SAELens calls what the norm before an MLP puts out `hook_mlp_in`, which
    in TransformerLens comes before that norm."""
    found: str = sae.cfg.metadata.hook_name
    return found.replace("hook_mlp_in", "mlp.hook_in")


def written_at(sae: Any) -> str:
    """Where its decoder's rows belong."""
    return sae.cfg.metadata.get("hook_name_out") or read_at(sae)


def _flat(seen: torch.Tensor, sae: Any) -> torch.Tensor:
    """Concatenate the heads, as SAEs on hook_z need it. Most of them do it themselves; those of
    Gemma Scope 2 do not."""
    themselves = sae.cfg.reshape_activations == "hook_z"
    return seen if seen.ndim == 2 or themselves else seen.flatten(-2)


@dataclass(frozen=True)
class Touched:
    """What a forward pass with edits finds: logits [tokens, vocabulary]; and of each source the
    dense activations of the unedited vectors, and those that edits leave, [tokens, width]."""

    logits: torch.Tensor
    before: list[torch.Tensor]
    after: list[torch.Tensor]


@torch.no_grad()
def touched(
    bridge: Any, saes: list[Any], ids: list[int], edits: Sequence[Edit], n_prompt: int
) -> Touched:
    """One forward pass with TransformerLens' hooks, which move x by (a' - a) times the decoder's
    row, mapped back through the SAE's normalisation. The first token is a BOS."""
    before: dict[int, torch.Tensor] = {}
    after: dict[int, torch.Tensor] = {}

    def read(x: torch.Tensor, index: int) -> None:
        sae = saes[index]
        a = before[index] = sae.encode(_flat(x[0], sae))
        after[index] = changed(a, [e for e in edits if e.source == index], n_prompt)

    def act(x: torch.Tensor, hook: Any, name: str) -> torch.Tensor:
        for index, sae in enumerate(saes):
            if read_at(sae) == name:
                read(x, index)
        new = x
        for index, sae in enumerate(saes):
            if written_at(sae) != name or not any(e.source == index for e in edits):
                continue
            rows = (after[index] - before[index]) @ sae.W_dec
            back = sae.run_time_activation_norm_fn_out
            if hasattr(sae.cfg, "d_out"):  # it writes in the scale of other vectors
                back = torch.nn.Identity()
            moved, still = back(torch.stack([rows, torch.zeros_like(rows)]))
            push = (moved - still).reshape(x[0].shape)
            edited = (after[index] != before[index]).any(-1)
            new = new.clone()
            new[0, edited] += push[edited]
        return new

    names = dict.fromkeys(name for sae in saes for name in (read_at(sae), written_at(sae)))
    hooks = [(name, partial(act, name=name)) for name in names]
    logits = bridge.run_with_hooks(torch.tensor([ids]), fwd_hooks=hooks)[0].float()
    order = range(len(saes))
    return Touched(logits, [before[n] for n in order], [after[n] for n in order])


def changed(a: torch.Tensor, edits: Sequence[Edit], n_prompt: int) -> torch.Tensor:
    """Activations [tokens, width] as the edits leave them: each reads a, and all add up."""
    new = a.clone()
    for edit in edits:
        for position in range(len(a)):
            own = a[position, edit.feature]
            prompt = position < n_prompt
            if (
                (position == 0 and not edit.include_bos)
                or (edit.origin is Origin.PROMPT and not prompt)
                or (edit.origin is Origin.GENERATED and prompt)
                or position < edit.first
                or (edit.last is not None and position > edit.last)
                or not (edit.everywhere or own > 0)
            ):
                continue
            if edit.change is Change.SWAP:
                new[position, edit.feature] -= own
                new[position, edit.swap_with] += own
            elif edit.change is Change.SET:
                new[position, edit.feature] += edit.value - own
            elif edit.change is Change.SCALE:
                new[position, edit.feature] += edit.value * own - own
            else:
                new[position, edit.feature] += edit.value
    return new


@torch.no_grad()
def continued(
    bridge: Any, saes: list[Any], prompt: list[int], max_tokens: int, edits: Sequence[Edit]
) -> tuple[list[int], Touched]:
    """Continue greedily under edits, recomputing everything for every token."""
    ids = list(prompt)
    for _ in range(max_tokens):
        ids.append(int(touched(bridge, saes, ids, edits, len(prompt)).logits[-1].argmax()))
    return ids, touched(bridge, saes, ids, edits, len(prompt))
