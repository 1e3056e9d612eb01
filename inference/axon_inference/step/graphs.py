"""Decode steps as captured CUDA graphs: one launch a step, whatever the model's depth.

A graph replays fixed kernels on fixed addresses. Each graph here is made for a number of rows. All
else is the same in all graphs: they look at the whole context, read every source, and find
`top_k` features of each. They share a step's numbers and one set of outputs. A step takes the
smallest graph with enough rows; the rows to spare are masked. A request that wants fewer
features, or fewer sources, gets a part of the outputs. So the graphs are all made before serving
begins, and no request can cause a capture.

Hooks fire while a graph is captured, so the tap, encoding and top-k are inside. Sampling stays
outside, on the device too, because its knobs choose which kernels run.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import DeviceLost, Feed
from axon_inference.model.device import current, lost
from axon_inference.model.sae import Strongest
from axon_inference.step.batch import Buffers, Plan, Row, padding, plan

_log = logging.getLogger(__name__)


# The strongest features of a row by which a graph is compared: weaker ones may lie so near their
# threshold that rounding decides about them.
_COMPARED = 16


class GraphError(RuntimeError):
    """A captured step does not do what it should, so it must not serve."""


@dataclass(frozen=True)
class Outputs:
    """Logits [rows, vocabulary], and each source's features, of a step's tokens."""

    logits: Tensor
    features: tuple[Strongest, ...]

    def tensors(self) -> list[Tensor]:
        """All of it, each [rows, ...]."""
        return [self.logits, *chain.from_iterable(self.features)]

    def copied(self) -> Outputs:
        """The same in memory of its own."""
        features = tuple(Strongest(*map(torch.clone, found)) for found in self.features)
        return Outputs(self.logits.clone(), features)


Compute = Callable[[Tensor], Outputs]
Replay = Callable[[], None]
# Takes a function, and returns a way to run it again that has the same effects.
Capture = Callable[[Callable[[], None]], Replay]


class Graphs:
    """Captured decode steps by number of rows.

    Args:
        compute: a step's numbers on the device to its outputs, `top_k` features of each source.
        slots: the most rows.
        context_length: the most positions; the one after them is the spare one.
        top_k: how many features `compute` finds.
        device: where the tokens are.
    """

    def __init__(
        self,
        compute: Compute,
        slots: int,
        context_length: int,
        top_k: int,
        device: torch.device,
    ) -> None:
        self.top_k = top_k
        self._compute = compute
        self._slots = slots
        self._spare = context_length
        self._padding = padding(slots, self._spare)
        self._buffers = Buffers(device)
        #: Those of the last step that was run, one column for each slot.
        self.numbers = self._buffers.send(self._padding)
        self._outputs = compute(self.numbers).copied()
        self._replays: dict[int, Replay] = {}

    @property
    def rows(self) -> list[int]:
        """The numbers of rows that there is a graph for, rising."""
        return sorted(self._replays)

    @property
    def wanted(self) -> list[int]:
        """The numbers of rows that there should be a graph for, rising."""
        return row_buckets(self._slots)

    def capture(self, capture: Capture) -> None:
        """Make all graphs, the largest first: smaller ones then fit into the memory it took.

        A number of rows that cannot be captured takes a larger graph, or runs eagerly.

        Raises:
            DeviceLost: the device failed meanwhile.
        """
        failed: dict[int, RuntimeError] = {}
        for rows in reversed(self.wanted):
            try:
                self._replays[rows] = capture(partial(self._step, rows))
            except DeviceLost:
                raise
            except RuntimeError as error:
                failed[rows] = error
        if self._replays:
            _log.info("captured decode steps of %s rows", ", ".join(map(str, self.rows)))
        if failed:
            _log.warning(
                "decode steps of %s rows run without a CUDA graph, because capturing failed: %s",
                ", ".join(map(str, sorted(failed))),
                " ".join(str(next(iter(failed.values()))).split()),
            )

    def check(self, eager: Callable[[Plan], Outputs]) -> None:
        """Run a step by each graph and eagerly, and compare.

        Raises:
            GraphError: they differ by more than rounding.
        """
        for rows in self.rows:
            for name, (share, most) in self.differences(rows, eager).items():
                if not share <= most:  # also for NaN
                    raise GraphError(
                        f"a captured decode step of {rows} rows gives other {name} than the same "
                        "step run eagerly; set AXON_GRAPHS=off to serve without captured steps"
                    )

    def differences(
        self, rows: int, eager: Callable[[Plan], Outputs]
    ) -> dict[str, tuple[float, float]]:
        """By how much the graph for so many rows and the same step run eagerly differ.

        For logits, and each source's features and errors: the largest difference, and the most
        that rounding explains, both as shares of the largest value.
        """
        # Another step for each graph: what an earlier one left in the outputs must not pass.
        step = plan([self._feed(slot, rows + 17 * slot) for slot in range(rows)])
        captured, want = self.run(step, k=0), eager(step)
        assert captured is not None
        most = 1e-4 if want.logits.dtype == torch.float32 else 0.05
        names, found = _comparable(captured)
        pairs = zip(found, _comparable(want)[1], strict=True)
        shares = [_difference(ours[:rows], theirs) for ours, theirs in pairs]
        return {name: (share, most) for name, share in zip(names, shares, strict=True)}

    def _feed(self, slot: int, number: int) -> Feed:
        token, position = number % self._outputs.logits.shape[-1], number % self._spare
        return Feed(slot, [token], position, Sampling(temperature=0), Features(), 0)

    def run(self, step: Plan, k: int) -> Outputs | None:
        """A step's outputs, or None if no graph can run it and find `k` features.

        Rows beyond the step's mean nothing. The outputs are valid until the next run.
        """
        rows = next((rows for rows in self.rows if rows >= step.n_decode), None)
        in_place = np.array_equal(step.numbers[Row.SLOT], np.arange(step.n_decode))
        if rows is None or step.spans or not step.n_decode or not in_place or k > self.top_k:
            return None
        numbers = self._padding.copy()
        numbers[:, : step.n_decode] = step.numbers
        self._buffers.send(numbers)
        self._replays[rows]()
        return self._outputs

    def _step(self, rows: int) -> None:
        found = self._compute(self.numbers[:, :rows])
        for kept, new in zip(self._outputs.tensors(), found.tensors(), strict=True):
            kept[:rows].copy_(new)


def _comparable(outputs: Outputs) -> tuple[list[str], list[Tensor]]:
    """Logits, then each source's strongest activations and errors, [rows, ...], with names."""
    names, tensors = ["logits"], [outputs.logits]
    for source, best in enumerate(outputs.features):
        names += [f"features of source {source}", f"reconstruction errors of source {source}"]
        tensors += [best.activations[:, :_COMPARED], best.error]
    return names, tensors


