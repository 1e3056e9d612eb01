"""Whole steps on a fake GPU without data.

Nothing waits for the device or leaves it between the copy of a step's numbers to it and the copy of
what was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axon_inference.config import Settings
from axon_inference.engine.requests import Change, Edit, Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.loading import ready
from axon_inference.model import prepack
from axon_inference.step.batch import Buffers, Ints, packed
from axon_inference.step.graphs import Graphs
from axon_inference.step.runner import ModelRunner
from axon_inference.step.sampling import Knobs, sample
from torch import Tensor

from .. import tiny
from ..fake_cuda import FakeGpu

ROWS = 3


@pytest.fixture
def gpu() -> FakeGpu:
    return FakeGpu("cuda:1")


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings as on a GPU; some layers ask for its compute capability."""
    monkeypatch.setattr(prepack, "available", lambda *_: False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))


def on_gpu(gpu: FakeGpu, folder: Path, family: str, architectures: list[str]) -> ModelRunner:
    """A runner whose weights are on the device."""
    hooks = ["blocks.1.hook_resid_post", "blocks.2.hook_resid_pre"]
    saes = [
        tiny.sae_folder(folder / name, name, hook, d_sae=8192)
        for name, hook in zip(architectures, hooks, strict=False)
    ]
    model = tiny.family_folder(folder / "model", family)
    # Without data, torch can multiply experts' weights in half precision only.
    dtype = "bfloat16" if family == "qwen3_moe" else "float32"
    names = tuple(map(str, saes))
    settings = Settings(model=str(model), sources=names, slots=4, device="cpu", dtype=dtype)
    runner = ready.load(settings).runner
    gpu.move([runner.model.network, *(source.sae for source in runner.tap.sources)])
    runner._seen = gpu.tensor(runner._seen)
    runner.cache.keys.clear()
    runner.cache.values.clear()
    return runner


KNOBS = [
    Sampling(temperature=0),
    Sampling(temperature=1, top_k=5, top_p=0.5, repetition_penalty=1.2, seed=2**64 - 1),
    Sampling(temperature=0.7),
]


def decoding(*draws: int | None) -> list[Feed]:
    """Feeds of one token each, with all knobs in use; those of None draw nothing."""
    return [
        Feed(slot, [1], 9 + slot, KNOBS[slot % 3], Features((0,), 5), number)
        for slot, number in enumerate(draws)
    ]


@contextmanager
def copies(gpu: FakeGpu) -> Iterator[list[Tensor]]:
    """Replaces a step's two copies, and gives all that the second one takes."""
    found: list[Tensor] = []

    def send(self: Buffers, numbers: Ints) -> Tensor:
        return gpu.tensor(torch.from_numpy(numbers))

    def fetch(self: Buffers, tensors: list[Tensor]) -> list[Any]:
        found.extend([*tensors, packed(tensors)])
        return [np.ones(tensor.shape, np.float32) for tensor in tensors]

    with pytest.MonkeyPatch.context() as patch, gpu:
        patch.setattr(Buffers, "send", send)
        patch.setattr(Buffers, "fetch", fetch)
        yield found


def run(gpu: FakeGpu, runner: ModelRunner, feeds: list[Feed]) -> None:
    """One whole step, which raises if anything between its two copies leaves the device."""
    with copies(gpu) as copied:
        result = runner.run(feeds)
    assert len(result.next_ids) == len(feeds)
    scores = 3 if any(feed.alternatives is not None for feed in feeds) else 0
    assert len(copied) == 3 + 4 * len(result.sources) + 2 * len(result.edited) + scores
    assert {tensor.device for tensor in copied} == {gpu.device}


def capture(gpu: FakeGpu, runner: ModelRunner) -> None:
    """Have decode steps run as captured ones do."""
    slots, context = runner.cache.slots, runner.model.context_length
    with copies(gpu), torch.inference_mode():
        runner._graphs = Graphs(runner._decode, slots, context, 8, gpu.device)
        runner._graphs.capture(lambda compute: compute)


