"""Which features have similar decoder rows: within a source, and between two.

All pairs are compared, a part of the rows at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

# Rows compared with all others at once.
_ROWS = 2048


class Kin(NamedTuple):
    """Pairs of features of two sources that are each other's most similar: indices in the first
    and in the second [P], and their cosine [P]."""

    first: Tensor
    second: Tensor
    cosine: Tensor


def unit(rows: Tensor) -> Tensor:
    """Rows [n, d] with length 1 in float32; those of zeros stay."""
    return normalize(rows.float(), dim=1)


def nearest(rows: Tensor, k: int) -> Tensor:
    """Of each row of unit length [n, d] the k others with the largest cosine, nearest first:
    indices [n, min(k, n - 1)]."""
    k, found = min(k, len(rows) - 1), []
    for start in range(0, len(rows), _ROWS):
        cosines = rows[start : start + _ROWS] @ rows.T
        own = torch.arange(len(cosines))
        cosines[own, own + start] = -torch.inf
        found.append(cosines.topk(k).indices)
    return torch.cat(found)


def mutual(first: Tensor, second: Tensor) -> Kin:
    """Kin among rows of unit length [n, d] and [m, d]."""
    best, partner = torch.full((len(second),), -torch.inf), torch.zeros(len(second)).long()
    forth, cosine = [], []
    for start in range(0, len(first), _ROWS):
        cosines = first[start : start + _ROWS] @ second.T
        largest = cosines.max(1)
        forth.append(largest.indices)
        cosine.append(largest.values)
        value, at = cosines.max(0)
        better = value > best
        best, partner = torch.where(better, value, best), torch.where(better, at + start, partner)
    chosen = torch.cat(forth)
    pairs = (partner[chosen] == torch.arange(len(first))).nonzero()[:, 0]
    return Kin(pairs, chosen[pairs], torch.cat(cosine)[pairs])
