"""The bundled model's examples: activations are what the model computes of these texts."""

from __future__ import annotations

import numpy as np
from axon_inference.config import BUNDLED_MODEL
from axon_inference.model.examples import Examples
from demo_model.residuals import hook_name

from .driver import Driven, dense, drive
from .harness import Bench


def test_examples_are_the_models_own() -> None:
    assert (BUNDLED_MODEL / "examples.npz").stat().st_size <= 300_000
    bench = Bench.load("axon-demo", [], slots=8)
    bos = bench.loaded.served.bos_id
    assert bos is not None
    for layer, source in enumerate(bench.loaded.sources):
        examples = Examples.read(BUNDLED_MODEL / "saes" / hook_name(layer))
        assert examples
        known = [n for n in range(source.width) if examples.of(n, 1)]
        assert len(known) > source.width / 2
        for feature in known[:: len(known) // 8][:8]:
            found = examples.of(feature, 3)
            peaks = [max(activations) for _, activations in found]
            assert peaks == sorted(peaks, reverse=True)
            assert peaks[-1] > 0
            sequences = [Driven([bos, *ids], 0) for ids, _ in found]
            for sequence, (ids, activations) in zip(
                drive(bench.loaded.runner, sequences), found, strict=True
            ):
                computed = [
                    float(dense(sequence, at + 1, layer, source.width)[feature])
                    for at in range(len(ids))
                ]
                np.testing.assert_allclose(activations, computed, rtol=2e-3, atol=2e-3)


def test_a_source_without_examples_has_none() -> None:
    assert Examples.read(None) is None
    assert Examples.read(BUNDLED_MODEL / "saes" / "unknown") is None
