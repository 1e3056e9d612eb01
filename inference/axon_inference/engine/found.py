"""A step's features, as the requests that share the step want them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from axon_inference.engine.requests import Features, SourceFeatures
from axon_inference.engine.step import SourceRows, StepResult


class _Told(NamedTuple):
    """One source's rows, and of each row how many features are above its request's threshold."""

    rows: SourceRows
    counts: list[int]
    l0: list[int]
    error: list[float]


class StepFeatures:
    """Computes what it can for all tokens at once, so that each token only needs slicing.

    Args:
        result: what the step found.
        wanted: for each of its feeds, how many tokens it fed and which features it wants.
    """

    def __init__(self, result: StepResult, wanted: Sequence[tuple[int, Features]]) -> None:
        self._result = result
        self._wanted = wanted

    # Not in __init__, so that an exception here fails only requests that want features.
    @cached_property
    def _sources(self) -> dict[int, _Told]:
        counts = [count for count, _ in self._wanted]
        # Activations of 0 never count, since no threshold is below 0.
        thresholds = np.repeat([features.threshold for _, features in self._wanted], counts)
        return {
            source: _Told(
                rows,
                (rows.activations > thresholds[:, None]).sum(1).tolist(),
                rows.l0.tolist(),
                rows.error.tolist(),
            )
            for source, rows in self._result.sources.items()
        }

    def at(self, wanted: Features, row: int) -> tuple[SourceFeatures, ...]:
        """One token's features from the sources wanted, as many as wanted."""
        found = []
        for index, source in enumerate(wanted.sources):
            rows, counts, l0, error = self._sources[source]
            # In descending order, so those above the threshold come first.
            count = min(counts[row], wanted.top_k)
            found.append(
                SourceFeatures(
                    source=index,
                    ids=rows.ids[row, :count],
                    activations=rows.activations[row, :count],
                    l0=l0[row],
                    reconstruction_error=error[row],
                )
            )
        return tuple(found)
