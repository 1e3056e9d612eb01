from __future__ import annotations

import pytest
import torch
from axon_inference.forward import device
from axon_inference.forward.device import DeviceError


def test_auto_takes_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_gpu_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.choose("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="cuda:0 to cuda:1"):
        device.choose("cuda:2")
