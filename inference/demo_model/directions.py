"""Where the features of an SAE start: at the mean residuals of what the text is known to say.

Random starts need long training, and leave features that mix unrelated words. Instead each feature
begins at the mean effect of one statement ("the word rain", "right before capitals"), and training
goes on from there by reconstruction alone.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import embedding_bag

from demo_model.facts import Facts, Ints, Kind

# In this order each kind explains what the ones before it leave, with this share of the features.
_SHARES = (
    ((Kind.WORD,), 0.85),
    ((Kind.CONCEPT,), 0.03),
    ((Kind.CONTEXT,), 0.06),
    ((Kind.CONCEPT_IN_CONTEXT, Kind.WORD_IN_CONTEXT, Kind.SENTENCE), 1.0),
)
_MIN_HOLDS = 5
_MAX_BASE_RATE = 0.1
Floats = NDArray[np.float32]


def starting_directions(x: torch.Tensor, facts: Facts, n_features: int) -> torch.Tensor:
    """Mean effects [n_features, d_model] of the statements that explain most of `x`.

    `x` [n_positions, d_model] are the residuals at the positions of `facts`.
    """
    left: Floats = (x - x.mean(dim=0)).numpy().copy()
    base = facts.counts()
    usual = (base >= _MIN_HOLDS) & (base <= _MAX_BASE_RATE * facts.n_positions)
    found: list[Floats] = []
    for kinds, share in _SHARES:
        room = min(round(share * n_features), n_features - sum(map(len, found)))
        of_kind = np.array([kind in kinds for _, kind in facts.statements])
        found.append(_explain(left, facts.keep(usual & of_kind), room))
    directions = torch.from_numpy(np.concatenate(found))
    missing = n_features - len(directions)
    noise = torch.randn(missing, x.shape[1], generator=torch.Generator().manual_seed(0))
    return torch.cat([directions, noise * x.std() / 10])


def _explain(left: Floats, facts: Facts, room: int) -> Floats:
    """Means of `left` over the best statements, which it then loses."""
    counts = facts.counts()
    bounds = np.concatenate([[0], np.cumsum(counts)])
    sums = _sums(left, np.concatenate(facts.by_statement()), bounds)
    weights = counts.astype(np.float32)
    means = sums / weights[:, None]
    gain = (means**2).sum(axis=1) * weights
    best = np.argsort(-gain)[:room]
    chosen = np.isin(np.arange(len(counts)), best)
    explaining = facts.keep(chosen)
    # Where several hold at once, each takes its share of the effect.
    overlap = np.maximum(np.diff(explaining.offsets), 1).astype(np.float32)[:, None]
    left -= _sums(means[chosen], explaining.ids, explaining.offsets) / overlap
    return means[best]


def _sums(rows: Floats, which: Ints, bounds: Ints) -> Floats:
    """Sums of the rows `which[bounds[i]:bounds[i + 1]]`, one for every i."""
    summed = embedding_bag(
        torch.from_numpy(which),
        torch.from_numpy(rows),
        torch.from_numpy(bounds),
        mode="sum",
        include_last_offset=True,
    )
    return summed.numpy()
