"""Models whose layers carry a state from token to token: each sequence has its own, from its first
token on, in whatever slot and beside whichever others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.catalog.presets import PRESETS
from axon_inference.step.runner import ModelRunner
from transformers import AutoModelForImageTextToText

from .. import tiny
from ..releases import HubCache
from . import reference
from .driver import GREEDY, Driven, drive
from .harness import Bench
from .test_families import compare

TEXTS = ["the capital of France is", "a small cat sat on every warm mat", "17 stars", "a"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("recurrent")
    folder = tiny.family_folder(root / "model", "qwen3_5_text")
    sae = tiny.sae_folder(root / "sae", "standard", "blocks.2.hook_resid_post")
    return Bench.load(folder, [sae], slots=4)


def test_slots_that_change_hands_keep_their_states(bench: Bench) -> None:
    """Sequences move to other slots, are copied, and follow others in a slot."""
    runner: ModelRunner = bench.loaded.runner
    prompts = [bench.prompt_ids(text) for text in TEXTS]
    want = [one.ids for one in drive(runner, [Driven(prompt, 8) for prompt in prompts])]
    sequences = [Driven(prompt, 8) for prompt in prompts[:2]]
    where = [0, 1]
    features = bench.request("a", 0).features
    for slot, sequence in zip(where, sequences, strict=True):
        runner.begin(slot, sequence.prompt)
    for step in range(20):
        for number, sequence in enumerate(sequences):
            if sequence.done:
                continue
            feed = sequence.feed(where[number], features, 3)
            sequence.take(feed, 0, runner.run([feed]))
        if step % 3 == 0:
            runner.swap(*where)
            where.reverse()
        elif step % 3 == 1:
            empty = next(slot for slot in range(4) if slot not in where)
            runner.copy(where[0], empty)
            runner.free(where[0])
            where[0] = empty
    assert [sequence.ids for sequence in sequences] == want[:2]
    for slot in where:
        runner.free(slot)
    assert all(not state.any() for state in runner.cache.states.values())


def test_a_step_that_failed_can_be_repeated(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = bench.loaded.runner
    prompt = bench.prompt_ids(TEXTS[1])
    [want] = drive(runner, [Driven(prompt, 6)])

    def fails(*args: Any) -> Any:
        raise torch.OutOfMemoryError("full")

    sequence, features = Driven(prompt, 6), bench.request("a", 0).features
    runner.begin(0, prompt)
    while not sequence.done:
        feed = sequence.feed(0, features, 4)
        with monkeypatch.context() as patch:
            patch.setattr(runner.tap, "read", fails)
            with pytest.raises(torch.OutOfMemoryError):
                runner.run([feed])
        sequence.take(feed, 0, runner.run([feed]))
    runner.free(0)
    assert sequence.ids == want.ids


def test_a_slot_begins_anew_at_position_0(bench: Bench) -> None:
    """Whatever was left in it."""
    runner = bench.loaded.runner
    prompt = bench.prompt_ids(TEXTS[0])
    [want] = drive(runner, [Driven(prompt, 0)])
    features = replace(bench.request("a", 0).features, top_k=3)
    for _ in range(2):
        sequence = Driven(prompt, 0)
        feed = sequence.feed(0, features, 99)
        sequence.take(feed, 0, runner.run([feed]))
        assert sequence.features[-1][0][1].tolist() == pytest.approx(
            want.features[-1][0][1][:3].tolist(), abs=1e-5
        )
    assert feed.sampling == GREEDY
    runner.free(0)


def test_removals_and_captured_steps_are_left_out(bench: Bench) -> None:
    assert bench.loaded.explainer is None
    assert bench.loaded.runner._graphs is None


@pytest.mark.parametrize("family", ["qwen3_5", "qwen3_5_moe"])
def test_multimodal_qwen_is_served_as_its_language_model(
    family: str, hub: HubCache, tmp_path: Path
) -> None:
    preset = {"qwen3_5": "qwen3.5-2b-base", "qwen3_5_moe": "qwen3.5-35b-a3b-base"}[family]
    folder = tiny.family_folder(hub.snapshot(PRESETS[preset].repository), family)
    name = hub.add_sae(f"{PRESETS[preset].release}/layer1")
    bench = Bench.load(preset, [name], slots=2, prefill_tokens=6)
    whole = AutoModelForImageTextToText.from_pretrained(folder)
    text = type(bench.loaded.runner.model.network)(whole.config.text_config)
    text.model.load_state_dict(whole.model.language_model.state_dict())
    text.lm_head.load_state_dict(whole.lm_head.state_dict())
    text.save_pretrained(tmp_path)
    bench.loaded.tokenizer.save_pretrained(tmp_path)
    compare(bench, reference.boot(tmp_path), reference.load_releases([name]))
