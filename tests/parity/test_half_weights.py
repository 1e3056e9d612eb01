"""Float16 weights with float32 vectors: they compute what they say, and so in any batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from axon_inference.config import Settings
from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed, StepResult
from axon_inference.loading import memory, ready
from axon_inference.model import prepack
from axon_inference.model.configuration import ModelError
from axon_inference.model.network import LanguageModel, outline
from torch import Tensor, nn

from .. import tiny

WIDTH = 128
SEQUENCES = [[(7 * n + 3 * k) % 290 for n in range(k)] for k in (12, 5, 17)]


@pytest.fixture(scope="module", params=["gpt2", "llama", "gemma2"])
def settings(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Settings:
    root = tmp_path_factory.mktemp("half")
    model = tiny.family_folder(root / "model", request.param)
    hook = "blocks.2.hook_resid_post"
    sae = tiny.sae_folder(root / "sae", "standard", hook, d_sae=WIDTH)
    return Settings(model=str(model), sources=(str(sae),), slots=3, device="cpu")


@pytest.fixture(scope="module")
def half(settings: Settings) -> ready.Loaded:
    return ready.load(replace(settings, weights="float16"))


def last_tokens(loaded: ready.Loaded) -> StepResult:
    """The step after these sequences' prompts, in which each is fed one token."""
    runner, greedy, slots = loaded.runner, Sampling(temperature=0), range(len(SEQUENCES))
    every = Features(sources=(0,), top_k=WIDTH)
    for slot in slots:
        runner.run([Feed(slot, SEQUENCES[slot], 0, greedy, every, 0)])
    found = runner.run([Feed(s, [3], len(SEQUENCES[s]), greedy, every, 0) for s in slots])
    for slot in slots:
        runner.free(slot)
    return found


def activations(found: StepResult) -> Tensor:
    """[rows, WIDTH]"""
    rows = found.sources[0]
    every = torch.zeros(len(rows.ids), WIDTH)
    return every.scatter_(1, torch.tensor(rows.ids), torch.tensor(rows.activations).clamp_min(0))


def test_it_computes_what_the_rounded_weights_say(
    settings: Settings, half: ready.Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same network with plain float32 weights that were rounded agrees to float32's rounding.

    The network with the weights as they are is near.
    """
    assert half.info.dtype == "float32, layers float16"
    exact, found = last_tokens(ready.load(settings)), last_tokens(half)
    monkeypatch.setattr(prepack, "prepack", round_weights)
    rounded = last_tokens(ready.load(replace(settings, weights="float16")))
    assert found.next_ids == rounded.next_ids
    torch.testing.assert_close(activations(found), activations(rounded), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        torch.tensor(found.logprobs), torch.tensor(rounded.logprobs), atol=1e-4, rtol=1e-4
    )
    changed = (activations(found) - activations(exact)).abs().max() / activations(exact).max()
    # Not at all would mean that nothing was rounded.
    assert 1e-6 < changed < 1e-2


def round_weights(network: nn.Module, kind: type[prepack.PackedLinear]) -> None:
    """Round the weights of all linear layers; one shared with an embedding is rounded here only."""
    for *_, layer in prepack.layers(network):
        layer.weight = nn.Parameter(layer.weight.half().float(), requires_grad=False)


@pytest.mark.parametrize("kind", [prepack.PackedLinear, prepack.HalfLinear])
def test_a_row_is_the_same_to_the_last_bit_in_any_batch(kind: type[prepack.PackedLinear]) -> None:
    torch.manual_seed(0)
    layer = kind(torch.randn(96, 80), torch.randn(96))
    rows = torch.randn(40, 80)
    together = layer(rows)
    for first in (0, 17):
        for count in range(1, 40 - first):
            here = slice(first, first + count)
            assert torch.equal(layer(rows[here]), together[here])


def test_features_are_read_off_the_rounded_head(settings: Settings, half: ready.Loaded) -> None:
    want = ready.load(settings).reader.read(0, 5, 10)
    found = half.reader.read(0, 5, 10)
    assert found.neighbors == want.neighbors
    for ours, theirs in zip(found.promoted, want.promoted, strict=True):
        assert ours.logit == pytest.approx(theirs.logit, rel=2e-3)


def test_a_packed_weight_can_be_read_again() -> None:
    torch.manual_seed(0)
    weight = torch.randn(24, 16)
    packed = prepack.HalfLinear(weight, None)
    assert torch.equal(packed.weight, weight.half().float())
    assert torch.equal(packed.rows([3, 20]), weight[[3, 20]].half().float())
    x = torch.randn(2, 16, requires_grad=True)
    [gradient] = torch.autograd.grad(packed(x).sum(), [x])
    torch.testing.assert_close(gradient, packed.weight.sum(0).expand(2, 16))


def test_its_memory_is_counted(settings: Settings) -> None:
    """Layers take half as much; embeddings and norms take what they did."""
    full, half = (memory.need(empty(settings, half=half), slots=1) for half in (False, True))
    in_layers = sum(layer.weight.numel() for *_, layer in prepack.layers(empty(settings).network))
    assert in_layers
    assert full.weights - half.weights == 2 * in_layers
    assert full.cache == half.cache


@pytest.mark.parametrize(
    ("dtype", "able", "named"),
    [("bfloat16", True, "bfloat16 on this cpu"), ("float32", False, "AVX2")],
)
def test_it_is_refused_where_it_cannot_be(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, dtype: str, able: bool, named: str
) -> None:
    monkeypatch.setattr(prepack, "_has_fbgemm", lambda: able)
    with pytest.raises(ModelError, match=f"AXON_WEIGHTS=float16 .*{named}"):
        ready.load(replace(settings, weights="float16", dtype=dtype))


def empty(settings: Settings, **asked: Any) -> LanguageModel:
    return outline("m", settings.model, device="cpu", dtype="float32", **asked)
