"""One forward pass for many rows: cache, model, tap and sampling. All torch of a step is here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from axon_inference.engine.requests import Change, Edit, Features, Sampling
from axon_inference.engine.step import (
    Activations,
    DeviceLost,
    Feed,
    SourceRows,
    StageTimes,
    StepResult,
)
from axon_inference.model.device import inference, lost
from axon_inference.model.network import LanguageModel
from axon_inference.model.sources import Source
from axon_inference.step import attention, batch, following, recurrent  # noqa: F401  (attention registers itself)
from axon_inference.step.batch import Buffers, Ints, Layout, Plan, Row
from axon_inference.step.cache import SlotCache
from axon_inference.step.edits import Edits, SourceEdits
from axon_inference.step.following import Head, Scores
from axon_inference.step.graphs import Capture, Graphs, Outputs
from axon_inference.step.sampling import sample
from axon_inference.step.tap import Tap


class ModelRunner:
    """Runs a language model and its sources over `slots` rows.

    Args:
        top_k: the most features of a token and source that a captured step finds. A step that
            wants more runs eagerly.
        capture: how decode steps are captured; None runs them one kernel at a time.
    """

    def __init__(
        self,
        model: LanguageModel,
        sources: Sequence[Source],
        slots: int,
        top_k: int,
        capture: Capture | None = None,
    ) -> None:
        self.model = model
        self.tap = Tap(sources)
        self._edits = Edits(model.device)
        self._head = Head(model.network)
        self.cache = SlotCache(slots, model.context_length)
        self._lengths = [0] * slots
        self._buffers = Buffers(model.device)
        self._seen = torch.zeros(slots, model.vocab_size, dtype=torch.bool, device=model.device)
        # A captured step would move the states of slots that it only fills its shape with.
        self._capture = None if model.is_recurrent else capture
        recurrent.install(model.network)
        self._top_k = top_k
        self._graphs: Graphs | None = None

    def warm_up(self) -> None:
        """Allocate the cache, see that every source is fed, capture the decode steps, and take a
        step of each other kind, so that no request waits while the device loads code.

        Raises:
            SourceError: a hook point gives nothing that an SAE can read.
            GraphError: a captured step finds something else than the same step run eagerly.
        """
        features = Features(sources=tuple(range(len(self.tap.sources))))
        self.run([Feed(0, [0, 0], 0, Sampling(temperature=0), features, 0)])
        self.tap.check(tokens=2)
        if self._capture:
            with inference(self.model.device):
                self._graphs = self._capture_steps(self._capture)
        self._rehearse(features)
        for slot in range(self.cache.slots):
            self.free(slot)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Torch without autograd on the model's device. DeviceLost if that has failed for good."""
        try:
            with inference(self.model.device):
                yield
        except torch.AcceleratorError as error:  # which running out of memory is not
            if lost(self.model.device):
                raise DeviceLost(str(error)) from error
            raise

    def begin(self, slot: int, prompt_ids: Sequence[int]) -> None:
        """Forget to which tokens a repetition penalty has applied in this slot. Those of the prompt
        are noted when they are fed."""
        with self.working():
            self._seen[slot] = False

    def run(self, feeds: Sequence[Feed]) -> StepResult:
        """Write the feeds' keys and values, read their features, and choose next tokens."""
        try:
            with self.working():
                return self._run(feeds)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()  # so that the same step in parts may fit
            raise
        finally:
            self.tap.edits = {}

    def _run(self, feeds: Sequence[Feed]) -> StepResult:
        clock = _Clock(self.model.device)
        step = self.plan(feeds)
        sources, k = _wanted(feeds)
        self.tap.edits = edits = self._edits.of(feeds)
        n_following = max(feed.alternatives or 0 for feed in feeds)
        scores: Scores | None = None
        if captured := self._captured(step, k):
            assert self._graphs
            numbers = self._graphs.numbers
            everyone = len(step.drawing) == len(feeds)
            logits = captured.logits[slice(len(feeds)) if everyone else _last(step, numbers)]
            features = [captured.features[source].first(step.n_tokens, k) for source in sources]
            clock.lap("forward_ns")
        else:
            numbers, logits, scores = self.forward(step, n_following)
            clock.lap("forward_ns")
            features = [self.tap.read(source, k) for source in sources]
            clock.lap("sae_ns")
        if any(feed.sampling.repetition_penalty != 1 for feed in feeds):
            fed = numbers[:, : step.n_tokens]  # each token chosen is fed before the next choice
            self._seen[fed[Row.SLOT], fed[Row.ID]] = True
        chosen, logprobs = self._sample(step, numbers, logits)
        if step.n_asked and step.asked_draw:
            asked, known = _asked(step, numbers)
            scores = following.score(logits[asked], known, n_following)
        changes = [(one.before, one.after) for one in edits.values()]
        parts = [(chosen, logprobs), *features, *changes, *([scores] if scores else [])]
        found = self._buffers.fetch(list(chain.from_iterable(parts)))
        self.cache.commit()
        clock.lap("sample_ns")
        result = _result(feeds, step, sources, k, edits, found, clock.times)
        for source in sources:
            if self.tap.sources[source].sums_layers:
                result.sources[source].error[:] = np.nan
        return result

    def plan(self, feeds: Sequence[Feed]) -> Plan:
        """Lay feeds out; from then on their slots count as written."""
        step = batch.plan(feeds)
        for feed in feeds:  # also if the step fails: it may have written by then
            self._lengths[feed.slot] = max(self._lengths[feed.slot], feed.start + len(feed.ids))
        return step

    def _captured(self, step: Plan, k: int) -> Outputs | None:
        """A step's outputs by a captured graph, or None if it has to run eagerly.

        Steps with edits do: a graph has no room for what somebody may want to change. So do those
        that ask what follows a token after which nothing is drawn, whose logits nobody keeps.
        """
        if not self._graphs or self.tap.edits or not step.asked_draw:
            return None
        return self._graphs.run(step, k)

    def swap(self, first: int, second: int) -> None:
        """Exchange two slots; one that was freed costs half as much."""
        a, b = self._lengths[first], self._lengths[second]
        # Should it fail on the way, both may hold as much.
        self._lengths[first] = self._lengths[second] = max(a, b)
        with self.working():
            if b == 0:
                self.cache.move(first, second, a)
            elif a == 0:
                self.cache.move(second, first, b)
            else:
                self.cache.swap(first, second, max(a, b))
            kept = self._seen[first].clone()
            self._seen[first] = self._seen[second]
            self._seen[second] = kept
        self._lengths[first], self._lengths[second] = b, a

    def copy(self, source: int, target: int) -> None:
        """Copy a slot's keys and values, and which tokens its repetition penalty applies to."""
        length = self._lengths[target] = self._lengths[source]
        with self.working():
            self.cache.copy(source, target, length)
            self._seen[target] = self._seen[source]

    def share(self, source: int, targets: Sequence[int], length: int) -> None:
        """Copy the first `length` positions of a slot's keys and values to others."""
        for target in targets:
            self._lengths[target] = max(length, self._lengths[target])
        with self.working():
            for first, end in _runs(targets):
                self.cache.copy(source, slice(first, end), length)

    def free(self, slot: int) -> None:
        """Give up a slot's contents."""
        with self.working():
            self.cache.clear(slot, self._lengths[slot])
        self._lengths[slot] = 0

    def forward(self, step: Plan, n_following: int = 0) -> tuple[Tensor, Tensor, Scores | None]:
        """One kernel at a time: a step's numbers on the device, logits of those that draw, and the
        scores of what may follow, unless these logits are enough for them."""
        numbers = self._buffers.send(step.numbers)
        where, last = batch.layout(step, numbers), _last(step, numbers)
        if step.asked_draw:
            return numbers, self._network(numbers, where, last), None
        inputs = self._inputs(numbers, where)
        body = self._head.run_body(inputs)
        head = partial(self._head.logits, body, inputs)
        vocabulary = self.model.vocab_size
        asked, known = _asked(step, numbers)
        scores = following.score_in_parts(head, asked, known, vocabulary, n_following)
        logits = head(last) if len(last) else self._no_logits(numbers)
        return numbers, logits, scores

    def _inputs(
        self, numbers: Tensor, where: Layout, cache: SlotCache | None = None
    ) -> dict[str, Any]:
        cache = self.cache if cache is None else cache
        cache.layout = where
        cache.forget()
        return {
            "input_ids": numbers[Row.ID, None],
            "position_ids": numbers[Row.POSITION, None],
            "past_key_values": cache,
            "use_cache": True,
            "layout": where,
        }

    def _no_logits(self, numbers: Tensor) -> Tensor:
        return torch.empty(0, self.model.vocab_size, device=numbers.device)

    def logits(self, step: Plan, numbers: Tensor, cache: SlotCache) -> Tensor:
        """Logits [n, vocabulary] of the n feeds of a step that draw, by another cache."""
        return self._network(numbers, batch.layout(step, numbers), _last(step, numbers), cache)

    def _network(
        self, numbers: Tensor, where: Layout, last: Tensor, cache: SlotCache | None = None
    ) -> Tensor:
        """Logits [len(last), vocabulary] after these of a step's tokens."""
        inputs = self._inputs(numbers, where, cache)
        if not len(last):  # a part of a prompt: the head would be work for nothing
            self._head.run_body(inputs)
            return self._no_logits(numbers)
        logits: Tensor = self.model.network(**inputs, logits_to_keep=last).logits
        return logits[0]

    def _capture_steps(self, capture: Capture) -> Graphs:
        slots, context = self.cache.slots, self.model.context_length
        graphs = Graphs(self._decode, slots, context, self._top_k, self.model.device)
        graphs.capture(capture)
        graphs.check(self.eager)
        for slot in range(slots):
            self.cache.clear(slot)
        return graphs

    def eager(self, step: Plan) -> Outputs:
        """A decode step's outputs, found one kernel at a time."""
        return self._outputs(self.forward(step)[1])

    def _decode(self, numbers: Tensor) -> Outputs:
        """A decode step as a graph runs it: no kernel depends on a value."""
        where = batch.decode_layout(numbers, self.model.context_length)
        everyone = torch.arange(numbers.shape[1], device=numbers.device)
        return self._outputs(self._network(numbers, where, everyone))

    def _outputs(self, logits: Tensor) -> Outputs:
        sources = range(len(self.tap.sources))
        return Outputs(logits, tuple(self.tap.read(source, self._top_k) for source in sources))

    def _rehearse(self, features: Features) -> None:
        """Take a step that samples with every knob; one that decodes and prefills; and one with
        edits of every source that can be edited, of which it is asked what follows."""
        knobs = Sampling(temperature=1, top_k=1, top_p=0.5, repetition_penalty=1.1)
        self.begin(0, [0])
        self.run([Feed(0, [0], 0, knobs, features, 0)])
        if self.cache.slots > 1:
            self.begin(1, [0, 0])
            decode, prefill = (Feed(n, [0] * (n + 1), 1 - n, knobs, features, 0) for n in (0, 1))
            self.run([decode, prefill])
            self.swap(0, 1)
        edits = tuple(
            Edit(index, 0, change, value=1.0)
            for index, source in enumerate(self.tap.sources)
            if not source.not_editable
            for change in (Change.SET, Change.SWAP)
        )
        self.run([Feed(0, [0, 0], 0, knobs, features, None, edits, alternatives=1)])

    def _sample(self, step: Plan, numbers: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Next ids and their log-probabilities, one of each a feed that draws."""
        if not step.drawing:
            return numbers.new_empty(0), logits.new_empty(0, dtype=torch.float32)
        wanted = batch.knobs(step, numbers)
        owners = numbers[Row.OWNER, : len(step.drawing)]
        seen = self._seen[owners] if wanted.any_penalty else self._seen[:0]
        return sample(logits, seen, wanted)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers as ranges without holes, each by its first and the one after its last."""
    first = 0
    for at, number in enumerate(numbers, 1):
        if at == len(numbers) or numbers[at] != number + 1:
            yield numbers[first], number + 1
            first = at


def _last(step: Plan, numbers: Tensor) -> Tensor:
    """The batch rows after which a next token is drawn."""
    return numbers[Row.LAST, : len(step.drawing)]


def _asked(step: Plan, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Where the logits are of tokens of which it is asked what follows, and what is known to."""
    return numbers[Row.ASKED, : step.n_asked], numbers[Row.FOLLOWING, : step.n_asked]


class _Clock:
    """Times the stages of a step. A GPU runs behind the host, so there it is all one stage."""

    def __init__(self, device: torch.device) -> None:
        self._staged = device.type == "cpu"
        self._began = time.perf_counter_ns()
        self.times = StageTimes()

    def lap(self, stage: str) -> None:
        """A stage, named as in StageTimes, has ended."""
        name, now = stage if self._staged else "forward_ns", time.perf_counter_ns()
        spent = getattr(self.times, name) + now - self._began
        self.times, self._began = replace(self.times, **{name: spent}), now


def _result(
    feeds: Sequence[Feed],
    step: Plan,
    sources: Sequence[int],
    k: int,
    edits: Mapping[int, SourceEdits],
    found: list[npt.NDArray[Any]],
    times: StageTimes,
) -> StepResult:
    """All that a step found: what was drawn, features of the sources, what edits changed, and what
    may follow."""
    arrays = iter(found)
    next_ids, logprobs = (_spread(array, step.drawing, len(feeds)) for array in islice(arrays, 2))
    rows = {source: SourceRows(*islice(arrays, 4)) for source in sources}
    edited = {}
    for source, one in edits.items():
        before, after = islice(arrays, 2)
        edited[source] = one.told(before, after)
        if source in rows:
            rows[source] = one.reported(rows[source], after, k)
    finite = _finite(feeds, logprobs, rows, step.offsets)
    told = None
    if step.n_asked:
        told, good = following.told(feeds, *arrays)
        finite &= good
    return StepResult(
        next_ids=next_ids.tolist(),
        logprobs=logprobs.tolist(),
        finite=finite.tolist(),
        offsets=step.offsets.tolist(),
        sources=rows,
        edited=edited,
        following=told,
        times=times,
    )


def _wanted(feeds: Sequence[Feed]) -> tuple[tuple[int, ...], int]:
    """Sources and how many features of each: the union of what the feeds ask for."""
    k = max(feed.features.top_k for feed in feeds)
    sources = {s for feed in feeds if feed.features.top_k for s in feed.features.sources}
    return tuple(sorted(sources)), k


def _spread(values: npt.NDArray[Any], at: list[int], n: int) -> npt.NDArray[Any]:
    """An array of n with `values` at the places `at` and 0 elsewhere."""
    if len(at) == n:
        return values
    spread = np.zeros(n, dtype=values.dtype)
    spread[at] = values
    return spread


def _finite(
    feeds: Sequence[Feed], logprobs: Activations, sources: dict[int, SourceRows], offsets: Ints
) -> npt.NDArray[np.bool_]:
    """Whether what each feed wants is finite. A bad vector makes its reconstruction error bad."""
    good = np.isfinite(logprobs)
    for source, rows in sources.items():
        bad = ~np.logical_and.reduceat(np.isfinite(rows.error), offsets)
        for index in np.flatnonzero(bad).tolist():
            # Others in the step may have asked for this source, and this feed not.
            wanted = feeds[index].features
            good[index] &= not (wanted.top_k and source in wanted.sources)
    return good
