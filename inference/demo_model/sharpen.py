"""Raise a trained SAE's thresholds, feature by feature, where that makes a feature say one thing.

A BatchTopK SAE ends with one threshold for all features. Many fire strongly for one reason and
weakly for several; cutting off the weak firings costs little of the reconstruction and much noise.
"""

from dataclasses import dataclass

import numpy as np
import torch
from sae_lens import SAE

from demo_model import labels, measure
from demo_model.facts import Facts
from demo_model.labels import Chooser, Firings

FLOOR = 0.958  # explained variance that must remain
_STEP = 20  # cuts more or less than could be taken
_QUANTILES = (0.0, 0.2, 0.4, 0.6, 0.8)  # of a feature's activations, to be cut off below


@dataclass(frozen=True)
class _Cut:
    feature: int
    threshold: float
    cost: float  # squared activation cut off


@torch.no_grad()
def sharpen(sae: SAE, x: torch.Tensor, facts: Facts) -> None:
    """Raise thresholds of `sae` in place, by what it does on `x`, the residuals at `facts`.

    The cheapest cuts come first, as far as the explained variance of `x` stays above the floor.
    """
    fired = labels.firings(measure.encode(sae, x), sae.cfg.d_sae)
    cuts = sorted(_cuts(fired, Chooser(labels.allowed(facts))), key=lambda cut: cut.cost)
    lowest = sae.threshold.clone()

    def take(n_cuts: int) -> bool:
        """Make the first cuts and no others; whether the SAE stays good enough."""
        sae.threshold.copy_(lowest)
        for cut in cuts[:n_cuts]:
            sae.threshold[cut.feature] = cut.threshold
        return measure.explained_variance(sae, x) >= FLOOR

    good, bad = 0, len(cuts) + 1
    while bad - good > _STEP:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if take(middle) else (good, middle)
    take(good)


def _cuts(fired: Firings, chooser: Chooser) -> list[_Cut]:
    """For each feature the lowest cut that makes a label of it surely precise, if there is one."""
    cuts = []
    for feature, (positions, values) in enumerate(
        zip(fired.positions, fired.activations, strict=True)
    ):
        for quantile in _QUANTILES if len(positions) else ():
            threshold = float(np.quantile(values, quantile)) if quantile else 0.0
            above = values > threshold
            if chooser.best(positions[above])[1]:
                if quantile:
                    cost = float((values[~above].astype(np.float64) ** 2).sum())
                    cuts.append(_Cut(feature, threshold, cost))
                break
    return cuts
