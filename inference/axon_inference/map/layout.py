"""Places in the plane by t-SNE, of several storeys that shall lie over one another.

Each storey is laid out by t-SNE (van der Maaten and Hinton, 2008) with the gradient of openTSNE:
features attract their nearest by cosine, and repel the others of their storey alone, since those
of another lie above or below. Kin attract each other across storeys with the same force law. So
one storey's neighbourhoods are not torn apart by another's, and one concept stands in one column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Neighbours that attract. All with the same weight: recall of the 10 nearest is what is wanted.
NEIGHBOURS = 10
# Iterations with all attraction made larger by the first factor (as is usual, so that what belongs
# together finds together), and those after them. The last number is the attraction of kin, as a
# multiple of that of all neighbours of a feature together: more of it costs recall.
_PHASES = ((150, 12.0, 0.5), (350, 1.0, 0.15))
# Accuracy of the repulsion from features far away: 0 is exact. openTSNE's range is 0.2 to 0.8.
_THETA = 0.8
_EVERY = 25


class Kinship(NamedTuple):
    """Pairs of kin of two storeys, by their indices among all features: [P] and [P]. No feature is
    in it twice."""

    lower: Ints
    upper: Ints


def lay_out(
    start: Floats,
    neighbours: Sequence[Ints],
    kin: Sequence[Kinship],
    report: Callable[[float], None],
) -> Floats:
    """Places [n, 2] of all features.

    `start` [n, 2] is where they begin, in any unit. `neighbours` has one array [width, k] a storey,
    of indices in that storey. `report` is given the share of the work done.
    """
    from openTSNE.tsne import gradient_descent

    ends = np.cumsum([len(some) for some in neighbours])
    parts = [slice(end - len(some), end) for end, some in zip(ends, neighbours, strict=True)]
    attraction = [_attraction(some) for some in neighbours]
    places = start / max(float(start.std()), 1e-12) * 1e-4
    count, whole, done = len(places), sum(phase[0] for phase in _PHASES), 0

    def told(*_: Any) -> bool:
        nonlocal done
        done += _EVERY
        report(done / whole)
        return False

    descend = gradient_descent()
    for iterations, strength, pull in _PHASES:
        _, places = descend(
            places,
            np.ones(1),  # the objective has its own
            iterations,
            _objective(parts, [some * strength for some in attraction], kin, strength * pull),
            learning_rate=count / strength,
            theta=_THETA,
            use_callbacks=True,
            callbacks=[told],
            callbacks_every_iters=_EVERY,
        )
    found: Floats = np.asarray(places)
    return found


def _attraction(neighbours: Ints) -> Any:
    """Symmetric weights [width, width] that add up to 1."""
    from scipy.sparse import csr_matrix

    width, k = neighbours.shape
    rows = np.repeat(np.arange(width), k)
    one_way = csr_matrix((np.ones(width * k), (rows, neighbours.ravel())), shape=(width, width))
    both = csr_matrix(one_way + one_way.T)
    return both / max(both.sum(), 1.0)


def _objective(
    parts: Sequence[slice], attraction: Sequence[Any], kin: Sequence[Kinship], pull: float
) -> Callable[..., tuple[float, Floats]]:
    """The gradient [n, 2] of all storeys' divergences and of the attraction of kin."""
    from openTSNE.tsne import kl_divergence_bh

    def objective(
        places: Floats, _: Any, dof: float, bh_params: dict[str, float], **__: Any
    ) -> tuple[float, Floats]:
        gradient = np.zeros_like(places)
        for part, weights in zip(parts, attraction, strict=True):
            share = (part.stop - part.start) / len(places)
            own = np.ascontiguousarray(places[part])
            gradient[part] = share * kl_divergence_bh(own, weights, dof, bh_params)[1]
        for lower, upper in kin:
            apart = places[lower] - places[upper]
            force = pull / len(places) * apart / (1 + np.square(apart).sum(1, keepdims=True))
            gradient[lower] += force
            gradient[upper] -= force
        return 0.0, gradient

    return objective
