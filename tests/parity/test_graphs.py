"""Decode steps over the static buffers that CUDA graphs use, without a GPU.

A replay runs the captured function again. All else is as on a GPU: the same buckets, padding and
spare position, and inputs and outputs at fixed addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axon_inference.engine.events import Event, Failed, Token, Tokens
from axon_inference.engine.requests import MAX_FEATURES, Features, Sampling
from axon_inference.engine.step import DeviceLost, Feed, StepResult
from axon_inference.step.batch import Plan
from axon_inference.step.graphs import GraphError, Graphs, Outputs, Replay
from axon_inference.step.runner import ModelRunner

from .. import tiny
from . import reference
from .harness import Bench, assert_same

HOOK = "blocks.1.hook_resid_post"
PROMPTS = ["the capital of France is", "a", "a small cat sat on every warm mat", "17 17", "on the"]
LENGTHS = [9, 40, 5, 22, 14]


class Rerun:
    """A capture that keeps the function and replays by calling it; counts captures and replays."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def __call__(self, compute: Callable[[], None]) -> Replay:
        self.captured += 1
        compute()

        def replay() -> None:
            self.replayed += 1
            compute()

        return replay


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def folders(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("graphs")
    make = tiny.gpt2_folder if request.param == "gpt2" else tiny.family_folder
    arguments = () if request.param == "gpt2" else (request.param,)
    model = make(root / "model", *arguments)
    return model, tiny.sae_folder(root / "sae", "jumprelu", HOOK)


def test_replayed_steps_agree_with_the_reference(folders: tuple[Path, Path]) -> None:
    model, sae = folders
    rerun = Rerun()
    bench = Bench.load(model, [sae], slots=5, prefill_tokens=6, capture=rerun)
    bridge, saes = reference.boot(model), reference.load_saes([sae])
    requests = [bench.request(p, n) for p, n in zip(PROMPTS, LENGTHS, strict=True)]
    before = rerun.replayed
    for index, events in enumerate(bench.run(requests, steps_between=3)):
        ids = bench.prompt_ids(PROMPTS[index])
        want = reference.generate(bridge, saes, ids, LENGTHS[index])
        assert_same(events, want, atol=5e-4)
    assert rerun.replayed - before > 20


def test_no_request_captures_after_start(tmp_path: Path) -> None:
    """For any number of features and choice of sources, alone and together in a batch."""
    model = tiny.gpt2_folder(tmp_path / "model")
    hooks = {"jumprelu": HOOK, "standard": "blocks.2.hook_resid_pre"}
    saes = [tiny.sae_folder(tmp_path / name, name, hook) for name, hook in hooks.items()]
    rerun = Rerun()
    bench = Bench.load(model, saes, slots=5, prefill_tokens=6, capture=rerun)
    assert rerun.captured == 4  # 1, 2, 4 and 5 rows
    everything = bench.run([bench.request(PROMPTS[0], 9)])[0]
    wanted = [Features((0, 1), k) for k in (0, 1, 3, 15, 16, 17, 40, 100)]
    wanted += [Features(sources, 16) for sources in ((0,), (1,), (1, 0), ())]
    requests = [
        replace(bench.request(PROMPTS[0], 9), features=replace(features, include_bos=True))
        for features in wanted
    ]
    before = rerun.replayed
    for steps_between in (0, 2):
        for request, events in zip(requests, bench.run(requests, steps_between), strict=True):
            assert_part(events, everything, request.features)
    assert rerun.replayed > before
    assert rerun.captured == 4


def assert_part(events: list[Event], everything: list[Event], wanted: Features) -> None:
    """The events hold the strongest of all features, for the wanted sources only."""
    for found, full in zip(tokens(events), tokens(everything), strict=True):
        assert found.token_id == full.token_id
        assert len(found.source_features) == (len(wanted.sources) if wanted.top_k else 0)
        for part, index in zip(found.source_features, wanted.sources, strict=False):
            whole = full.source_features[index]
            assert len(part.ids) == min(wanted.top_k, len(whole.ids))
            for got, want in zip(
                (part.activations, part.reconstruction_error),
                (whole.activations[: len(part.ids)], whole.reconstruction_error),
                strict=True,
            ):
                np.testing.assert_allclose(got, want, atol=1e-4, rtol=1e-4)


def tokens(events: list[Event]) -> list[Token]:
    return [token for event in events if isinstance(event, Tokens) for token in event.tokens]


def test_a_request_for_more_features_than_were_captured_runs_eagerly(tmp_path: Path) -> None:
    model = tiny.gpt2_folder(tmp_path / "model")
    rerun = Rerun()
    bench = Bench.load(
        model, [tiny.sae_folder(tmp_path / "sae", "standard", HOOK, d_sae=1024)], capture=rerun
    )
    sampling, before = Sampling(temperature=0), rerun.replayed
    feeds = [Feed(0, [5], 0, sampling, Features((0,), k), 0) for k in (MAX_FEATURES, 300)]
    few, many = [bench.loaded.runner.run([feed]).sources[0].activations for feed in feeds]
    assert (few.shape, many.shape) == ((1, MAX_FEATURES), (1, 300))
    np.testing.assert_allclose(many[:, :MAX_FEATURES], few, atol=1e-4)
    assert rerun.replayed == before + 1


def graph_that_does_nothing(rows: int) -> Any:
    """A capture that gives an empty graph for one number of rows, as a capture on the wrong device
    or stream does."""

    def capture(compute: Any) -> Replay:
        return (lambda: None) if compute.args == (rows,) else compute

    return capture


@pytest.mark.parametrize("rows", [1, 2, 4, 5])
def test_each_graph_is_compared_with_the_eager_step(folders: tuple[Path, Path], rows: int) -> None:
    with pytest.raises(GraphError, match=f"of {rows} rows gives other logits"):
        Bench.load(folders[0], [folders[1]], slots=5, capture=graph_that_does_nothing(rows))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda outputs: outputs.logits.add_(0.1), "logits"),
        (lambda outputs: outputs.features[0].activations.mul_(1.1), "features of source 0"),
        (lambda outputs: outputs.features[0].error.add_(0.1), "reconstruction errors of"),
        (lambda outputs: outputs.logits.fill_(torch.nan), "logits"),
    ],
)
def test_a_replay_that_differs_is_refused(
    folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Outputs], None],
    named: str,
) -> None:
    right = Graphs.run

    def wrong(self: Graphs, step: Plan, k: int) -> Outputs | None:
        outputs = right(self, step, k)
        if outputs:
            change(outputs)
        return outputs

    monkeypatch.setattr(Graphs, "run", wrong)
    with pytest.raises(GraphError, match=f"gives other {named}"):
        Bench.load(folders[0], [folders[1]], capture=Rerun())


