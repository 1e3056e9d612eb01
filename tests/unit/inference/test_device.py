from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from axon_inference.config import DTYPES, Settings
from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.loading import memory, ready
from axon_inference.model import device
from axon_inference.model.device import DeviceError
from axon_inference.step.graphs import CudaCapture
from axon_service.settings import SettingsError

from ... import tiny
from ...fake_cuda import FakeCuda


def test_auto_takes_the_cpu_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose("auto") == torch.device("cpu")
    assert device.choose("cpu") == torch.device("cpu")


def test_a_build_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(DeviceError, match=r"a build for the CPU alone: .*TORCH=cuda"):
        device.choose("cuda")


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise RuntimeError("Found no NVIDIA driver on your system. Please check\nmore")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", init)
    with pytest.raises(DeviceError) as refused:
        device.choose("cuda:1")
    text = str(refused.value)
    assert text.startswith("AXON_DEVICE=cuda:1, but no GPU can be used: Found no NVIDIA driver")
    assert "toolkit" in text
    assert "\n" not in text


def test_a_gpu_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.choose("cuda:1") == torch.device("cuda:1")
    assert device.choose("cuda") == torch.device("cuda:0")
    with pytest.raises(DeviceError, match="AXON_DEVICE=cuda:9, but the GPUs here are cuda:0 to"):
        device.choose("cuda:9")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DeviceError, match=r"AXON_DEVICE=cuda:12, .* the only GPU here is cuda:0"):
        device.choose("cuda:12")


def test_loading_makes_the_device_current(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    seen = []

    def load(selection: Any, settings: Settings, where: torch.device, *_: Any) -> None:
        seen.append((where, cuda.device))

    monkeypatch.setattr(ready, "_load", load)
    ready.load(Settings(device="cuda:1"))
    assert seen == [(torch.device("cuda:1"), 1)]
    assert cuda.device == 0


def test_the_memory_checked_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(monkeypatch)
    free = {torch.device("cuda:0"): 5, torch.device("cuda:1"): 7}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda where: (free[where], 10))
    assert memory._available(device.choose("cuda:1")) == 7
    assert memory._available(device.choose("cuda")) == 5


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
@pytest.mark.parametrize("graphs", ["auto", "off"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_settings_of_a_gpu_reach_what_they_are_for(
    monkeypatch: pytest.MonkeyPatch, name: str, graphs: str, dtype: str
) -> None:
    cuda = FakeCuda(monkeypatch)
    environment = {"AXON_DEVICE": name, "AXON_GRAPHS": graphs, "AXON_DTYPE": dtype}
    settings = Settings.from_environment({**environment, "AXON_SLOTS": "3"})
    asked: dict[str, Any] = {}

    class Reached(Exception):
        pass

    def load_model(selection: Any, settings: Settings, where: torch.device, report: Any) -> Any:
        asked.update(dtype=settings.dtype, where=where)
        return SimpleNamespace(device=where), 3, None

    def runner(model: Any, sources: Any, slots: int, top_k: int, capture: Any) -> Any:
        asked.update(capture=capture, current=cuda.device)
        raise Reached

    monkeypatch.setattr(ready, "_load_model", load_model)
    monkeypatch.setattr(
        ready, "load_source", lambda spec, model, dtype: SimpleNamespace(id=str(spec))
    )
    monkeypatch.setattr(ready, "ModelRunner", runner)
    with pytest.raises(Reached):
        ready.load(settings)
    index = 1 if name == "cuda:1" else 0
    assert asked["where"] == torch.device("cuda", index)
    assert asked["current"] == index
    assert asked["dtype"] == dtype
    assert isinstance(asked["capture"], CudaCapture) is (graphs == "auto")
    streams = [where for call, where in cuda.calls if call == "Stream"]
    assert streams == ([index] if graphs == "auto" else [])


def test_a_part_of_a_gpu_is_chosen_by_what_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its id (MIG-...) is for CUDA_VISIBLE_DEVICES or the container; in there it is cuda:0."""
    with pytest.raises(SettingsError, match="auto, cpu, cuda or cuda:N"):
        Settings.from_environment({"AXON_DEVICE": "MIG-4f3c8e8a-1b5c-5a5e-9d7c-0c7c3a1c2b11"})
    FakeCuda(monkeypatch, count=1)
    assert device.choose("cuda") == torch.device("cuda:0")


def test_every_call_makes_the_device_current_for_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls are the engine's steps, moves and releases, and the reading of a feature."""
    model = tiny.gpt2_folder(tmp_path / "model")
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_post")
    loaded = ready.load(Settings(model=str(model), sources=(str(sae),), device="cpu"))
    entered: list[torch.device] = []

    def inference(where: torch.device) -> AbstractContextManager[None]:
        entered.append(where)
        return device.inference(where)

    monkeypatch.setattr("axon_inference.step.runner.inference", inference)
    monkeypatch.setattr("axon_inference.model.features.inference", inference)
    step = Feed(0, [1, 2], 0, Sampling(), Features(), 0)
    runner = loaded.runner
    calls: list[Callable[[], Any]] = [
        lambda: runner.begin(0, [1]),
        lambda: runner.run([step]),
        lambda: runner.swap(0, 1),
        lambda: runner.free(0),
        lambda: loaded.reader.read(0, 3, 5),
    ]
    for call in calls:
        entered.clear()
        call()
        assert set(entered) == {torch.device("cpu")}
