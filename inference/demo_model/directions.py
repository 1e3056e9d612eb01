"""Where the features of an SAE start: at the mean residuals of what the text is known to say.

Random starts need long training, and leave features that mix unrelated words. Instead each feature
begins at the mean effect of one statement ("the word rain", "right before capitals"), and training
goes on from there by reconstruction alone.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from demo_model.facts import Facts, Kind

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
    holds = csr_array(
        (np.ones(len(facts.ids), np.float32), facts.ids, facts.offsets),
        shape=(facts.n_positions, len(facts.statements)),
    )
    counts = facts.counts()[:, None].astype(np.float32)
    means = np.asarray(holds.T @ left, dtype=np.float32) / counts
    gain = (means**2).sum(axis=1) * counts[:, 0]
    best = np.argsort(-gain)[:room]
    chosen = holds[:, best]
    # Where several hold at once, each takes its share of the effect.
    overlap = np.maximum(np.asarray(chosen.sum(axis=1), dtype=np.float32), 1)[:, None]
    left -= np.asarray(chosen @ means[best]) / overlap
    return means[best]
