"""Fake GPUs, which record torch's calls or run operations without data.

`FakeCuda` replaces the calls below torch's own context managers (`torch.cuda.device`,
`torch.cuda.stream`, `torch.cuda.graph`); the context managers themselves are real. `FakeGpu` runs
operations on tensors that have a device and a shape but no data.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode


class Stream:
    """A stream of a device; `default` says whether it is the device's first one."""

    def __init__(self, device: Any, default: bool = False) -> None:
        self.device = torch.device("cuda", _index(device, 0))
        self.default = default

    def wait_stream(self, other: Stream) -> None:
        assert other.device == self.device


class FakeCuda:
    """`count` GPUs. Each thread has a current device and current streams, as with real GPUs.

    Attributes:
        calls: the recorded calls, as (name, index of the device).
        modes: the error mode of each capture.
        broken: the devices that have failed permanently.
        end_fails: whether the end of a capture raises.
        waiting: "error" while waiting for the device is forbidden, else "default".
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int = 2) -> None:
        self.calls: list[tuple[str, int]] = []
        self.modes: list[str] = []
        self.broken: set[int] = set()
        self.end_fails = False
        self.waiting = "default"
        self.pools = 0
        self._thread = threading.local()
        self._defaults = {index: Stream(index, default=True) for index in range(count)}
        fakes: dict[str, Any] = {
            "init": lambda: None,
            "is_available": lambda: True,
            "device_count": lambda: count,
            "current_device": lambda: self.device,
            "_get_device_index": lambda device, *_, **__: _index(device, self.device),
            "_exchange_device": self._exchange,
            "_maybe_exchange_device": self._exchange,
            "current_stream": self._current_stream,
            "set_stream": self._set_stream,
            "synchronize": self._synchronize,
            "empty_cache": lambda: None,
            "set_sync_debug_mode": lambda mode: setattr(self, "waiting", mode),
            "Stream": self._stream,
            "CUDAGraph": lambda: Graph(self),
            "graph_pool_handle": self._pool,
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: None, raising=False)

    @property
    def device(self) -> int:
        """The current device of this thread."""
        return getattr(self._thread, "device", 0)

    @property
    def stream(self) -> Stream:
        """The current stream of this thread on its current device."""
        return self._current_stream()

    def note(self, call: str, device: Any = None) -> None:
        self.calls.append((call, _index(device, self.device)))

    def _exchange(self, index: int) -> int:
        before, self._thread.device = self.device, index
        return before

    def _streams(self) -> dict[int, Stream]:
        if not hasattr(self._thread, "streams"):
            self._thread.streams = dict(self._defaults)
        found: dict[int, Stream] = self._thread.streams
        return found

    def _current_stream(self, device: Any = None) -> Stream:
        return self._streams()[_index(device, self.device)]

    def _set_stream(self, stream: Stream) -> None:
        self._thread.device = stream.device.index
        self._streams()[stream.device.index] = stream

    def _stream(self, device: Any = None) -> Stream:
        self.note("Stream", device)
        return Stream(_index(device, self.device))

    def _pool(self) -> int:
        self.pools += 1
        return self.pools

    def _synchronize(self, device: Any = None) -> None:
        self.note("synchronize", device)
        if _index(device, self.device) in self.broken:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")


class Graph:
    """A graph that captures nothing. With `end_fails`, the end of its capture raises."""

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda = cuda
        self.pool: Any = None

    def capture_begin(self, pool: Any, capture_error_mode: str, **_: Any) -> None:
        assert not self._cuda.stream.default
        self.pool = pool
        self._cuda.note("capture")
        self._cuda.modes.append(capture_error_mode)

    def capture_end(self) -> None:
        if self._cuda.end_fails:
            raise torch.AcceleratorError("CUDA error: operation failed due to a previous error")

    def replay(self) -> None:
        self._cuda.note("replay")


def _index(device: Any, current: int) -> int:
    if device is None:
        return current
    found = device if isinstance(device, int) else torch.device(device).index
    return current if found is None else found


class FakeGpu:
    """A device whose tensors have no data. Inside its `with` block, operations raise that mix
    devices, copy between them, or need a value on the host."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self._mode = FakeTensorMode()
        self._guard = _Guard()

    def __enter__(self) -> FakeGpu:
        self._mode.__enter__()
        self._guard.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._guard.__exit__(*error)
        self._mode.__exit__(*error)

    def tensor(self, real: Tensor) -> Tensor:
        """A tensor like `real`, on the fake device."""
        with self._mode:
            return torch.empty_strided(
                real.shape, real.stride(), dtype=real.dtype, device=self.device
            )

    def move(self, modules: Iterable[nn.Module]) -> None:
        """Replace all parameters and buffers by fake tensors."""
        for module in (part for whole in modules for part in whole.modules()):
            for name, found in module._parameters.items():
                if found is not None:
                    fake = self.tensor(found)
                    module._parameters[name] = nn.Parameter(fake, requires_grad=False)
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = self.tensor(buffer)


