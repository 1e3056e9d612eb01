"""How fast memory is read, which limits how fast tokens can be computed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from .subject import Subject

#: Much larger than any cache, and about the size of a model's weights.
_BYTES = 2**30
_COLUMNS = 1024
_TRIES = 3


class Bandwidth:
    """Reads an array of about the weights' size with all of torch's threads."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._weights = torch.ones(_BYTES // 4 // _COLUMNS, _COLUMNS, device=device)
        self._vector = torch.ones(_COLUMNS, device=device)

    def measure(self) -> float:
        """Bytes read a second: the fastest of several sums and matrix-vector products."""
        ways = (self._weights.sum, lambda: self._weights @ self._vector)
        return max(self._rate(read) for read in ways for _ in range(_TRIES))

    def _rate(self, read: Callable[[], object]) -> float:
        self._wait()
        began = time.perf_counter()
        read()
        self._wait()
        return _BYTES / (time.perf_counter() - began)

    def _wait(self) -> None:
        if self._device != "cpu":
            torch.cuda.synchronize()


def weights_read(subject: Subject) -> int:
    """Bytes of weights that a token of one stream reads: all layers, the head, the SAE's encoder.

    The head shares its weight with the token embedding, so that is counted once. The position
    embedding and the few rows of the decoder that rebuild a vector are not counted.
    """
    model = _sizes(subject.model / "model.safetensors")
    sae = _sizes(subject.sae / "sae_weights.safetensors")
    positions = sum(size for name, size in model.items() if name.endswith("wpe.weight"))
    return sum(model.values()) - positions + sae["W_enc"] + sae["b_enc"]


def weights_held(subject: Subject) -> int:
    """Bytes of all weights of model and SAE, as stored."""
    files = (subject.model / "model.safetensors", subject.sae / "sae_weights.safetensors")
    return sum(sum(_sizes(file).values()) for file in files)


def _sizes(file: Path) -> dict[str, int]:
    """Bytes of each tensor in a safetensors file of float32."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as tensors:
        shapes = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
    sizes = {}
    for name, shape in shapes.items():
        sizes[name] = 4
        for extent in shape:
            sizes[name] *= extent
    return sizes
