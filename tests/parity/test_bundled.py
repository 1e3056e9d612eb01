"""The bundled model with all its sources at once agrees with TransformerLens + SAELens."""

from __future__ import annotations

from typing import Any

import pytest
from axon_inference.config import BUNDLED_MODEL

from . import reference
from .harness import Bench, assert_same

ATOL = 1e-3  # some activations are above 10
PROMPTS = [
    "The capital of France is",
    "Tomorrow it will rain in",
    "Two plus three is",
    "The cat",
    "I",
    "In spring the days grow longer, and the garden behind the old house wakes up again. There",
    "My favourite recipe needs flour, eggs and",
    "Café über naïve 東京",
]
LENGTHS = [24, 9, 30, 17, 40, 5, 12, 21]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.load("axon-demo", [], slots=5, prefill_tokens=16)


@pytest.fixture(scope="module")
def expected(bench: Bench) -> list[Any]:
    bridge = reference.boot(BUNDLED_MODEL / "model")
    folders = sorted(path.parent for path in (BUNDLED_MODEL / "saes").glob("*/cfg.json"))
    saes = reference.load_saes(folders)
    return [
        reference.generate(bridge, saes, bench.prompt_ids(prompt), length)
        for prompt, length in zip(PROMPTS, LENGTHS, strict=True)
    ]


def test_it_serves_a_source_on_every_layer(bench: Bench) -> None:
    loaded = bench.loaded
    layers = range(loaded.info.n_layers)
    assert list(loaded.served.sources) == [f"axon-demo/{layer}-res" for layer in layers]
    assert [s.hook_name for s in loaded.sources] == [f"blocks.{n}.hook_resid_post" for n in layers]


@pytest.mark.parametrize("index", range(len(PROMPTS)))
def test_alone(bench: Bench, expected: list[Any], index: int) -> None:
    [events] = bench.run([bench.request(PROMPTS[index], LENGTHS[index])])
    assert_same(events, expected[index], atol=ATOL)


@pytest.mark.parametrize("steps_between", [0, 2])
def test_ragged_and_staggered(bench: Bench, expected: list[Any], steps_between: int) -> None:
    requests = [bench.request(p, n) for p, n in zip(PROMPTS, LENGTHS, strict=True)]
    for events, want in zip(bench.run(requests, steps_between), expected, strict=True):
        assert_same(events, want, atol=ATOL)