class _Guard(TorchFunctionMode):
    """Refuses copies between devices.

    It also replaces some operators (see _DISPATCHED): torch's own ones would call the device's
    driver before they look at the tensor.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is torch.tensor and "cuda" in str(kwargs.get("device")):
            raise AssertionError("torch.tensor copies to the device")
        found = _DISPATCHED.get(function, function)(*args, **kwargs)
        tensors = [value for value in args if isinstance(value, Tensor)]
        if isinstance(found, Tensor) and any(_apart(found, value) for value in tensors):
            raise AssertionError(f"{function.__name__} copies between devices")
        return found


def _apart(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are on different devices; a scalar on the host may be used with any."""
    return first.device != second.device and bool(first.ndim or second.device.type != "cpu")


def _parts(tensor: Tensor, index: Any) -> tuple[Tensor, list[Tensor | None]]:
    """A view by the integers, slices and Nones of an index, and the index's remaining tensors."""
    index = index if isinstance(index, tuple) else (index,)
    rest: list[Tensor | None] = []
    axis = 0
    for at, part in enumerate(index):
        if part is None:
            tensor = tensor.unsqueeze(axis)
        elif part is Ellipsis:
            behind = sum(later is not None for later in index[at + 1 :])
            rest += [None] * (tensor.ndim - axis - behind)
            axis = tensor.ndim - behind
            continue
        elif isinstance(part, slice):
            tensor = torch.ops.aten.slice(tensor, axis, part.start, part.stop, part.step or 1)
        elif isinstance(part, int) and not isinstance(part, bool):
            tensor = tensor.select(axis, part)
            continue
        elif not isinstance(part, Tensor):
            raise AssertionError(f"indexing by {type(part).__name__} copies it to the device")
        axis += 1
        rest.append(part if isinstance(part, Tensor) else None)
    return tensor, rest


def _get(tensor: Tensor, index: Any) -> Tensor:
    view, rest = _parts(tensor, index)
    if all(part is None for part in rest):
        return view
    found: Tensor = torch.ops.aten.index(view, rest)
    return found


def _set(tensor: Tensor, index: Any, value: Any) -> None:
    view, rest = _parts(tensor, index)
    if not isinstance(value, Tensor) and all(part is None for part in rest):
        view.fill_(value)
    elif not isinstance(value, Tensor):
        torch.ops.aten.index_put_(view, rest, view.new_full((), value))
    elif all(part is None for part in rest):
        torch.ops.aten.copy_(view, value)
    else:
        torch.ops.aten.index_put_(view, rest, value)


_DISPATCHED = {
    Tensor.__getitem__: _get,
    Tensor.__setitem__: _set,
    Tensor.__invert__: torch.bitwise_not,
    Tensor.copy_: torch.ops.aten.copy_,
}
