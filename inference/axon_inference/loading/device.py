"""Where to compute: what AXON_DEVICE asks for, or why that cannot be had."""

from __future__ import annotations

import torch

from axon_inference.catalog.files import Unservable


class DeviceError(Unservable):
    """A GPU is asked for that cannot be used; the message says what to do."""


def choose(name: str) -> torch.device:
    """The device that `name` (auto, cpu, cuda, cuda:N) means here.

    Raises:
        DeviceError: there is no such GPU, or no driver or no build of torch for it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        _require_gpu(name, device.index or 0)
    return device


def _require_gpu(name: str, index: int) -> None:
    if torch.version.cuda is None:
        raise DeviceError(
            f"AXON_DEVICE={name}, but this torch is a build for the CPU alone: install one for "
            "CUDA (make setup TORCH=cuda, or the CUDA image), or set AXON_DEVICE=cpu"
        )
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        why = str(error).strip().partition("\n")[0].rstrip(".")
        raise DeviceError(
            f"AXON_DEVICE={name}, but no GPU can be used: {why}. Does nvidia-smi work here? A "
            "container needs the NVIDIA container toolkit on its host, and the GPU reserved for it"
        ) from error
    if index >= (count := torch.cuda.device_count()):
        last = f"cuda:{count - 1}"
        raise DeviceError(f"AXON_DEVICE={name}, but the GPUs here are cuda:0 to {last}")
