"""Checks that the network as served gives the same probabilities as transformers alone.

We change two things. One function (attention.py) runs the attention of every family, and a family
may pass it something that we do not know of. The weights are packed for this machine's CPU
(prepack.py). A mistake in either would be served unnoticed. So the results of transformers are kept
before the weights are packed, and compared with those of the runner when all is ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.model.configuration import ModelError
from axon_inference.model.device import inference
from axon_inference.model.network import ATTENTION, LanguageModel
from axon_inference.step.runner import ModelRunner

# By model_type. tests/parity checks all of these, at every position and beside any other requests.
# In half precision they are not checked here, since rounding alone can come near the tolerance.
TESTED = frozenset(
    {
        "gpt2",
        "gpt_neox",
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "gemma",
        "gemma2",
        "gemma3_text",
        "gpt_oss",
        "qwen3_5_text",
        "qwen3_5_moe_text",
    }
)
_LONG, _SHORT = 11, 4  # tokens
_CHUNK = 6


class SelfCheck:
    """Next-token log-probabilities of two sequences, by a network not packed yet."""

    def __init__(self, model: LanguageModel) -> None:
        self._half = model.dtype != torch.float32
        # Of a log-probability: rounding of all that is computed, of weights alone, or of sums.
        rounded = model.layers_dtype != model.dtype
        self._tolerance = 0.3 if self._half else 0.05 if rounded else 1e-3
        self._name = model.config.model_type
        self._sequences = [
            [(7 * n + 3 * k) % model.vocab_size for n in range(k)] for k in (_LONG, _SHORT)
        ]
        needed = not (self._half and self._name in TESTED)
        self._wanted = [_plain(model, ids) for ids in self._sequences] if needed else []

    def require(self, runner: ModelRunner) -> None:
        """Compare with the same sequences in one batch of the runner.

        Raises:
            ModelError: probabilities differ by more than rounding.
        """
        found = _packed(runner, self._sequences)
        for wanted, (logprob, chosen) in zip(self._wanted, found, strict=False):
            if not abs(logprob - wanted[chosen]) <= self._tolerance:
                raise ModelError(
                    f"{self._name} gives other probabilities in Axon's batch than in transformers "
                    "alone, so it would be served wrong. Either Axon does not know all of its "
                    "attention, or the packed weights (prepack.py) are wrong on this CPU. Please "
                    "report it with the model's name and this machine's CPU"
                )


def _packed(runner: ModelRunner, sequences: Sequence[list[int]]) -> list[tuple[float, int]]:
    """Log-probability and id of each sequence's best next token; both sequences in one batch, the
    long one in two chunks, the short one's last token beside the second."""
    long, short = sequences
    if runner.cache.slots == 1:
        alone = runner.run([_feed(0, long, 0)])
        runner.free(0)
        return [(alone.logprobs[0], alone.next_ids[0])]
    runner.run([_feed(0, long[:_CHUNK], 0, draws=False), _feed(1, short[:-1], 0, draws=False)])
    result = runner.run([_feed(1, short[-1:], _SHORT - 1), _feed(0, long[_CHUNK:], _CHUNK)])
    for slot in (0, 1):
        runner.free(slot)
    return [(result.logprobs[row], result.next_ids[row]) for row in (1, 0)]


def _feed(slot: int, ids: list[int], start: int, *, draws: bool = True) -> Feed:
    nothing = Features(sources=(), top_k=0)
    return Feed(slot, ids, start, Sampling(temperature=0), nothing, 0 if draws else None)


def _plain(model: LanguageModel, ids: list[int]) -> list[float]:
    """Log-probabilities of the token after `ids`, by the family's own attention."""
    network: Any = model.network
    network.set_attn_implementation("eager")
    try:
        with inference(model.device):
            logits = network(torch.tensor([ids], device=model.device), use_cache=False).logits
    finally:
        network.set_attn_implementation(ATTENTION)
    found: list[float] = logits[0, -1].float().log_softmax(-1).tolist()
    return found
