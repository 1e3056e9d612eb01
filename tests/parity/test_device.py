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
from axon_inference.engine.effects import Trial
from axon_inference.engine.requests import Change, Edit, Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.loading import ready
from axon_inference.loading.ready import Loaded
from axon_inference.model import features, prepack
from axon_inference.step.batch import Buffers, Ints, packed
from axon_inference.step.graphs import Graphs
from axon_inference.step.removals import Removals
from axon_inference.step.runner import ModelRunner
from axon_inference.step.sampling import Knobs, sample
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException

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


def on_gpu(
    gpu: FakeGpu, folder: Path, family: str, architectures: list[str], **settings: Any
) -> Loaded:
    """A runner and a reader whose weights are on the device."""
    hooks = ["blocks.1.hook_resid_post", "blocks.2.hook_resid_pre"]
    # Each SAE enters in another way, and the first reads centred vectors.
    ways: list[dict[str, Any]] = [
        {"model_from_pretrained_kwargs": {"center_writing_weights": True}},
        {"normalize_activations": "layer_norm"},
    ]
    saes = [
        tiny.sae_folder(folder / name, name, hook, d_sae=8192, **way)
        for name, hook, way in zip(architectures, hooks, ways, strict=False)
    ]
    model = tiny.family_folder(folder / "model", family)
    # Without data, torch can multiply experts' weights in half precision only.
    if family in tiny.EXPERTS:
        settings = {"dtype": "bfloat16", **settings}
    names = tuple(map(str, saes))
    loaded = ready.load(
        Settings(model=str(model), sources=names, slots=4, device="cpu", **settings)
    )
    runner = loaded.runner
    gpu.move([runner.model.network, *(source.sae for source in runner.tap.sources)])
    runner._seen = gpu.tensor(runner._seen)
    stored: tuple[dict[Any, Tensor], ...] = (
        runner.cache.keys,
        runner.cache.values,
        runner.cache.states,
    )
    for kept in stored:
        kept.update({layer: gpu.tensor(tensor) for layer, tensor in kept.items()})
    return loaded


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
    every_step(gpu, on_gpu(gpu, tmp_path, family, ["standard"]).runner, Features((0,), 5))


def every_step(gpu: FakeGpu, runner: ModelRunner, wanted: Features) -> None:
    """Steps that decode, eager and captured; that read prompts too; and of which some rows, or
    none, draw a next token."""
    prompt = Feed(3, [1] * 11, 2, KNOBS[1], wanted, 0)
    part = Feed(2, [1] * 11, 2, KNOBS[1], wanted, None)
    for feeds in (decoding(0, 5, 2), [*decoding(1, None), prompt], [part], [part, prompt]):
        run(gpu, runner, [replace(feed, features=wanted) for feed in feeds])
    if runner.model.is_recurrent:
        return  # its steps are not captured
    capture(gpu, runner)
    for feeds in (decoding(0, 5, 2, 9), decoding(1, None, 3), decoding(None, None)):
        run(gpu, runner, [replace(feed, features=wanted) for feed in feeds])


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("architectures", [["jumprelu", "gated"], ["topk", "standard"]])
def test_a_step_of_each_architecture_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, architectures: list[str], family: str
) -> None:
    every_step(gpu, on_gpu(gpu, tmp_path, family, architectures).runner, Features((0, 1), 5))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_step_in_half_precision_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, dtype: str
) -> None:
    loaded = on_gpu(gpu, tmp_path, "llama", ["jumprelu", "standard"], dtype=dtype)
    every_step(gpu, loaded.runner, Features((0, 1), 5))


def test_matching_pursuit_alone_waits_for_the_device(gpu: FakeGpu, tmp_path: Path) -> None:
    """It looks whether it has ended, so its steps cannot be captured."""
    runner = on_gpu(gpu, tmp_path, "gpt2", ["matching_pursuit"]).runner
    with pytest.raises(DataDependentOutputException):
        run(gpu, runner, decoding(0))


def test_slots_change_hands_on_the_device(gpu: FakeGpu, tmp_path: Path) -> None:
    runner = on_gpu(gpu, tmp_path, "gpt2", ["standard"]).runner
    with copies(gpu):
        runner.begin(0, [1, 2])
        runner._lengths = [5, 3, 0, 0]
        runner.swap(0, 1)
        runner.swap(1, 2)
        runner.swap(1, 2)
        runner.copy(1, 3)
        runner.free(0)


def test_what_a_feature_does_is_found_on_the_device(
    gpu: FakeGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the lists of the answer leave it."""
    loaded = on_gpu(gpu, tmp_path, "gpt2", ["jumprelu", "standard"])
    reader = loaded.reader
    unembedding = replace(reader._unembedding, gain=gpu.tensor(reader._unembedding.gain))
    monkeypatch.setattr(reader, "_unembedding", unembedding)
    copied: list[Tensor] = []

    def on_host(ranked: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        copied.extend(ranked)
        return torch.tensor([1]), torch.tensor([0.5])

    with gpu, monkeypatch.context() as patch:
        patch.setattr(features, "_on_host", on_host)
        patch.setattr(features, "inference", lambda _: torch.inference_mode())
        ranked = reader._rank(0, 3)
    assert len(ranked) == 3
    assert [len(tensor) for tensor in copied] == [100] * 6
    assert {tensor.device for tensor in copied} == {gpu.device}


@pytest.mark.parametrize("architectures", [["jumprelu", "gated"], ["topk", "standard"]])
def test_a_step_with_edits_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, architectures: list[str]
) -> None:
    """Edits of every kind at both sources, in some rows that decode and in a part of a prompt; and
    somebody asks what follows."""
    runner = on_gpu(gpu, tmp_path, "gpt2", architectures).runner
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


@pytest.mark.parametrize("architectures", [["jumprelu", "gated"], ["topk", "standard"]])
def test_removals_stay_on_the_device(
    gpu: FakeGpu, tmp_path: Path, architectures: list[str]
) -> None:
    """Of one token and of more, at both sources, in neighbouring slots and others, with edits; only
    some reach the end of their text."""
    loaded = on_gpu(gpu, tmp_path, "gpt2", architectures)
    removals, runner = Removals(loaded.runner), loaded.runner
    edit = Edit(1, 5, Change.ADD, 1.0, everywhere=True)
    text = Feed(3, [1] * 11, 2, KNOBS[0], Features(top_k=0), None, (edit,), 30, True)
    several = [replace(text, slot=slot, draws=0) for slot in (0, 1)]
    for source in (0, 1):
        trials = [
            Trial(replace(text, slot=2, ids=[1], start=12, draws=0), source, 3, [12], [1.5]),
            *(Trial(feed, source, 4, [2, 5, 40], [1.0, 2.0, 3.0]) for feed in several),
            Trial(text, source, 4, [1, 3], [1.0, 2.0]),
        ]
        for some in (trials, trials[:1], trials[1:2], trials[3:]):
            with copies(gpu) as copied:
                removals.measure(some, (3, 4), None)
            assert [tensor.shape for tensor in copied[:1]] == [
                (sum(trial.feed.draws is not None for trial in some), 2)
            ]
    with copies(gpu):
        runner._lengths = [13, 0, 0, 0]
        removals.share(0, [1, 3], 7)


def test_an_operation_that_leaves_the_device_is_detected(
    gpu: FakeGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = on_gpu(gpu, tmp_path, "gpt2", ["standard"]).runner
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
