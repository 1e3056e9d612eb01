"""One forward pass for many rows: cache, model, tap and sampling. All torch of a step is here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .batch import Feed, Ints, Layout, Plan, layout, plan
from .cache import SlotCache
from .model import LanguageModel
from .requests import Activations, Features, Ids, Sampling
from .sampling import Knobs, sample, seed_bits
from .sources import Source
from .tap import Tap


@dataclass(frozen=True)
class SourceRows:
    """One source's features for all R fed tokens: ids, activations [R, k]; l0, error [R]."""

    ids: Ids
    activations: Activations
    l0: Ids
    error: Activations


@dataclass(frozen=True)
class StageTimes:
    """Nanoseconds of one step. Where stages overlap or run as one, all of it is `forward_ns`."""

    forward_ns: int = 0
    sae_ns: int = 0
    sample_ns: int = 0


@dataclass(frozen=True)
class StepResult:
    """What a step found, for n feeds of R tokens in all; feed i's tokens begin at `offsets[i]`.

    `next_ids` and `logprobs` mean something for feeds whose `draws` is set.
    """

    next_ids: list[int]
    logprobs: list[float]
    finite: list[bool]
    offsets: list[int]
    sources: dict[int, SourceRows]
    times: StageTimes = field(default_factory=StageTimes)


class DeviceLost(RuntimeError):
    """The accelerator is in a state from which only a new process recovers."""


class Runner(Protocol):
    """What the engine needs of the torch side."""

    def begin(self, slot: int, prompt_ids: Sequence[int]) -> None:
        """A sequence takes a slot."""

    def run(self, feeds: Sequence[Feed]) -> StepResult:
        """Run the feeds' tokens through the model in one batch. Whoever decodes comes first.

        It may be called again with some of the same feeds if it raised.

        Raises:
            DeviceLost: it never will work again.
        """

    def swap(self, first: int, second: int) -> None:
        """Two slots change places."""

    def free(self, slot: int, poisoned: bool = False) -> None:
        """A slot's contents are no longer needed; `poisoned` if they may not be finite."""


@dataclass(frozen=True)
class Wanted:
    """What a step must find beside next tokens: so many features of these sources."""

    sources: tuple[int, ...]
    k: int


