"""In bfloat16 the features are as close to the exact ones as those of TransformerLens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.engine.events import Tokens
from axon_inference.model import prepack
from transformers import AutoModelForCausalLM

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
#: Of every kind of norm, attention and MLP; docs/models.md has all, measured in the same way.
FAMILIES = ("gemma2", "gemma3_text", "gpt_oss", "llama", "qwen3", "qwen3_5_text")


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


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_each_family_is_as_exact_as_transformers(family: str, tmp_path: Path) -> None:
    for ours, theirs in errors(family, tmp_path):
        assert 0 < ours <= ALLOWED * theirs


def errors(family: str, root: Path) -> list[tuple[float, float]]:
    """Of each source, over all texts: our error in bfloat16, and that of transformers alone."""
    folder = tiny.family_folder(root / "model", family)
    paths = [tiny.sae_folder(root / hook, "standard", hook) for hook in HOOKS]
    bench = Bench.load(folder, paths, dtype="bfloat16")
    networks = [
        AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
        for dtype in (torch.float32, torch.bfloat16)
    ]
    requests = [bench.request(text, 0) for text in TEXTS]
    runs = bench.run(requests, 1)
    found = []
    for number, sae in enumerate(reference.load_saes(paths)):
        layer = int(HOOKS[number].split(".")[1])
        seen = [
            torch.cat([sae.encode(after(network, layer, r.prompt_ids)) for r in requests])
            for network in networks
        ]
        exact, rounded = seen
        lengths = [len(request.prompt_ids) for request in requests]
        shapes = [torch.Size((length, exact.shape[1])) for length in lengths]
        own = [_dense(events, number, shape) for events, shape in zip(runs, shapes, strict=True)]
        found.append((_error(torch.cat(own), exact), _error(rounded, exact)))
    return found


@torch.no_grad()
def after(network: Any, layer: int, ids: Sequence[int]) -> torch.Tensor:
    """The residual stream [tokens, d_model] after a layer, as float32."""
    seen: list[torch.Tensor] = []

    def see(module: Any, args: Any, output: Any) -> None:
        seen.append((output[0] if isinstance(output, tuple) else output).float())

    layers = next(m for m in network.modules() if isinstance(m, torch.nn.ModuleList))
    handle = layers[layer].register_forward_hook(see)
    network(torch.tensor([ids]))
    handle.remove()
    return seen[0].reshape(len(ids), -1)


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
    return ((found.float().clamp_min(0) - right).norm() / right.norm()).item()
