"""Capturing CUDA graphs on fake GPUs: the device and stream used, and failures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import DeviceLost, Feed
from axon_inference.model import device
from axon_inference.model.sae import Strongest
from axon_inference.step.batch import Plan, plan
from axon_inference.step.graphs import CudaCapture, Graphs, Outputs, Replay, row_buckets

from ...fake_cuda import FakeCuda

CONTEXT, TOP_K = 9, 4


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


def nothing() -> None:
    """A step that does nothing."""


@pytest.mark.parametrize(("name", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_a_capture_uses_the_device_asked_for(cuda: FakeCuda, name: str, index: int) -> None:
    seen: list[tuple[int, int, bool]] = []

    def step() -> None:
        seen.append((cuda.device, cuda.stream.device.index, cuda.stream.default))

    replay = CudaCapture(device.choose(name))(step)
    assert seen == [(index, index, False)] * 3
    assert {where for _, where in cuda.calls} == {index}
    assert cuda.modes == ["thread_local"]
    assert cuda.device == 0
    assert cuda.stream.default
    with device.inference(device.choose(name)):
        replay()
    assert cuda.calls[-1] == ("replay", index)


def test_a_thread_has_the_device_while_it_works(cuda: FakeCuda) -> None:
    seen = []

    def work() -> None:
        seen.append(cuda.device)
        with device.inference(torch.device("cuda:1")):
            seen.append(cuda.device)
        seen.append(cuda.device)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0, 1, 0]


def test_after_a_failed_capture_the_stream_is_restored_and_the_next_one_works(
    cuda: FakeCuda,
) -> None:
    """In torch the end of a failed capture raises too, and its stream stays current."""
    capture = CudaCapture(torch.device("cuda:1"))

    def step() -> None:
        if "capture" in dict(cuda.calls):
            raise torch.AcceleratorError("CUDA error: operation not permitted")

    cuda.end_fails = True
    with pytest.raises(torch.AcceleratorError, match="previous error"):
        capture(step)
    assert cuda.stream.default
    assert cuda.device == 0
    cuda.end_fails = False
    capture(nothing)
    assert cuda.pools == 2  # the allocator still holds the failed capture's pool


def test_a_step_that_waits_for_the_device_is_not_captured(cuda: FakeCuda) -> None:
    def step() -> None:
        if cuda.waiting == "error":
            raise RuntimeError("called a synchronizing CUDA operation")

    with pytest.raises(RuntimeError, match="synchronizing"):
        CudaCapture(torch.device("cuda:1"))(step)
    assert cuda.waiting == "default"
    assert cuda.stream.default
    assert not cuda.modes


def test_the_failure_of_a_device_differs_from_the_failure_of_a_capture(cuda: FakeCuda) -> None:
    def step() -> None:
        cuda.broken.add(1)
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    with pytest.raises(DeviceLost, match="launch failure"):
        CudaCapture(torch.device("cuda:1"))(step)
    assert not device.lost(torch.device("cuda:0"))
    assert not device.lost(torch.device("cpu"))


def decoding(rows: int, *, first: int = 0) -> Plan:
    slots = range(first, first + rows)
    return plan([Feed(n, [n], 2, Sampling(), Features(), 0) for n in slots])


def graphs(slots: int = 20) -> Graphs:
    def compute(tokens: torch.Tensor) -> Outputs:
        column = tokens[0].float()
        wide = column[:, None].expand(-1, TOP_K)
        return Outputs(column[:, None] * 2, (Strongest(wide.long(), wide, column.long(), column),))

    return Graphs(compute, slots, CONTEXT, TOP_K, torch.device("cpu"))


class Capturing:
    """Refuses to capture some numbers of rows; records which graphs ran."""

    def __init__(self, *refused: int) -> None:
        self.refused = refused
        self.ran: list[int] = []

    def __call__(self, compute: Any) -> Replay:
        [rows] = compute.args
        if rows in self.refused:
            raise torch.AcceleratorError("CUDA error: capture\nsecond line")
        return lambda: (self.ran.append(rows), compute())[1]


def test_the_numbers_of_rows_that_are_captured() -> None:
    assert row_buckets(1) == [1]
    assert row_buckets(5) == [1, 2, 4, 5]
    assert row_buckets(16) == [1, 2, 4, 8, 16]
    assert row_buckets(30) == [1, 2, 4, 8, 16, 24, 30]


def test_a_step_takes_the_smallest_graph_that_holds_it() -> None:
    made, capture = graphs(), Capturing()
    made.capture(capture)
    for rows in (1, 3, 8, 9, 17, 20):
        outputs = made.run(decoding(rows), TOP_K)
        assert outputs is not None
        assert outputs.logits[:rows, 0].tolist() == [2 * n for n in range(rows)]
        assert outputs.features[0].ids[:rows, 0].tolist() == list(range(rows))
    assert capture.ran == [1, 4, 8, 16, 20, 20]


def test_all_graphs_share_their_outputs() -> None:
    made = graphs()
    made.capture(Capturing())
    first, second = made.run(decoding(1), 0), made.run(decoding(20), 0)
    assert first is second


@pytest.mark.parametrize(
    ("step", "k"),
    [
        (lambda: decoding(2), TOP_K + 1),
        (lambda: decoding(2, first=1), 0),
        (lambda: plan([Feed(0, [1, 2], 0, Sampling(), Features(), 0)]), 0),
    ],
)
def test_a_step_that_fits_no_graph_is_not_run(step: Callable[[], Plan], k: int) -> None:
    made = graphs()
    made.capture(Capturing())
    assert made.run(step(), k) is None


def test_rows_that_cannot_be_captured_use_a_larger_graph(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, capture = graphs(), Capturing(4, 20)
    with caplog.at_level(logging.WARNING):
        made.capture(capture)
    [line] = caplog.messages
    assert line.startswith("decode steps of 4, 20 rows run without a CUDA graph")
    assert line.endswith("CUDA error: capture second line")
    assert made.run(decoding(3), 0) is not None
    assert capture.ran == [8]
    assert made.run(decoding(17), 0) is None


def test_a_lost_device_ends_capturing() -> None:
    def lose(compute: Callable[[], None]) -> Replay:
        raise DeviceLost("gone")

    with pytest.raises(DeviceLost):
        graphs().capture(lose)
