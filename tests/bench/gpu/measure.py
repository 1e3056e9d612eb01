"""All measurements of one case: `python -m tests.bench.gpu.measure CASE FILE`.

Each is written to the file as soon as it is there. One that fails is named, and the rest goes on.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from axon_inference.engine.events import Event, Tokens
from axon_inference.engine.requests import Request, Sampling
from axon_inference.model.device import inference
from axon_inference.step.graphs import Graphs
from axon_inference.step.runner import ModelRunner
from torch import Tensor

from ..ours import FEATURES, Runs
from ..stats import Measured
from .case import Case, Subject, encode, points, residuals, runner, subject, text, tokenizer
from .timeline import profiled

#: Prompt tokens that a step reads, as in the service on a GPU.
_PREFILL = 512
#: A read of memory, for what its speed allows.
_READ_BYTES = 2**30


@dataclass(frozen=True)
class Tolerance:
    """How far results may be from those in float64.

    `typical` and `largest` are the median and the maximum over all positions and sources of the
    largest difference of activations, as a share of the largest activation there. `loss` is what a
    chosen token's log-probability may lack to that of the best token. `overlap` is the least mean
    share of the strongest features that are the same ones.
    """

    typical: float
    largest: float
    loss: float
    overlap: float


#: With these random weights small differences grow more from layer to layer than with trained ones.
#: bfloat16 rounds to 8 bits, TF32 to 11 and only what enters a product, so a quarter is left of
#: bfloat16's differences.
TOLERANCES = {
    "float32": Tolerance(2e-4, 2e-3, 1e-2, 0.99),
    "tf32": Tolerance(0.04, 0.3, 0.3, 0.94),
    "bfloat16": Tolerance(0.15, 1.0, 1.0, 0.85),
}


@dataclass
class Record:
    """What was found, by name, in a file."""

    path: Path
    found: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, measure: Callable[[], Any]) -> None:
        """Keep what `measure` returns, or why it failed."""
        began = time.perf_counter()
        try:
            self.found[name] = measure()
            outcome = json.dumps(self.found[name])
        except Exception as error:
            traceback.print_exc()
            why = " ".join(str(error).split())[:600]
            self.failed[name] = f"{type(error).__name__}: {why}"
            outcome = f"FAILED: {self.failed[name]}"
        print(f"  {name} ({time.perf_counter() - began:.1f} s): {outcome[:300]}", flush=True)
        self.path.write_text(json.dumps({"found": self.found, "failed": self.failed}))


class Differs(Exception):
    """Results are farther from the exact ones than the tolerance allows."""


class Bench:
    """The measurements of a case, in the order of `PARTS`."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.device = torch.device(case.device)

    @cached_property
    def subject(self) -> Subject:
        """Model and sources."""
        return subject(self.case)

    @cached_property
    def runs(self) -> Runs:
        """The engine over captured steps; over eager ones, if capturing them failed."""
        return Runs(runner(self.case, self.subject), tokenizer(self.case), _PREFILL)

    @property
    def _runner(self) -> ModelRunner:
        return self.runs.runner

    def graphs(self) -> dict[str, Any]:
        """Capture all numbers of rows, each compared with the same step run eagerly."""
        began = time.perf_counter()
        try:
            self.runs.on_thread(self._runner.warm_up)
        except Exception:
            # Everything else can be measured without captured steps.
            self._runner.tap.close()
            self.runs.runner = runner(self.case, self.subject, captured=False)
            self.runs.on_thread(self._runner.warm_up)
            raise
        seconds = time.perf_counter() - began
        graphs = self._runner._graphs
        assert graphs is not None
        rows = self.runs.on_thread(lambda: self._differences(graphs))
        if missing := set(graphs.wanted) - set(graphs.rows):
            raise Differs(f"no graph for {sorted(missing)} rows; differences of the others: {rows}")
        return {"seconds": round(seconds, 2), "difference_by_rows": rows}

    def _differences(self, graphs: Graphs) -> dict[int, float]:
        """The largest difference from an eager step, as a share of what rounding explains."""
        with inference(self.device):
            eager = self._runner.eager
            found = {
                rows: max(share / most for share, most in graphs.differences(rows, eager).values())
                for rows in graphs.rows
            }
            for slot in range(max(self.case.streams)):
                self._runner.cache.clear(slot)
        return {rows: round(value, 4) for rows, value in found.items()}

    def parity(self) -> dict[str, float]:
        """Tokens and features, alone and staggered, against float64 with plain attention."""
        lengths = [self.case.prompt + 8 * n for n in range(4)]
        requests = [
            self._request(self.case.prompt_ids(100 + n, length))
            for n, length in enumerate(lengths[: max(self.case.streams)])
        ]
        streams = self.runs.run(requests, arriving_over=5).streams
        for request in requests:
            streams += self.runs.run([request]).streams
        compared = [self._compare(stream) for stream in streams]
        found = {
            "typical": statistics.median(value for one in compared for value in one.differences),
            "largest": max(max(one.differences) for one in compared),
            "loss": max(max(one.losses) for one in compared),
            "overlap": statistics.mean(value for one in compared for value in one.overlaps),
            "tokens_equal": statistics.mean(not loss for one in compared for loss in one.losses),
        }
        allowed = asdict(TOLERANCES[self.case.dtype])
        least = {"overlap": allowed.pop("overlap")}
        if any(not found[name] <= most for name, most in allowed.items()) or any(
            not found[name] >= value for name, value in least.items()
        ):
            raise Differs(f"{found}, but allowed is {allowed | least}")
        return {name: float(f"{value:.3g}") for name, value in found.items()}

    def _compare(self, stream: Sequence[Any]) -> Compared:
        with inference(self.device):
            ids = torch.tensor([[token.token_id for token in stream]], device=self.device)
            hooks = [source.hook for source in self.subject.sources]
            there = {hook.name: _same_place(self.subject.exact, hook) for hook in hooks}
            exact = residuals(self.subject.exact, ids, list(there.values()))
            logprobs = exact["logits"][0].log_softmax(-1)
            best = logprobs.max(-1).values
            found = Compared()
            for token in stream:
                if token.logprob is not None:
                    before = token.position - 1
                    chosen = logprobs[before, token.token_id]
                    found.losses.append(float(best[before] - chosen))
            for index, source in enumerate(self.subject.sources):
                every = encode(source.sae, exact[source.hook.name][0])
                for token in stream[1:]:  # BOS carries none
                    found.add(token.source_features[index], every[token.position])
        return found

    def tokens_per_s(self) -> dict[str, Any]:
        """Tokens/s of greedy streams at the engine."""
        return {str(n): self._rate(self._requests(n)) for n in self.case.streams}

    def tokens_per_s_sampled(self) -> dict[str, Any]:
        """The same with every knob of sampling in use."""
        knobs = Sampling(temperature=1, top_k=100, top_p=0.95, repetition_penalty=1.1)
        return {str(n): self._rate(self._requests(n, knobs)) for n in self.case.streams}

    def graph_vs_eager(self) -> dict[str, Any]:
        """Captured steps ÷ eager ones, one stream."""
        [request] = self._requests(1)
        captured, eager = [], []
        graphs = self._runner._graphs
        if graphs is None:
            raise RuntimeError("there are no captured steps to compare")
        try:
            for _ in range(self.case.rounds):
                self._runner._graphs = graphs
                captured.append(self.runs.run([request]).rate)
                self._runner._graphs = None
                eager.append(self.runs.run([request]).rate)
        finally:
            self._runner._graphs = graphs
        return {
            "ratio": _shown([a / b for a, b in zip(captured, eager, strict=True)]),
            "eager_tokens_per_s": _shown(eager),
        }

    def first_token_ms(self) -> dict[str, Any]:
        """From the submission of a long prompt to its first new token, with nobody else there."""
        request = self._request(self.case.prompt_ids(7, self.case.long_prompt), new=1)
        return _shown([1e3 * self._first_token(request) for _ in range(self.case.rounds + 1)][1:])

    def _first_token(self, request: Request) -> float:
        seen: list[float] = []

        def publish(events: list[tuple[int, Event]]) -> None:
            if any(isinstance(e, Tokens) and e.tokens[-1].logprob is not None for _, e in events):
                seen.append(time.perf_counter())

        def run() -> float:
            engine = self.runs.engine(1, 1, publish)
            began = time.perf_counter()
            engine.submit(request)
            while sum(engine.progress()):
                engine.step()
            return seen[0] - began

        return self.runs.on_thread(run)

    def bandwidth(self) -> dict[str, float]:
        """The memory's speed, and how much longer than its reading of all weights a step takes."""
        wide = torch.ones(_READ_BYTES // 4, device=self.device)
        self._wait()
        times = []
        for _ in range(5):
            began = time.perf_counter()
            wide.sum()
            self._wait()
            times.append(time.perf_counter() - began)
        speed = _READ_BYTES / min(times)
        network = self.subject.network
        weights = _bytes(network.parameters()) - network.transformer.wpe.weight.nbytes
        saes = sum(_bytes(source.sae.product.parameters()) for source in self.subject.sources)
        [request] = self._requests(1)
        step = self.runs.run([request]).decode_step
        return {
            "gb_per_s": round(speed / 1e9, 1),
            "weights_read_mb": round((weights + saes) / 1e6, 1),
            "step_us": round(1e6 * step, 1),
            "step_vs_reading": round(step * speed / (weights + saes), 2),
        }

    def timelines(self) -> dict[str, Any]:
        """One decode step of the fewest and of the most streams."""
        return {str(n): self._timeline(n) for n in (self.case.streams[0], self.case.streams[-1])}

    def _timeline(self, streams: int) -> dict[str, Any]:
        # On this thread: torch's profiler wants the one that it was imported on.
        engine = self.runs.engine(streams, streams, lambda events: None)
        ids = [engine.submit(request) for request in self._requests(streams)]
        for _ in range(4):  # prompts, and the first steps
            engine.step()
        try:
            return profiled(engine.step, self.device)
        finally:
            for one in ids:
                engine.cancel(one)
            engine.step()

    def memory_mb(self) -> dict[str, float | None]:
        """What each part takes, and the whole, as the device counts it."""
        gpu = self.device.type == "cuda"
        count = torch.cuda.memory_stats(self.device) if gpu else {}
        free, there = torch.cuda.mem_get_info(self.device) if gpu else (0, 0)
        parts = {
            "weights": _bytes(self.subject.network.parameters()),
            "sources": sum(_bytes(source.sae.parameters()) for source in self.subject.sources),
            "cache": self._runner.cache.nbytes,
            "float64_reference": _bytes(self.subject.exact.parameters()),
            "allocated": count.get("allocated_bytes.all.current"),
            "allocated_most": count.get("allocated_bytes.all.peak"),
            "reserved": count.get("reserved_bytes.all.current"),
            "used_of_device": there - free if gpu else None,
        }
        return {name: value and round(value / 1e6, 1) for name, value in parts.items()}

    def grpc(self) -> dict[str, Any]:
        """Tokens/s at a gRPC client on loopback; the service is another process on this GPU."""
        from ..over_grpc import Server

        case = self.case
        found: dict[str, Any] = {}
        with Server("-m", "tests.bench.gpu.serving", case.text()) as server:
            for n in case.streams:
                prompts = [text(list(request.prompt_ids)) for request in self._requests(n)]
                server.rate(prompts, case.new)
                rates = [server.rate(prompts, case.new) for _ in range(case.rounds)]
                found[str(n)] = _shown(rates)
                streams = self.runs.run(self._requests(n)).streams
                want = [[token.token_id for token in stream] for stream in streams]
                if case.dtype == "float32" and server.ids != want:
                    raise Differs(f"{n} streams: the client gets other tokens than the engine")
        return found

    def _rate(self, requests: Sequence[Request]) -> dict[str, Any]:
        self.runs.run(requests)
        return _shown([self.runs.run(requests).rate for _ in range(self.case.rounds)])

    def _requests(self, n: int, sampling: Sampling | None = None) -> list[Request]:
        return [self._request(self.case.prompt_ids(seed), sampling=sampling) for seed in range(n)]

    def _request(self, ids: list[int], new: int = 0, sampling: Sampling | None = None) -> Request:
        request = self.runs.request(ids, new or self.case.new)
        return replace(request, sampling=sampling) if sampling else request

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@dataclass
class Compared:
    """How far one stream is from the exact results, at each position."""

    differences: list[float] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def add(self, found: Any, every: Tensor) -> None:
        """Compare one source's features at one position with all its exact activations."""
        best = every.topk(FEATURES)
        values = torch.zeros(FEATURES, dtype=torch.float64)
        values[: len(found.activations)] = torch.tensor(found.activations, dtype=torch.float64)
        ids = torch.tensor(found.ids, dtype=torch.int64)
        own = every[ids.to(every.device)].cpu()  # a feature found must have this activation, too
        wanted, largest = best.values.cpu(), float(best.values[0])
        if largest == 0:
            return
        apart = float((values - wanted).abs().max())
        apart = max(apart, float((values[: len(ids)] - own).abs().max()) if len(ids) else 0)
        self.differences.append(apart / largest)
        active = {
            number
            for number, value in zip(best.indices.tolist(), wanted.tolist(), strict=True)
            if value > 0
        }
        self.overlaps.append(len(active & set(ids.tolist())) / max(1, len(active)))


def _same_place(network: Any, hook: Any) -> Any:
    """A hook point of one network, in another of the same shape."""
    return next(point for point in points(network) if point.name == hook.name)


def _bytes(tensors: Any) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _shown(values: Sequence[float]) -> dict[str, Any]:
    measured = Measured.of(values)
    return {
        name: float(f"{value:.5g}")
        for name, value in (
            ("value", measured.value),
            ("low", measured.low),
            ("high", measured.high),
        )
    }


#: In this order: what says whether it is right, then how fast, then what takes longest.
PARTS: tuple[Callable[[Bench], Any], ...] = (
    Bench.graphs,
    Bench.parity,
    Bench.tokens_per_s,
    Bench.graph_vs_eager,
    Bench.first_token_ms,
    Bench.memory_mb,
    Bench.bandwidth,
    Bench.tokens_per_s_sampled,
    Bench.timelines,
    Bench.grpc,
)


def main(case: Case, path: Path) -> None:
    """Measure everything of a case."""
    bench, record = Bench(case), Record(path)
    for part in PARTS:
        record.take(part.__name__, lambda part=part: part(bench))  # type: ignore[misc]


if __name__ == "__main__":
    main(Case.of_text(sys.argv[1]), Path(sys.argv[2]))
