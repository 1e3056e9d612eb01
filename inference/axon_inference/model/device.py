"""The device: which one it is, making it a thread's own, and whether it still works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from axon_inference.errors import Unservable


class DeviceError(Unservable):
    """A GPU is asked for that cannot be used; the message says what to do."""


def choose(name: str) -> torch.device:
    """The device that `name` (auto, cpu, cuda, cuda:N) means here, a GPU always with its index.

    Raises:
        DeviceError: there is no such GPU, or no driver or no build of torch for it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type != "cuda":
        return device
    _require_gpu(name, device.index or 0)
    return torch.device("cuda", device.index or 0)


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
        there = "the only GPU here is cuda:0"
        if count > 1:
            there = f"the GPUs here are cuda:0 to cuda:{count - 1}"
        raise DeviceError(f"AXON_DEVICE={name}, but {there}: set AXON_DEVICE to one that exists")


def current(device: torch.device) -> AbstractContextManager[None]:
    """Make `device` the current one of this thread.

    Every thread begins with cuda:0 as its current device, and that is where streams, graphs and
    synchronisation go unless told otherwise.
    """
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@contextmanager
def inference(device: torch.device) -> Iterator[None]:
    """Run torch without autograd, with `device` as the current one of this thread."""
    with current(device), torch.inference_mode():
        yield


def lost(device: torch.device) -> bool:
    """Whether a GPU has failed for good. After a fault in a kernel, every later call fails too."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return True
    return False