def _difference(found: Tensor, wanted: Tensor) -> float:
    """The largest difference between two tensors, as a share of the largest value or of 1."""
    difference = (found.float() - wanted.float()).abs().max()
    return float(difference / wanted.float().abs().max().clamp_min(1))


class CudaCapture:
    """Captures into CUDA graphs of one device, which share a stream and a pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._failed: list[torch.cuda.CUDAGraph] = []

    def __call__(self, compute: Callable[[], None]) -> Replay:
        """Capture on the calling thread.

        Raises:
            DeviceLost: the device failed.
            RuntimeError: this cannot be captured. The device works on.
        """
        with current(self._device):
            try:
                return self._capture(compute)
            except RuntimeError as error:
                if lost(self._device):
                    raise DeviceLost(str(error)) from error
                raise

    def _capture(self, compute: Callable[[], None]) -> Replay:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        graph = torch.cuda.CUDAGraph()
        # torch.cuda.graph leaves its stream current if a capture fails, hence the outer context.
        with torch.cuda.stream(self._stream):
            compute()  # chooses algorithms and allocates what a capture must not
            with _no_waiting():
                compute()
            try:
                # Other threads may allocate meanwhile, which would end a global capture.
                with torch.cuda.graph(
                    graph, self._pool, self._stream, capture_error_mode="thread_local"
                ):
                    compute()
            except RuntimeError:
                # torch's allocator still refers to this graph and its pool.
                self._failed.append(graph)
                self._pool = torch.cuda.graph_pool_handle()
                raise
        return graph.replay


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Raise RuntimeError where the host would wait for the device, which no capture survives.

    Seen here, nothing else is harmed; a failed capture leaves its traces in torch's allocator.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is experimental
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def row_buckets(slots: int) -> list[int]:
    """1, 2, 4, 8, then every multiple of 8, up to `slots`, which is always there."""
    return [n for n in (1, 2, 4, 8, *range(16, slots, 8)) if n < slots] + [slots]
