"""In bfloat16 the features are as close to the exact ones as those of TransformerLens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.engine.events import Tokens
from axon_inference.model import prepack

from .. import tiny
from . import reference
from .harness import Bench

TEXTS = [
    "the capital of France is Paris , and a small cat sat on every warm mat under 17 stars",
    "on the mat , under the stars !",
    "17 17 17 17 17 17 17 17 17 17 17 17",
]
HOOKS = ("blocks.0.hook_resid_post", "blocks.2.hook_resid_post")
#: Both round, in different places. Our error may be this many times the reference's error.
ALLOWED = 1.25


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    root = tmp_path_factory.mktemp("bfloat16")
    saes = [tiny.sae_folder(root / hook, "standard", hook) for hook in HOOKS]
    return tiny.gpt2_folder(root / "model"), saes


@pytest.fixture(scope="module", params=["packed", "plain"])
def bench(folders: tuple[Path, list[Path]], request: pytest.FixtureRequest) -> Bench:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "plain":  # as on a CPU that cannot multiply packed bfloat16
            patch.setattr(prepack, "available", lambda *_: False)
        return Bench.load(*folders, dtype="bfloat16")


def test_features_are_as_exact_as_the_reference(
    folders: tuple[Path, list[Path]], bench: Bench
) -> None:
    saes = reference.load_saes(folders[1])
    exact_model = reference.boot(folders[0])
    rounded_model = reference.boot(folders[0]).to(torch.bfloat16)
    requests = [bench.request(text, 0) for text in TEXTS]
    for request, events in zip(requests, bench.run(requests, 1), strict=True):
        ids = list(request.prompt_ids)
        exact = reference.activations(exact_model, saes, ids)
        rounded = reference.activations(rounded_model, saes, ids)
        for source, (want, theirs) in enumerate(zip(exact, rounded, strict=True)):
            ours = _dense(events, source, want.shape)
            # An error of exactly 0 would mean that nothing was rounded and nothing is tested.
            assert 0 < _error(ours, want) <= ALLOWED * _error(theirs, want)
            assert _error(ours, want) < 0.03


def test_other_requests_in_the_batch_change_only_the_rounding(bench: Bench) -> None:
    requests = [bench.request(text, 0) for text in TEXTS]
    for request, together in zip(requests, bench.run(requests, 1), strict=True):
        [alone] = bench.run([request])
        shape = torch.Size((len(request.prompt_ids), bench.loaded.sources[0].width))
        for source in range(len(HOOKS)):
            expected = _dense(alone, source, shape)
            assert _error(_dense(together, source, shape), expected) < 0.03


def _dense(events: list[Any], source: int, shape: torch.Size) -> torch.Tensor:
    """Activations [tokens, width] of one source."""
    found = torch.zeros(shape)
    tokens = [token for event in events if isinstance(event, Tokens) for token in event.tokens]
    assert len(tokens) == len(found)
    for row, token in zip(found, tokens, strict=True):
        active = token.source_features[source]
        row[torch.tensor(active.ids, dtype=torch.int64)] = torch.tensor(active.activations)
    return found


def _error(found: torch.Tensor, exact: torch.Tensor) -> float:
    """Length of the difference, as a share of the length of the exact activations."""
    right = exact.float().clamp_min(0)
    return float((found.float().clamp_min(0) - right).norm() / right.norm())
