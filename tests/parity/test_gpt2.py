"""Tokens and features agree with TransformerLens + SAELens on random GPT-2s, in any batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axon_inference.engine.events import Tokens
from axon_inference.engine.requests import Sampling

from .. import tiny
from . import reference
from .harness import Bench, assert_same

ATOL = 2e-4
PROMPTS = [
    "the capital of France is",
    "a",
    "a small cat sat on every warm mat under 17 stars and",
    "Paris is the capital of every small cat",
    "ü",
    "on the mat , under the stars !",
    "17 17 17 17 17 17 17 17 17 17 17 17",
    "of of the the",
]
LENGTHS = [9, 21, 3, 14, 30, 1, 6, 17]
SAES = {
    "standard": "blocks.1.hook_resid_pre",
    "jumprelu": "blocks.0.hook_resid_post",
    "gated": "blocks.2.hook_resid_post",
    "topk": "blocks.2.hook_mlp_out",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    root = tmp_path_factory.mktemp("gpt2")
    saes = [tiny.sae_folder(root / name, name, hook) for name, hook in SAES.items()]
    return tiny.gpt2_folder(root / "model"), saes


@pytest.fixture(scope="module")
def bench(folders: tuple[Path, list[Path]]) -> Bench:
    return Bench.load(*folders)


@pytest.fixture(scope="module")
def expected(folders: tuple[Path, list[Path]], bench: Bench) -> list[reference.Reference]:
    bridge, saes = reference.boot(folders[0]), reference.load_saes(folders[1])
    return [
        reference.generate(bridge, saes, bench.prompt_ids(prompt), length)
        for prompt, length in zip(PROMPTS, LENGTHS, strict=True)
    ]


@pytest.mark.parametrize("index", range(len(PROMPTS)))
def test_alone(bench: Bench, expected: list[Any], index: int) -> None:
    [events] = bench.run([bench.request(PROMPTS[index], LENGTHS[index])])
    assert_same(events, expected[index], atol=ATOL)


@pytest.mark.parametrize("steps_between", [0, 1, 3])
def test_ragged_and_staggered(bench: Bench, expected: list[Any], steps_between: int) -> None:
    """Eight requests for five slots: rows join, wait, leave, and move into free slots."""
    requests = [bench.request(p, n) for p, n in zip(PROMPTS, LENGTHS, strict=True)]
    for events, want in zip(bench.run(requests, steps_between), expected, strict=True):
        assert_same(events, want, atol=ATOL)


def test_a_prompt_that_fills_the_context_beside_a_shorter_one(
    folders: tuple[Path, list[Path]], bench: Bench
) -> None:
    """Its last 4 tokens share a step with 15 tokens of the other prompt, so that the padding goes
    beyond the context's end."""
    context = bench.loaded.served.context_length
    words = bench.prompt_ids("the small cat sat on a mat and " * 12)
    full, short = words[:context], words[:15]
    requests = [
        replace(bench.request("a", length), prompt_ids=tuple(ids))
        for ids, length in ((full, 0), (short, 9))
    ]
    bridge, saes = reference.boot(folders[0]), reference.load_saes(folders[1])
    wide = Bench(bench.loaded, bench.slots, prefill_tokens=30)
    for events, ids, length in zip(wide.run(requests), (full, short), (0, 9), strict=True):
        assert_same(events, reference.generate(bridge, saes, ids, length), atol=ATOL)


def test_seeded_sampling_is_the_same_in_any_batch(bench: Bench) -> None:
    knobs = [
        Sampling(temperature=1.3, seed=1),
        Sampling(temperature=0.9, top_k=5, seed=2**63 + 7),
        Sampling(temperature=1.1, top_p=0.7, repetition_penalty=1.4, seed=3),
        Sampling(temperature=0, repetition_penalty=1.2),
    ]
    requests = [bench.request(PROMPTS[i % 8], 20, knobs[i % 4]) for i in range(8)]
    together = [_ids(events) for events in bench.run(requests, 1)]
    alone = [_ids(bench.run([request])[0]) for request in requests]
    assert together == alone
    assert len({tuple(ids[-20:]) for ids in alone}) == len(alone)


@pytest.mark.filterwarnings(r"ignore:\s*This SAE has non-empty:UserWarning")
def test_centred_source_matches_a_centred_model(
    folders: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    """The SAEs of res-jb were trained on a model with centred writing weights."""
    kwargs = {"center_writing_weights": True}
    sae = tiny.sae_folder(
        tmp_path / "sae",
        "standard",
        "blocks.1.hook_resid_pre",
        model_from_pretrained_kwargs=kwargs,
    )
    bench = Bench.load(folders[0], [sae])
    ids = bench.prompt_ids(PROMPTS[2])
    centred = reference.boot(folders[0], **kwargs)
    want = reference.generate(centred, reference.load_saes([sae]), ids, 12)
    [events] = bench.run([bench.request(PROMPTS[2], 12)])
    assert_same(events, want, atol=ATOL)


def _ids(events: list[Any]) -> list[int]:
    return [t.token_id for e in events if isinstance(e, Tokens) for t in e.tokens]
