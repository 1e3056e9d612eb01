"""Axon's engine, run step by step without a network."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from axon_inference.config import Settings
from axon_inference.engine.effects import Query
from axon_inference.engine.engine import Engine, Publish
from axon_inference.engine.events import Event, Failed, Token, Tokens
from axon_inference.engine.requests import Features, Request, Sampling
from axon_inference.engine.scheduler import Scheduler
from axon_inference.engine.step import Feed
from axon_inference.step.removals import Removals
from axon_inference.step.runner import ModelRunner

from .subject import Subject

FEATURES = 15
_READINGS = 20
Found = TypeVar("Found")


@dataclass(frozen=True)
class Run:
    """A finished run: `streams` has the tokens of each request, including its prompts."""

    streams: list[list[Token]]
    seconds: float
    step_seconds: list[float]

    @property
    def rate(self) -> float:
        """Generated tokens a second of all requests, from the first submission to the last end."""
        return sum(_generated(tokens) for tokens in self.streams) / self.seconds

    @property
    def decode_step(self) -> float:
        """Seconds of a step in the middle of the run, when all streams decode."""
        middle = len(self.step_seconds) // 4
        return statistics.median(self.step_seconds[middle : -middle or None])


class Runs:
    """A runner; each run uses a new engine over it.

    All steps run on one separate thread, as in the service. OpenMP waits differently when several
    threads have called it. On a busy machine that alone changes the speed of steps several times.
    """

    def __init__(self, runner: ModelRunner, tokenizer: Any, prefill_tokens: int) -> None:
        self.runner = runner
        self._tokenizer, self._prefill_tokens = tokenizer, prefill_tokens
        self._thread = ThreadPoolExecutor(1, "engine")

    def request(self, ids: Sequence[int], new: int, features: int = FEATURES) -> Request:
        """A greedy request with the strongest features of every token but BOS; 0 asks for none."""
        return Request(
            prompt_ids=tuple(ids),
            max_tokens=new,
            sampling=Sampling(temperature=0),
            features=Features(sources=self._sources if features else (), top_k=features),
            has_bos=True,
        )

    @property
    def _sources(self) -> tuple[int, ...]:
        return tuple(range(len(self.runner.tap.sources)))

    def on_thread(self, call: Callable[[], Found]) -> Found:
        """What `call` returns on the thread of all steps."""
        return self._thread.submit(call).result()

    def run(
        self, requests: Sequence[Request], arriving_over: int = 0, explain: Sequence[int] = ()
    ) -> Run:
        """Runs all requests to their end; they arrive evenly over `arriving_over` steps. All the
        while somebody wants to know why a token follows the text `explain`, if it is given."""
        return self.on_thread(lambda: self._run(requests, arriving_over, explain))

    def explain(self, ids: Sequence[int]) -> float:
        """Seconds to explain by 64 removals why a token follows a text."""
        return self.on_thread(lambda: self._explain(ids))

    def read(self, ids: Sequence[int]) -> float:
        """Seconds of a step that reads a text with its features, the median of some."""
        feed = Feed(0, ids, 0, Sampling(temperature=0), Features(self._sources, FEATURES), 0)
        seconds = []
        for _ in range(_READINGS):
            began = time.perf_counter()
            self.on_thread(lambda: self.runner.run([feed]))
            seconds.append(time.perf_counter() - began)
        self.on_thread(lambda: self.runner.free(0))
        return statistics.median(seconds)

    def _explain(self, ids: Sequence[int]) -> float:
        engine = self.engine(self.runner.cache.slots, 1, lambda events: None)
        engine.explain(self._query(ids))
        began = time.perf_counter()
        while sum(engine.progress()):
            engine.step()
        return time.perf_counter() - began

    def _query(self, ids: Sequence[int]) -> Query:
        return Query(
            tuple(ids), None, None, self._sources, 64, prompt_length=len(ids), has_bos=True
        )

    def full_house(self, requests: Sequence[Request], seats: int) -> float:
        """Tokens/s while all `seats` slots are taken; when a request ends, the next one starts."""
        return self.on_thread(lambda: self._full_house(requests, seats))

    def _run(self, requests: Sequence[Request], arriving_over: int, explain: Sequence[int]) -> Run:
        told: list[tuple[int, Event]] = []
        slots = sum(len(request.branches) for request in requests)
        if explain:
            slots = self.runner.cache.slots
        engine = self.engine(slots, len(requests), told.extend)
        arrivals = [index * arriving_over // len(requests) for index in range(len(requests))]
        ids: list[int] = []
        steps: list[float] = []
        began = time.perf_counter()
        for step in itertools.count():
            while len(ids) < len(requests) and arrivals[len(ids)] <= step:
                ids.append(engine.submit(requests[len(ids)]))
            if explain and not engine.progress().explaining:
                engine.explain(self._query(explain))
            before = time.perf_counter()
            engine.step()
            steps.append(time.perf_counter() - before)
            running, waiting, _ = engine.progress()
            if len(ids) == len(requests) and not running + waiting:
                break
        seconds = time.perf_counter() - began
        engine.close()  # an explanation may still run
        engine.step()
        streams = {request_id: [] for request_id in ids}  # type: dict[int, list[Token]]
        for request_id, event in told:
            if request_id not in streams:
                continue  # of an explanation, whose engine has closed
            assert not isinstance(event, Failed), event.message
            if isinstance(event, Tokens):
                streams[request_id] += event.tokens
        return Run(list(streams.values()), seconds, steps)

    def _full_house(self, requests: Sequence[Request], seats: int) -> float:
        told: list[tuple[int, Event]] = []
        engine = self.engine(seats, len(requests), told.extend)
        ids = [engine.submit(request) for request in requests]
        began = time.perf_counter()
        while sum(engine.progress()) >= seats:
            engine.step()
        seconds = time.perf_counter() - began
        made = sum(_generated(event.tokens) for _, event in told if isinstance(event, Tokens))
        for request_id in ids:
            engine.cancel(request_id)
        engine.step()
        return made / seconds

    def engine(self, slots: int, queue: int, publish: Publish) -> Engine:
        """A new engine, whose steps are to be called on the thread of all steps."""
        return Engine(
            runner=self.runner,
            tokenizer=self._tokenizer,
            scheduler=Scheduler(slots, queue, self._prefill_tokens),
            eos_ids=frozenset(),  # so that every text has the length asked for
            publish=publish,
            # A network by itself has no adapter, and is not explained.
            explainer=Removals(self.runner) if self.runner.model.adapter else None,
        )


class Ours(Runs):
    """A model and SAE, loaded as the service loads them."""

    def __init__(
        self,
        subject: Subject,
        *,
        device: str,
        slots: int,
        context: int = 0,
        graphs: str = "auto",
    ) -> None:
        from axon_inference.loading import ready

        self.settings = Settings(
            model=str(subject.model),
            sources=(str(subject.sae),),
            device=device,
            slots=slots,
            context_length=context,
            graphs=graphs,
        )
        self.loaded = ready.load(self.settings)
        super().__init__(self.loaded.runner, self.loaded.tokenizer, self.loaded.prefill_tokens)

    def prompt_ids(self, text: str) -> list[int]:
        """The ids of a prompt, BOS first."""
        bos = self.loaded.served.bos_id
        assert bos is not None
        return [bos, *self.loaded.served.encode(text)]


def _generated(tokens: Sequence[Token]) -> int:
    return sum(token.generated for token in tokens)
