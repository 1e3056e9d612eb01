"""What the device did during one step: kernels, copies, and the gaps between them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_STEP = "axon step"
#: The kind of event that marks it on the host; it may be marked on the device, too.
_HOST = "user_annotation"
_STEPS = 5
_ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")
#: On a CPU, a rehearsal shows operators.
_ON_CPU = ("cpu_op",)
_MOST_EVENTS = 800


def profiled(step: Callable[[], None], device: torch.device) -> dict[str, Any]:
    """The timeline of the middle one of several steps; see `read`."""
    from torch.profiler import ProfilerActivity, profile, record_function

    gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]
    with profile(activities=activities) as profiler:
        for _ in range(_STEPS):
            with record_function(_STEP):
                step()
        if gpu:
            torch.cuda.synchronize(device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(errors="replace"))["traceEvents"]
    return read(events, _ON_GPU if gpu else _ON_CPU)


def read(trace: list[dict[str, Any]], kinds: tuple[str, ...]) -> dict[str, Any]:
    """One step of a trace in Chrome's format, times in microseconds.

    A step lasts from its beginning on the host to that of the next: a GPU may work on when the host
    has already gone on. Events of one moment on several streams count once.

    Raises:
        ValueError: there are no steps, or nothing ran in one.
    """
    starts = sorted(e["ts"] for e in trace if e.get("name") == _STEP and e.get("cat") == _HOST)
    if len(starts) < 2:
        raise ValueError("the profiler recorded no steps")
    middle = (len(starts) - 1) // 2
    begin, end = starts[middle], starts[middle + 1]
    events = sorted(
        (
            (e["ts"] - begin, e["dur"], e["cat"], str(e["name"]))
            for e in trace
            if e.get("cat") in kinds and begin <= e.get("ts", 0) < end and "dur" in e
        ),
        key=lambda event: (event[0], -event[1]),
    )
    if not events:
        raise ValueError("the profiler recorded nothing that ran on the device")
    busy, longest, until = 0.0, events[0][0], 0.0
    for start, took, *_ in events:
        longest = max(longest, start - until)
        busy += max(0.0, start + took - max(start, until))
        until = max(until, start + took)
    total: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for _, took, _, name in events:
        total[name] += took
        calls[name] += 1
    length = max(end - begin, until)
    copies = [took for _, took, kind, _ in events if kind in ("gpu_memcpy", "gpu_memset")]
    return {
        "step_us": round(length, 1),
        "busy_us": round(busy, 1),
        "gaps_us": round(length - busy, 1),
        "longest_gap_us": round(max(longest, length - until), 1),
        "kernels": len(events) - len(copies),
        "copies": len(copies),
        "copies_us": round(sum(copies), 1),
        "longest": [
            {"name": name[:120], "calls": calls[name], "us": round(us, 1)}
            for name, us in total.most_common(15)
        ],
        "events": [
            [round(start, 1), round(took, 1), kind, name[:60]]
            for start, took, kind, name in events[:_MOST_EVENTS]
        ],
    }
