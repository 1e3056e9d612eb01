"""Makes the map: neighbours and kin from decoder rows, places, districts, and how good it is.

It runs on one thread: so a map has the same bytes each time, and leaves the other cores alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from axon_inference.map import districts
from axon_inference.map.kept import NOWHERE, WIDTH, FeatureMap, Storey, with_recall
from axon_inference.map.layout import NEIGHBOURS, Kinship, lay_out
from axon_inference.map.neighbours import mutual, nearest, unit

Numbers = NDArray[Any]
#: Called with what is being done and the share of the whole work that is done.
Report = Callable[[str, float], None]
SEED = 0
# Shares of the work at which the layout begins and ends.
_LAYOUT = (0.4, 0.95)


def make(
    storeys: Sequence[Storey], rows: Iterable[Tensor], hash_: str, report: Report
) -> FeatureMap:
    """The map of these storeys, the lowest first and those that are `apart` last.

    `rows` has of each storey the decoder's rows [width, d]. They are taken one storey at a time; no
    more than two are held in float32, and all others in half precision.
    """
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), torch.inference_mode():
            return _make(storeys, rows, hash_, report)
    finally:
        torch.set_num_threads(threads)


class _Read(NamedTuple):
    """What the decoders say: of each storey the nearest neighbours [width, k] and the rows in half
    precision, and kin with their cosines [pairs]."""

    near: list[Numbers]
    rows: list[Tensor]
    kin: list[Kinship]
    cosine: Numbers


def _make(
    storeys: Sequence[Storey], rows: Iterable[Tensor], hash_: str, report: Report
) -> FeatureMap:
    read = _read(storeys, rows, report)
    ends = np.cumsum([0, *(storey.width for storey in storeys)])
    planes = _planes(storeys)
    places = np.zeros((ends[-1], 2), np.uint16)
    for some in planes:
        begin, end = ends[some.start], ends[some.stop]
        kin = [] if storeys[some.start].apart else read.kin

        def told(share: float, begin: int = begin, end: int = end) -> None:
            done = (begin + share * (end - begin)) / ends[-1]
            report("laying out the plane", _LAYOUT[0] + done * (_LAYOUT[1] - _LAYOUT[0]))

        laid = lay_out(_start(read.rows[some]), read.near[some], kin, told)
        places[begin:end] = _scaled(laid)
    report("finding districts", _LAYOUT[1])
    together = 0 if storeys[0].apart else ends[planes[0].stop]
    district = np.full(len(places), NOWHERE, np.uint16)
    district[:together], large = districts.find(places[:together], SEED)
    none = Kinship(np.zeros(0, int), np.zeros(0, int))
    lower, upper = map(np.concatenate, zip(none, *read.kin, strict=True))
    apart = np.linalg.norm(places[lower].astype(float) - places[upper].astype(float), axis=1)
    recall = [
        recall_of(places[a:b], n) for a, b, n in zip(ends[:-1], ends[1:], read.near, strict=True)
    ]
    return FeatureMap(
        hash=hash_,
        seed=SEED,
        kin_distance=round(float(np.median(apart)) / WIDTH, 5) if len(apart) else 0.0,
        storeys=with_recall(storeys, recall),
        places=places,
        district=district,
        large=large.astype(np.uint16),
        lower=lower.astype(np.uint32),
        upper=upper.astype(np.uint32),
        cosine=read.cosine.astype(np.float16),
    )


def _read(storeys: Sequence[Storey], rows: Iterable[Tensor], report: Report) -> _Read:
    read = _Read([], [], [], np.zeros(0))
    cosines = [read.cosine]
    first, below = 0, unit(torch.zeros(0, 1))
    for index, (storey, given) in enumerate(zip(storeys, rows, strict=True)):
        report(f"finding neighbours in {storey.id}", _LAYOUT[0] * index / len(storeys))
        own = unit(given.cpu())
        read.near.append(nearest(own, NEIGHBOURS).numpy())
        read.rows.append(own.half())
        if index and not storey.apart:
            kin = mutual(below, own)
            read.kin.append(
                Kinship(kin.first.numpy() + first - len(below), kin.second.numpy() + first)
            )
            cosines.append(kin.cosine.numpy())
        first, below = first + len(own), own
    return read._replace(cosine=np.concatenate(cosines))


def _planes(storeys: Sequence[Storey]) -> list[slice]:
    """Which storeys are laid out together: all that are not apart, and each other by itself."""
    together = sum(not storey.apart for storey in storeys)
    alone = [slice(index, index + 1) for index in range(together, len(storeys))]
    return ([slice(0, together)] if together else []) + alone


def _start(rows: Sequence[Tensor]) -> NDArray[np.float64]:
    """The first two principal components [n, 2] of rows of unit length."""
    count = sum(map(len, rows))
    mean = sum((some.double().sum(0) for some in rows), torch.zeros(1)) / count
    moments = sum((some.float().T @ some.float() for some in rows), torch.zeros(1)).double()
    _, axes = torch.linalg.eigh(moments - count * torch.outer(mean, mean))
    found = torch.cat([(some.double() - mean) @ axes[:, [-1, -2]] for some in rows])
    scaled: NDArray[np.float64] = (found / found.std(0).clamp_min(1e-12)).numpy()
    return scaled


def _scaled(places: NDArray[np.float64]) -> Numbers:
    """Places [n, 2] in the square from 0 to WIDTH, its middle in theirs, in their proportions."""
    low, high = places.min(0), places.max(0)
    scale = WIDTH / max(float((high - low).max()), 1e-12)
    middle = (low + high) / 2
    found: Numbers = np.rint((places - middle) * scale + WIDTH / 2).clip(0, WIDTH)
    return found.astype(np.uint16)


def recall_of(places: Numbers, near: Numbers) -> float:
    """Of the nearest by cosine `near` [width, k], how many are among the k nearest of the places
    [width, 2]: the mean over features, 0 to 1; 1 if there are no others."""
    from scipy.spatial import KDTree

    k = near.shape[1]
    if not k:
        return 1.0
    _, found = KDTree(places.astype(np.float64)).query(places, k + 1)
    others = found != np.arange(len(places))[:, None]
    # Where several features have one place, a feature itself need not be the first found.
    others[others.all(1), -1] = False
    found = found[others].reshape(-1, k)
    return float((found[:, :, None] == near[:, None, :]).any(2).mean())
