"""Decode steps as captured CUDA graphs: one launch a step, whatever the model's depth.

A graph replays fixed kernels on fixed addresses, so each has static inputs and outputs and is
made for one shape: so many rows (a bucket), so many positions (another), so many features of
given sources. A step takes the smallest graph that holds it; rows to spare are masked. Hooks
fire while a graph is captured, so tap, encode and top-k are inside. Sampling stays outside, on
the device too: its knobs choose which kernels run.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from axon_inference.forward.batch import Ints, Plan
from axon_inference.forward.tap import Strongest

_log = logging.getLogger(__name__)

# Beyond the shapes made at start-up others are made when first needed, and the least recently
# used go: a shape takes some tens of megabytes.
_MOST = 96
_SHORTEST = 128


@dataclass(frozen=True)
class Shape:
    """What a graph is made for. `k` counts features of each of `sources`."""

    rows: int
    length: int
    sources: tuple[int, ...]
    k: int


@dataclass(frozen=True)
class Outputs:
    """Logits [rows, vocabulary], and features by source, of a step's tokens."""

    logits: Tensor
    features: dict[int, Strongest]


Compute = Callable[[Tensor, Shape], Outputs]
Replay = Callable[[], None]
# Runs a function once for its outputs, and gives a way to run it again onto the same outputs.
Capture = Callable[[Callable[[], Outputs]], tuple[Replay, Outputs]]


class Graphs:
    """Captured decode steps by shape.

    Args:
        compute: tokens [4, rows] on the device and a shape to outputs; what is captured.
        slots: the most rows.
        context_length: the most positions; the one after them is the spare one.
        device: where.
        capture: how; `cuda_capture()` unless in a test.
    """

    def __init__(
        self,
        compute: Compute,
        slots: int,
        context_length: int,
        device: torch.device,
        capture: Capture,
    ) -> None:
        self._compute = compute
        self._context_length = context_length
        self._device = device
        self._capture = capture
        self.rows = _buckets(1, slots)
        self.lengths = _buckets(min(_SHORTEST, context_length), context_length)
        self._made: OrderedDict[Shape, tuple[Tensor, Replay, Outputs]] = OrderedDict()

    def shape(self, plan: Plan, sources: tuple[int, ...], k: int) -> Shape | None:
        """The shape that holds a step; None for one that no graph can run."""
        in_place = np.array_equal(plan.tokens[2], np.arange(plan.n_decode))
        if plan.spans or not plan.n_decode or not in_place:
            return None
        return Shape(
            rows=next(rows for rows in self.rows if rows >= plan.n_decode),
            length=next(n for n in self.lengths if n >= plan.decode_length),
            sources=sources,
            k=_power_of_two(k),
        )

    def run(self, shape: Shape, plan: Plan) -> Outputs:
        """A step's outputs; rows beyond the plan's mean nothing. Valid until the next run."""
        tokens, replay, outputs = self._get(shape)
        host = torch.from_numpy(plan.padded(shape.rows, self._context_length))
        tokens.copy_(host, non_blocking=True)
        replay()
        return outputs

    def prepare(self, sources: tuple[int, ...], k: int) -> None:
        """Make the graphs of every row and length bucket, the largest first: smaller ones then
        fit into the memory that it took."""
        for rows in reversed(self.rows):
            for length in reversed(self.lengths):
                self._get(Shape(rows, length, sources, _power_of_two(k)))
            _log.info("captured decode graphs for %d rows", rows)

    def _get(self, shape: Shape) -> tuple[Tensor, Replay, Outputs]:
        if shape not in self._made:
            self._made[shape] = self._make(shape)
            if len(self._made) > _MOST:
                self._made.popitem(last=False)
        self._made.move_to_end(shape)
        return self._made[shape]

    def _make(self, shape: Shape) -> tuple[Tensor, Replay, Outputs]:
        empty: Ints = Plan.nothing().padded(shape.rows, self._context_length)
        tokens = torch.from_numpy(empty).to(self._device)
        replay, outputs = self._capture(lambda: self._compute(tokens, shape))
        return tokens, replay, outputs


def cuda_capture() -> Capture:
    """Capture into CUDA graphs that share one memory pool."""
    pool = torch.cuda.graph_pool_handle()

    def capture(compute: Callable[[], Outputs]) -> tuple[Replay, Outputs]:
        # The first runs choose algorithms and allocate what must not be allocated in a capture.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            outputs = compute()
        return graph.replay, outputs

    return capture


def _buckets(smallest: int, largest: int) -> list[int]:
    """Powers of two from `smallest`, and `largest` itself."""
    found = []
    while smallest < largest:
        found.append(smallest)
        smallest *= 2
    return [*found, largest]


def _power_of_two(k: int) -> int:
    """At least 16, so that few shapes serve all requests."""
    return 0 if k == 0 else max(16, 1 << (k - 1).bit_length())
