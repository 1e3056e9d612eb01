"""Decode steps on a fake GPU without data: no step waits for the device or leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from axon_inference.config import Settings
from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.forward import prepack
from axon_inference.forward.batch import layout, plan
from axon_inference.forward.runner import ModelRunner
from axon_inference.forward.sampling import Knobs, sample
from axon_inference.loading import loading

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
    runner = loading.load(settings).runner
    gpu.move([runner.model.network, *(source.sae for source in runner.tap.sources)])
    runner.cache.keys.clear()
    runner.cache.values.clear()
    return runner


def decode(gpu: FakeGpu, runner: ModelRunner) -> None:
    tokens = gpu.tensor(torch.zeros(4, ROWS, dtype=torch.int64))
    with gpu, torch.inference_mode():
        outputs = runner._decode(tokens)
    assert outputs.logits.shape == (ROWS, runner.model.vocab_size)
    assert {tensor.device for tensor in outputs.tensors()} == {gpu.device}


@pytest.mark.parametrize("family", sorted(tiny.FAMILIES))
def test_a_decode_step_of_each_family_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, family: str
) -> None:
    decode(gpu, on_gpu(gpu, tmp_path, family, ["standard"]))


@pytest.mark.parametrize("architectures", [["jumprelu", "gated"], ["topk", "standard"]])
def test_a_decode_step_of_each_architecture_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, architectures: list[str]
) -> None:
    decode(gpu, on_gpu(gpu, tmp_path, "gpt2", architectures))


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_a_step_that_reads_prompts_too_stays_on_the_device(
    gpu: FakeGpu, tmp_path: Path, family: str
) -> None:
    runner = on_gpu(gpu, tmp_path, family, ["standard"])
    feeds = [
        Feed(0, [1], 9, Sampling(), Features(), 0),
        Feed(1, [1] * 11, 2, Sampling(), Features(), 0),
    ]
    step = plan(feeds)
    tokens, last = gpu.tensor(torch.from_numpy(step.tokens)), gpu.tensor(torch.tensor(step.last))
    with gpu, torch.inference_mode():
        logits = runner._network(tokens, layout(step, tokens), last)
        assert logits.device == runner.tap.read(0, 5).activations.device == gpu.device


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
            decode(gpu, runner)


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
