"""A look at families that no test covers: does the packed batch give what the plain model gives?

Anything that attends is run, by one attention function (attention.py). A family that hands its
attention something we do not know of would be served wrong, and nobody could see it.
"""

from __future__ import annotations

from typing import Any

import torch

from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.forward import attention
from axon_inference.forward.configuration import ModelError
from axon_inference.forward.model import LanguageModel
from axon_inference.forward.runner import ModelRunner

# By model_type; tests/parity has all of these, at every position and in any company.
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
    }
)
_LONG, _SHORT = 11, 4  # tokens
_CHUNK = 6


def require_faithful(runner: ModelRunner, model: LanguageModel) -> None:
    """Compare two sequences in a packed batch with the same ones run by transformers alone.

    Raises:
        ModelError: next tokens' probabilities differ by more than rounding.
    """
    if model.config.model_type in TESTED:
        return
    for ids, logprob, chosen in _packed(runner, model.vocab_size):
        want = _plain(model, ids)[chosen]
        tolerance = 1e-3 if model.dtype == torch.float32 else 0.3
        if not abs(logprob - want) <= tolerance:
            raise ModelError(
                f"{model.config.model_type} gives other probabilities in Axon's batch than by "
                "itself, so Axon does not know all of its attention and would serve it wrong"
            )


def _packed(runner: ModelRunner, vocabulary: int) -> list[tuple[list[int], float, int]]:
    """Per sequence its ids, and the log-probability and id of the best next token; both in one
    batch, the long one in two chunks, the short one's last token beside the second."""
    long, short = [[(7 * n + 3 * k) % vocabulary for n in range(k)] for k in (_LONG, _SHORT)]
    if runner.cache.slots == 1:
        alone = runner.run([_feed(0, long, 0)])
        runner.free(0)
        return [(long, alone.logprobs[0], alone.next_ids[0])]
    runner.run([_feed(0, long[:_CHUNK], 0, draws=False), _feed(1, short[:-1], 0, draws=False)])
    result = runner.run([_feed(1, short[-1:], _SHORT - 1), _feed(0, long[_CHUNK:], _CHUNK)])
    for slot in (0, 1):
        runner.free(slot)
    pairs = zip((short, long), result.logprobs, result.next_ids, strict=True)
    return [(ids, logprob, chosen) for ids, logprob, chosen in pairs]


def _feed(slot: int, ids: list[int], start: int, *, draws: bool = True) -> Feed:
    nothing = Features(sources=(), top_k=0)
    return Feed(slot, ids, start, Sampling(temperature=0), nothing, 0 if draws else None)


@torch.inference_mode()
def _plain(model: LanguageModel, ids: list[int]) -> list[float]:
    """Log-probabilities of the token after `ids`, by the family's own attention."""
    network: Any = model.network
    network.set_attn_implementation("eager")
    try:
        logits = network(torch.tensor([ids], device=model.device), use_cache=False).logits
    finally:
        network.set_attn_implementation(attention.NAME)
    found: list[float] = logits[0, -1].float().log_softmax(-1).tolist()
    return found
