"""transformers' own batching, without an SAE: continuous batching, and one padded batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from .subject import Subject

_PAGE = 64


class HuggingFace:
    """Generation by transformers, with the settings that are fastest here."""

    def __init__(self, subject: Subject, device: str, longest: int, streams: int) -> None:
        from transformers import AutoModelForCausalLM
        from transformers.generation.configuration_utils import ContinuousBatchingConfig

        self._device = device
        network: Any = AutoModelForCausalLM.from_pretrained(subject.model)
        self._network = network.to(device).eval()
        self._batching = ContinuousBatchingConfig(
            page_size=_PAGE,
            # By default it would allocate and zero nine tenths of the machine's free memory.
            num_blocks=2 * streams * -(-longest // _PAGE),
            max_batch_tokens=256,
            auto_switch_to_flash=False,
            use_cuda_graph=None if device == "cuda" else False,
        )
        self.ids: list[list[int]] = []

    def continuous(self, prompts: Sequence[Sequence[int]], new: int) -> float:
        """Tokens/s of `generate_batch`; its one-time set-up is not counted."""
        began = time.perf_counter()
        found = self._network.generate_batch(
            [list(ids) for ids in prompts],
            generation_config=self._greedy(new),
            continuous_batching_config=self._batching,
            persistent_manager=True,
            warmup=False,
        )
        seconds = time.perf_counter() - began
        made = {tuple(one.prompt_ids): one.generated_tokens for one in found.values()}
        self.ids = [made[tuple(ids)] for ids in prompts]
        return sum(len(ids) for ids in self.ids) / seconds

    def padded(self, prompts: Sequence[Sequence[int]], new: int) -> float:
        """Tokens/s of `generate`; all prompts have the same length, so there is no padding."""
        ids = torch.tensor([list(prompt) for prompt in prompts], device=self._device)
        began = time.perf_counter()
        found = self._network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=self._greedy(new),
            cache_implementation="static",
        )
        self.ids = found[:, ids.shape[1] :].tolist()
        return len(prompts) * new / (time.perf_counter() - began)

    def close(self) -> None:
        """End the thread of the continuous batching."""
        self._network.destroy_cached_continuous_batching_manager()

    @staticmethod
    def _greedy(new: int) -> Any:
        from transformers import GenerationConfig

        return GenerationConfig(
            max_new_tokens=new, min_new_tokens=new, do_sample=False, pad_token_id=0, eos_token_id=-1
        )