def test_rounding_in_half_precision_does_not_count_as_a_difference(
    folders: tuple[Path, Path],
) -> None:
    Bench.load(folders[0], [folders[1]], capture=Rerun(), dtype="bfloat16")


@pytest.mark.parametrize("error", [RuntimeError, torch.AcceleratorError])
def test_a_step_that_cannot_be_captured_runs_eagerly(
    folders: tuple[Path, Path], error: Any
) -> None:
    def refuse(compute: Callable[[], None]) -> Replay:
        raise error("operation not permitted when stream is capturing")

    bench = Bench.load(folders[0], [folders[1]], capture=refuse)
    [events] = bench.run([bench.request(PROMPTS[0], 5)])
    bridge, saes = reference.boot(folders[0]), reference.load_saes([folders[1]])
    want = reference.generate(bridge, saes, bench.prompt_ids(PROMPTS[0]), 5)
    assert_same(events, want, atol=5e-4)


@pytest.mark.parametrize("lost", [False, True])
def test_only_a_lost_device_ends_the_engine(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    bench = Bench.load(folders[0], [folders[1]])
    runner = bench.loaded.runner

    def fail(*_: Any) -> None:
        raise torch.AcceleratorError("CUDA error: invalid configuration argument")

    monkeypatch.setattr(runner, "_run", fail)
    monkeypatch.setattr("axon_inference.step.runner.lost", lambda _: lost)
    if lost:
        with pytest.raises(DeviceLost, match="invalid configuration"):
            bench.run([bench.request("a", 1)])
    else:
        [events] = bench.run([bench.request("a", 1)])
        assert isinstance(events[-1], Failed)


def test_each_kind_of_step_runs_once_before_serving(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Sequence[Feed]] = []
    right = ModelRunner._run

    def run(self: ModelRunner, feeds: Sequence[Feed]) -> StepResult:
        steps.append(feeds)
        return right(self, feeds)

    monkeypatch.setattr(ModelRunner, "_run", run)
    Bench.load(folders[0], [folders[1]])
    assert any(len(step) == 2 and len(step[1].ids) > 1 for step in steps)
    knobs = [feed.sampling for step in steps for feed in step]
    assert any(
        k.temperature and k.top_p < 1 and k.top_k and k.repetition_penalty != 1 for k in knobs
    )
