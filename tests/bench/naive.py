"""The reference: HookedTransformer and SAELens used as in a notebook, without a cache."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .ours import FEATURES
from .stats import integral
from .subject import HOOK, Subject


@dataclass(frozen=True)
class Reference:
    """All ids, and the strongest features [tokens, FEATURES] at every position."""

    ids: list[int]
    feature_ids: Tensor
    activations: Tensor


class Naive:
    """Recomputes the whole sequence for every token and encodes the last position."""

    def __init__(self, subject: Subject, device: str) -> None:
        from sae_lens import SAE
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._device = device
        network = AutoModelForCausalLM.from_pretrained(subject.model)
        tokenizer = AutoTokenizer.from_pretrained(subject.model)
        self._model = _hooked(network, tokenizer, device)
        self._sae: Any = SAE.load_from_disk(subject.sae, device=device).eval()
        self._sae.fold_W_dec_norm()

    def rate(self, ids: Sequence[int], new: int) -> float:
        """Tokens a second."""
        began = time.perf_counter()
        self._continue(ids, new)
        return new / (time.perf_counter() - began)

    def rate_by_lengths(self, prompt: int, new: int, every: int) -> float:
        """Tokens a second of a long continuation, integrated over the times of single steps.

        One step is timed at every `every`-th length. The whole continuation would take minutes, and
        the time of a step depends only on the length.
        """
        last = prompt + new - 1
        lengths = sorted({*range(prompt, last, every), last})
        points = {length: self._step_seconds(length) for length in lengths}
        return new / integral(points, prompt, last)

    @torch.inference_mode()
    def reference(self, ids: Sequence[int], new: int) -> Reference:
        """The generated ids, and the features at all positions."""
        whole = self._continue(ids, new)
        _, cache = self._run(whole)
        best = self._sae.encode(cache[HOOK][0]).topk(FEATURES, -1)
        return Reference(whole, best.indices.cpu(), best.values.cpu())

    @torch.inference_mode()
    def active(self, ids: Sequence[int]) -> Tensor:
        """The number of active features at each position except BOS."""
        _, cache = self._run(list(ids))
        found: Tensor = (self._sae.encode(cache[HOOK][0]) > 0).sum(-1)[1:]
        return found.cpu()

    @torch.inference_mode()
    def _continue(self, ids: Sequence[int], new: int) -> list[int]:
        whole = list(ids)
        for _ in range(new):
            whole.append(self._next(whole))
        return whole

    def _next(self, ids: list[int]) -> int:
        logits, cache = self._run(ids)
        best = self._sae.encode(cache[HOOK][0, -1:]).topk(FEATURES, -1)
        # A demo would send these lists.
        best.indices.tolist(), best.values.tolist()
        return int(logits[0, -1].argmax())

    def _run(self, ids: list[int]) -> Any:
        return self._model.run_with_cache(
            torch.tensor([ids], device=self._device), names_filter=HOOK
        )

    @torch.inference_mode()
    def _step_seconds(self, length: int) -> float:
        ids = [index % 1000 for index in range(length)]
        began = time.perf_counter()
        self._next(ids)
        return time.perf_counter() - began


def _hooked(network: Any, tokenizer: Any, device: str) -> Any:
    from transformer_lens import HookedTransformer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but widely used
        model = HookedTransformer.from_pretrained_no_processing(
            "gpt2", hf_model=network, tokenizer=tokenizer, device=device
        )
    return model.eval()