@pytest.mark.parametrize("family", sorted(tiny.FAMILIES))
def test_a_step_of_each_family_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, family: str
) -> None:
    """Steps that decode, eager and captured; that read prompts too; and of which some rows, or
    none, draw a next token."""
    runner = on_gpu(gpu, tmp_path, family, ["standard"])
    prompt = Feed(3, [1] * 11, 2, KNOBS[1], Features((0,), 5), 0)
    part = Feed(2, [1] * 11, 2, KNOBS[1], Features((0,), 5), None)
    for feeds in (decoding(0, 5, 2), [*decoding(1, None), prompt], [part], [part, prompt]):
        run(gpu, runner, feeds)
    capture(gpu, runner)
    for feeds in (decoding(0, 5, 2, 9), decoding(1, None, 3), decoding(None, None)):
        run(gpu, runner, feeds)


@pytest.mark.parametrize("architectures", [["jumprelu", "gated"], ["topk", "standard"]])
def test_a_step_of_each_architecture_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, architectures: list[str]
) -> None:
    runner = on_gpu(gpu, tmp_path, "gpt2", architectures)
    feeds = [replace(feed, features=Features((0, 1), 5)) for feed in decoding(0, 5)]
    run(gpu, runner, feeds)
    capture(gpu, runner)
    run(gpu, runner, feeds)


@pytest.mark.parametrize("architectures", [["jumprelu", "gated"], ["topk", "standard"]])
def test_a_step_with_edits_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, architectures: list[str]
) -> None:
    """Edits of every kind at both sources, in some rows that decode and in a part of a prompt; and
    somebody asks what follows."""
    runner = on_gpu(gpu, tmp_path, "gpt2", architectures)
    edits = (
        Edit(0, 3, Change.SWAP, swap_with=4),
        Edit(0, 4, Change.SET, 2.0),
        Edit(1, 5, Change.ADD, 1.0, everywhere=True),
    )
    prompt = Feed(3, [1] * 11, 2, KNOBS[1], Features((0, 1), 5), 0, edits[:1], 30, True, 4, None)
    feeds = [
        replace(feed, features=Features((0, 1), 5), edits=edits[:n], alternatives=n or None)
        for n, feed in enumerate(decoding(0, 5, None))
    ]
    for several in (feeds, [*feeds, prompt], [replace(prompt, draws=None, next_id=1)], feeds[1:]):
        run(gpu, runner, several)
    capture(gpu, runner)
    run(gpu, runner, feeds)
    run(gpu, runner, [replace(feed, alternatives=3) for feed in decoding(0, 5)])


def test_an_operation_that_leaves_the_device_is_detected(
    gpu: FakeGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = on_gpu(gpu, tmp_path, "gpt2", ["standard"])
    sae = runner.tap.sources[0].sae
    activations = sae._activations
    for leave in (
        lambda x: activations(x.cpu()),
        lambda x: activations(x[[0]]),
        lambda x: activations(x * x.sum().item()),
    ):
        monkeypatch.setattr(sae, "_activations", leave)
        with pytest.raises((AssertionError, RuntimeError)):
            run(gpu, runner, decoding(0))


@pytest.mark.parametrize("top_k", [0, 5])
@pytest.mark.parametrize("top_p", [False, True])
@pytest.mark.parametrize("penalty", [False, True])
def test_sampling_stays_on_the_device(gpu: FakeGpu, top_k: int, top_p: bool, penalty: bool) -> None:
    number, whole = gpu.tensor(torch.ones(ROWS)), gpu.tensor(torch.ones(ROWS, dtype=torch.int64))
    knobs = Knobs(number, whole, number, number, whole, whole, True, penalty, top_p, top_k)
    logits = gpu.tensor(torch.zeros(ROWS, 5000))
    seen = gpu.tensor(torch.zeros(ROWS, 5000, dtype=torch.bool))
    with gpu, torch.inference_mode():
        chosen, logprobs = sample(logits, seen, knobs)
    assert chosen.device == logprobs.device == gpu.device
