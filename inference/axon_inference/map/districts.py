"""Districts: clusters of the map, large ones and small ones in them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

#: Most large and small districts; fewer on a map with few features.
LARGE, SMALL = 16, 110
# Features of a small district, and small districts of a large one, at the least on average.
_FEATURES, _PER_LARGE = 40, 5


class Districts(NamedTuple):
    """Of each feature its small district [n], of each small district its large one [small]."""

    small: Numbers
    large: Numbers


def find(places: Numbers, seed: int) -> Districts:
    """Divide places [n, 2] by k-means into small districts; near ones form a large one (Ward).

    Large districts are numbered by their number of features, the largest first.
    """
    from sklearn.cluster import AgglomerativeClustering, KMeans

    if not len(places):
        return Districts(np.zeros(0, int), np.zeros(0, int))
    count = max(1, min(SMALL, len(places) // _FEATURES))
    means = KMeans(count, n_init=1, random_state=seed).fit(places.astype(np.float64))
    small = means.labels_
    if count == 1:
        return Districts(small, np.zeros(1, np.int64))
    groups = max(1, min(LARGE, count // _PER_LARGE))
    large = AgglomerativeClustering(groups).fit_predict(means.cluster_centers_)
    features = np.bincount(large[small], minlength=groups)
    rank = np.empty(groups, np.int64)
    rank[np.argsort(-features, kind="stable")] = np.arange(groups)
    return Districts(small, rank[large])
