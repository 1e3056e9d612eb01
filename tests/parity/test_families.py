"""Other families with full attention, at every kind of hook point that SAEs are trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from .. import tiny
from . import reference
from .harness import Bench, assert_same

HOOKS = [
    "blocks.1.hook_resid_pre",
    "blocks.2.hook_resid_post",
    "blocks.1.hook_mlp_out",
    "blocks.0.hook_attn_out",
]
PROMPTS = ["the capital of France is", "a small cat sat on every warm mat", "17 stars"]


@pytest.mark.parametrize("family", ["gpt_neox", "llama", "qwen2", "qwen3"])
def test_family(family: str, tmp_path: Path) -> None:
    folder = tiny.family_folder(tmp_path / "model", family)
    saes = [tiny.sae_folder(tmp_path / hook, "standard", hook) for hook in HOOKS]
    bench = Bench.load(folder, saes, slots=2, prefill_tokens=6)
    bridge, plain = reference.boot(folder), reference.load_saes(saes)
    requests = [bench.request(prompt, 10) for prompt in PROMPTS]
    for prompt, events in zip(PROMPTS, bench.run(requests, 1), strict=True):
        want = reference.generate(bridge, plain, bench.prompt_ids(prompt), 10)
        assert_same(events, want, atol=5e-4)
