"""Choosing the next token for all rows at once, every row with its own knobs and its own seed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

# Above this many candidates a full sort costs less than torch.topk.
_TOPK_LIMIT = 1024
# Nearly every nucleus has fewer tokens; where one has more, all are sorted.
_NUCLEUS = 1024
# Tokens summed together when one is drawn.
_BLOCK = 256


@dataclass(frozen=True)
class Knobs:
    """The knobs of n rows, tensors of shape [n]; `draw` counts the tokens a row has drawn."""

    temperature: Tensor  # float32
    top_k: Tensor  # int64
    top_p: Tensor  # float32
    repetition_penalty: Tensor  # float32
    seed: Tensor  # int64, the seed's 64 bits
    draw: Tensor  # int64

    # Known on the host, so that a step without a knob skips its work and waits for nothing.
    any_sampled: bool
    any_penalty: bool
    any_top_p: bool
    largest_top_k: int


def sample(logits: Tensor, seen: Tensor, knobs: Knobs) -> tuple[Tensor, Tensor]:
    """Choose one token a row.

    Args:
        logits: [n, vocabulary].
        seen: [n, vocabulary] bool, tokens already in prompt or continuation.
        knobs: each row's.

    Returns:
        Token ids [n], and their natural log-probabilities [n] under the model's own
        distribution: temperature 1, no penalty, no truncation. A row whose logits are not all
        finite gets some id of the vocabulary and NaN; the other rows are as they would be
        without it.
    """
    logits = logits.float()
    scores = penalize(logits, seen, knobs.repetition_penalty) if knobs.any_penalty else logits
    chosen = scores.argmax(-1)
    # Either is NaN if anything in the row is.
    lowest, highest = scores.amin(-1), scores.gather(-1, chosen[:, None]).squeeze(-1)
    finite = lowest.isfinite() & highest.isfinite()
    if knobs.any_sampled:
        greedy = knobs.temperature == 0
        # The largest becomes 0, so no temperature makes anything overflow upwards.
        scaled = scores - highest[:, None]
        scaled /= torch.where(greedy, 1.0, knobs.temperature)[:, None]
        drawn = draw(truncate(scaled, knobs), uniform(knobs.seed, knobs.draw))
        chosen = torch.where(greedy, chosen, drawn)
    own = logits.log_softmax(-1).gather(-1, chosen[:, None]).squeeze(-1)
    return chosen, own.masked_fill(~finite, torch.nan)


def penalize(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Divide positive and multiply negative logits of seen tokens (Keskar et al. 2019, CTRL)."""
    penalty = penalty[:, None]
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def truncate(scores: Tensor, knobs: Knobs) -> Tensor:
    """Set to -inf what top-k, then top-p, exclude.

    Both keep by value, not by rank, so that tokens tied with the last one kept stay too and the
    outcome cannot depend on how a sort breaks ties, which differs from batch to batch.
    """
    if knobs.largest_top_k == 0 and not knobs.any_top_p:
        return scores
    ordered = _likeliest(scores, knobs)
    kth = (knobs.top_k.clamp(1, ordered.shape[-1]) - 1)[:, None]
    floor = torch.where(knobs.top_k[:, None] > 0, ordered.gather(-1, kth), -torch.inf)
    if knobs.any_top_p:
        floor = _nucleus_floor(scores, ordered, floor, knobs)
    return scores.masked_fill(scores < floor, -torch.inf)


def _likeliest(scores: Tensor, knobs: Knobs) -> Tensor:
    """As many scores of each row, falling, as top-k and top-p can want: [n, some]."""
    n = min(max(knobs.largest_top_k, _NUCLEUS if knobs.any_top_p else 0), scores.shape[-1])
    # To look whether a nucleus is inside would be to wait for a GPU, which sorts fast.
    if n <= _TOPK_LIMIT and (scores.device.type == "cpu" or not knobs.any_top_p):
        ordered = scores.topk(n, -1).values
        if not knobs.any_top_p or _holds_nucleus(scores, ordered, knobs):
            return ordered
    return scores.sort(-1, descending=True).values