class ModelRunner:
    """Runs a language model and its sources over `slots` rows."""

    def __init__(self, model: LanguageModel, sources: Sequence[Source], slots: int) -> None:
        self.model = model
        self.tap = Tap(sources)
        self.cache = SlotCache(slots, model.context_length)
        self._lengths = [0] * slots
        # One row more than slots: rows that draw nothing mark their token there.
        self._seen = torch.zeros(slots + 1, model.vocab_size, dtype=torch.bool, device=model.device)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Allocate the cache and make sure that every source is seen.

        Raises:
            SourceError: a hook point gives nothing that an SAE can read.
        """
        sources = tuple(range(len(self.tap.sources)))
        features = Features(sources=sources, top_k=1)
        self.run([Feed(0, [0, 0], 0, Sampling(temperature=0), features, 0)])
        self.tap.check(tokens=2)
        self.free(0)

    def begin(self, slot: int, prompt_ids: Sequence[int]) -> None:
        """Note which tokens a repetition penalty will apply to in this slot."""
        self._seen[slot] = False
        self._seen[slot, torch.tensor(list(prompt_ids), device=self.model.device)] = True

    def run(self, feeds: Sequence[Feed]) -> StepResult:
        """Write the feeds' keys and values, read their features, and choose next tokens."""
        try:
            return self._run(feeds)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()  # so that the same step in parts may fit
            raise
        except torch.AcceleratorError as error:
            raise DeviceLost(str(error)) from error

    @torch.inference_mode()
    def _run(self, feeds: Sequence[Feed]) -> StepResult:
        began = time.perf_counter_ns()
        step = plan(feeds)
        drawing = [index for index, feed in enumerate(feeds) if feed.draws is not None]
        logits = self._forward(step, step.last[drawing])
        forwarded = time.perf_counter_ns()
        sources = self._read(_wanted(feeds))
        encoded = time.perf_counter_ns()
        chosen, logprobs = self._sample([feeds[index] for index in drawing], logits)
        sampled = time.perf_counter_ns()
        for feed in feeds:
            self._lengths[feed.slot] = feed.start + len(feed.ids)
        return StepResult(
            next_ids=_spread(chosen, drawing, len(feeds)).tolist(),
            logprobs=_spread(logprobs, drawing, len(feeds)).tolist(),
            finite=_finite(_spread(logprobs, drawing, len(feeds)), sources, step.offsets),
            offsets=step.offsets.tolist(),
            sources=sources,
            times=StageTimes(forwarded - began, encoded - forwarded, sampled - encoded),
        )

    @torch.inference_mode()
    def swap(self, first: int, second: int) -> None:
        """Exchange two slots; one that was freed costs half as much."""
        a, b = self._lengths[first], self._lengths[second]
        if b == 0:
            self.cache.copy(first, second, a)
        elif a == 0:
            self.cache.copy(second, first, b)
        else:
            self.cache.swap(first, second, max(a, b))
        self._lengths[first], self._lengths[second] = b, a
        self._seen[[first, second]] = self._seen[[second, first]]

    @torch.inference_mode()
    def free(self, slot: int, poisoned: bool = False) -> None:
        """Give up a slot's contents."""
        self._lengths[slot] = 0
        if poisoned:
            self.cache.clear(slot)

    def _forward(self, step: Plan, last: Ints) -> Tensor:
        """Logits [len(last), vocabulary] after the batch rows `last`."""
        device = self.model.device
        ids, positions, slots = torch.from_numpy(
            np.stack([step.ids, step.positions, step.slots])
        ).to(device)
        return self._network(ids, layout(step, positions, slots), torch.from_numpy(last).to(device))

    def _network(self, ids: Tensor, where: Layout, last: Tensor) -> Tensor:
        self.cache.layout = where
        inputs = {
            "input_ids": ids[None],
            "position_ids": where.positions[None],
            "past_key_values": self.cache,
            "use_cache": True,
            "layout": where,
        }
        if not len(last):  # a part of a prompt: the head would be work for nothing
            body: Any = self.model.network.base_model
            body(**inputs)
            return torch.empty(0, self.model.vocab_size, device=ids.device)
        logits: Tensor = self.model.network(**inputs, logits_to_keep=last).logits
        return logits[0]

    def _read(self, wanted: Wanted) -> dict[int, SourceRows]:
        found = {}
        for source in wanted.sources:
            best = self.tap.read(source, wanted.k)
            found[source] = SourceRows(
                best.ids.cpu().numpy(),
                best.activations.cpu().numpy(),
                best.l0.cpu().numpy(),
                best.error.cpu().numpy(),
            )
        return found

    def _sample(
        self, feeds: Sequence[Feed], logits: Tensor
    ) -> tuple[npt.NDArray[np.int64], Activations]:
        if not feeds:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        slots = torch.tensor([feed.slot for feed in feeds], device=self.model.device)
        knobs = self._knobs(feeds)
        seen = self._seen[slots] if knobs.any_penalty else self._seen[:0]
        chosen, logprobs = sample(logits, seen, knobs)
        if knobs.any_penalty:
            self._seen[slots, chosen] = True
        return chosen.cpu().numpy(), logprobs.cpu().numpy()

    def _knobs(self, feeds: Sequence[Feed]) -> Knobs:
        device = self.model.device
        knobs = [feed.sampling for feed in feeds]
        return Knobs(
            temperature=torch.tensor([k.temperature for k in knobs], device=device),
            top_k=torch.tensor([k.top_k for k in knobs], device=device),
            top_p=torch.tensor([k.top_p for k in knobs], device=device),
            repetition_penalty=torch.tensor([k.repetition_penalty for k in knobs], device=device),
            seed=torch.tensor([seed_bits(k.seed) for k in knobs], device=device),
            draw=torch.tensor([feed.draws or 0 for feed in feeds], device=device),
            any_sampled=any(k.temperature > 0 for k in knobs),
            any_penalty=any(k.repetition_penalty != 1 for k in knobs),
            any_top_p=any(k.top_p < 1 for k in knobs),
            largest_top_k=max(k.top_k for k in knobs),
        )


def _wanted(feeds: Sequence[Feed]) -> Wanted:
    """The union of what the feeds ask for; each takes its own part of it later."""
    k = max(feed.features.top_k for feed in feeds)
    sources = {s for feed in feeds if feed.features.top_k for s in feed.features.sources}
    return Wanted(tuple(sorted(sources)), k)


def _spread(values: npt.NDArray[np.generic], at: list[int], n: int) -> npt.NDArray[np.generic]:
    """An array of n with `values` at the places `at` and 0 elsewhere."""
    if len(at) == n:
        return values
    spread = np.zeros(n, dtype=values.dtype)
    spread[at] = values
    return spread


def _finite(
    logprobs: npt.NDArray[np.generic], sources: dict[int, SourceRows], offsets: Ints
) -> list[bool]:
    """Whether each feed's outputs are finite. A bad vector makes its reconstruction error bad."""
    good = np.isfinite(logprobs)
    for rows in sources.values():
        good &= np.logical_and.reduceat(np.isfinite(rows.error), offsets)
    return [bool(value) for value in good]