def _holds_nucleus(scores: Tensor, ordered: Tensor, knobs: Knobs) -> bool:
    """Whether every row's nucleus lies within its likeliest tokens [n, some]."""
    mass = (ordered.logsumexp(-1) - scores.logsumexp(-1)).exp()
    # Not by a hair: the sums that are compared later round otherwise.
    inside = (mass > knobs.top_p + 1e-4) | (knobs.top_p >= 1) | (knobs.top_k > 0)
    return bool(inside.all())


def _nucleus_floor(scores: Tensor, ordered: Tensor, floor: Tensor, knobs: Knobs) -> Tensor:
    """The lowest score among the fewest likeliest whose probabilities, in what top-k leaves,
    reach top_p; [n, 1]. `floor` is top-k's."""
    top_k, top_p = knobs.top_k[:, None], knobs.top_p[:, None]
    likeliest = ordered.masked_fill(ordered < floor, -torch.inf)
    of_all = likeliest.logsumexp(-1, keepdim=True)
    if ordered.shape[-1] < scores.shape[-1]:
        of_all = torch.where(top_k > 0, of_all, scores.logsumexp(-1, keepdim=True))
    probabilities = (likeliest - of_all).exp()
    before = probabilities.cumsum(-1) - probabilities
    lowest = ordered.masked_fill(before >= top_p, torch.inf).amin(-1, keepdim=True)
    # At 1 nothing is cut, whatever the rounding of the sum.
    return torch.where(top_p < 1, torch.maximum(floor, lowest), floor)


def draw(scores: Tensor, u: Tensor) -> Tensor:
    """Invert the distribution function of softmax(scores), in vocabulary order, at u [n].

    Blocks of the vocabulary first, then within one block: summing is several times as fast as
    the running sum of all, and exact sums are needed of two short rows only.

    What is drawn is an index of the vocabulary whatever the scores are, also where they are NaN:
    on a GPU an index beyond it would end the process.
    """
    rows, vocabulary = scores.shape
    blocks = pad(scores.softmax(-1), (0, -vocabulary % _BLOCK)).view(rows, -1, _BLOCK)
    upper = blocks.sum(-1).cumsum(-1, dtype=torch.float64)
    target = u[:, None] * upper[:, -1:]
    block = torch.searchsorted(upper, target, right=True).clamp_max_(upper.shape[-1] - 1)
    inside = blocks[torch.arange(rows, device=scores.device), block.squeeze(-1)]
    cumulative = inside.cumsum(-1, dtype=torch.float64)
    below = pad(upper, (1, 0)).gather(-1, block)
    # Rounding of a block's sum must not lead out of the block.
    rest = torch.minimum((target - below).clamp_min(0), cumulative[:, -1:] * (1 - 2.0**-50))
    # right=True: strictly above the target, so a token of probability 0 is never hit.
    within = torch.searchsorted(cumulative, rest, right=True)
    return (block * _BLOCK + within).squeeze(-1).clamp_max_(vocabulary - 1)


def uniform(seed: Tensor, counter: Tensor) -> Tensor:
    """A number in [0, 1) for each (seed, counter), both int64 [n]: a counter-based generator.

    A row's draws depend on nothing but its own seed and how many it has made, so they are the
    same alone and in any batch. The mixing is SplitMix64's finaliser (Steele, Lea and Flood
    2014, "Fast splittable pseudorandom number generators"); int64 wraps as uint64 would.
    """
    z = seed + (counter + 1) * signed(0x9E3779B97F4A7C15)
    z = (z ^ _shift(z, 30)) * signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shift(z, 27)) * signed(0x94D049BB133111EB)
    z = z ^ _shift(z, 31)
    # 52 bits, not 53: then u * total stays below total in rounding too, and `draw` in range.
    return _shift(z, 12).double() * 2.0**-52


def _shift(z: Tensor, bits: int) -> Tensor:
    """Logical shift right; torch's own on int64 copies the sign down."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def signed(value: int) -> int:
    """The int64 with the same 64 bits as an unsigned value, as torch stores a seed."""
    return value - (1 << 64) if value >= 1 << 63 else value
