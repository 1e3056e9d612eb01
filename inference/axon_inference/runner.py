"""One forward pass for many rows: cache, model, tap and sampling. All torch of a step is here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .cache import Rows, SlotCache
from .model import LanguageModel
from .requests import Activations, Features, Ids, Sampling
from .sampling import Knobs, sample, seed_bits
from .sources import Source
from .tap import Tap


@dataclass(frozen=True)
class Feed:
    """Tokens of one sequence to run through the model: `ids` go to positions `start`, ...

    `draws` is set when a next token is wanted: how many the sequence has drawn before.
    """

    slot: int
    ids: Sequence[int]
    start: int
    sampling: Sampling
    features: Features
    draws: int | None


@dataclass(frozen=True)
class SourceRows:
    """One source's features for all R fed tokens: ids, activations [R, k]; l0, error [R]."""

    ids: Ids
    activations: Activations
    l0: Ids
    error: Activations


@dataclass(frozen=True)
class StageTimes:
    """Nanoseconds of one step."""

    forward_ns: int = 0
    sae_ns: int = 0
    sample_ns: int = 0


@dataclass(frozen=True)
class StepResult:
    """What a step found, for n feeds of R tokens in all; feed i's tokens begin at `offsets[i]`."""

    next_ids: list[int]
    logprobs: list[float]
    finite: list[bool]
    offsets: list[int]
    sources: dict[int, SourceRows]
    times: StageTimes = field(default_factory=StageTimes)


class Runner(Protocol):
    """What the engine needs of the torch side."""

    def begin(self, slot: int, prompt_ids: Sequence[int]) -> None:
        """A sequence takes a slot."""

    def run(self, feeds: Sequence[Feed]) -> StepResult:
        """Run the feeds' tokens through the model in one batch."""

    def swap(self, first: int, second: int) -> None:
        """Two slots change places."""

    def free(self, slot: int, poisoned: bool = False) -> None:
        """A slot's contents are no longer needed; `poisoned` if they may not be finite."""


class ModelRunner:
    """Runs a language model and its sources over `slots` rows."""

    def __init__(self, model: LanguageModel, sources: Sequence[Source], slots: int) -> None:
        self.model = model
        self.tap = Tap(sources)
        self.cache = SlotCache(model.n_layers, slots, model.context_length)
        self._lengths = [0] * slots
        self._seen = torch.zeros(slots, model.vocab_size, dtype=torch.bool, device=model.device)

    def begin(self, slot: int, prompt_ids: Sequence[int]) -> None:
        """Note which tokens a repetition penalty will apply to in this slot."""
        self._seen[slot] = False
        self._seen[slot, torch.tensor(list(prompt_ids), device=self.model.device)] = True

    @torch.inference_mode()
    def run(self, feeds: Sequence[Feed]) -> StepResult:
        """Write the feeds' keys and values, read their features, and choose next tokens."""
        began = time.perf_counter_ns()
        counts = np.array([len(feed.ids) for feed in feeds])
        logits = self._forward(feeds, counts)
        forwarded = time.perf_counter_ns()
        rows = _valid_rows(counts)
        sources = self._read(feeds, rows)
        encoded = time.perf_counter_ns()
        next_ids, logprobs = self._sample(feeds, logits)
        sampled = time.perf_counter_ns()
        offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])
        return StepResult(
            next_ids=next_ids.tolist(),
            logprobs=logprobs.tolist(),
            finite=_finite(logprobs, sources, offsets),
            offsets=offsets.tolist(),
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

    def _forward(self, feeds: Sequence[Feed], counts: npt.NDArray[np.int64]) -> Tensor:
        """Logits [n, vocabulary] after each feed's last token."""
        device, context = self.model.device, self.model.context_length
        longest = int(counts.max())
        steps = np.arange(longest)
        real = steps[None, :] < counts[:, None]
        starts = np.array([feed.start for feed in feeds])
        positions = np.minimum(starts[:, None] + steps, context - 1)
        ids = np.zeros((len(feeds), longest), dtype=np.int64)
        ids[real] = [token_id for feed in feeds for token_id in feed.ids]
        for feed in feeds:
            self._lengths[feed.slot] = feed.start + len(feed.ids)
        length = max(self._lengths[feed.slot] for feed in feeds)
        at = torch.from_numpy(positions).to(device)
        # Padding writes to the spare position, which the attention never reaches.
        targets = torch.from_numpy(np.where(real, positions, context)).to(device)
        self.cache.point_at(Rows([feed.slot for feed in feeds], targets, length))
        last = np.unique(counts - 1)
        logits = self.model.network(
            input_ids=torch.from_numpy(ids).to(device),
            position_ids=at,
            attention_mask=_causal_mask(at, length, self.model.dtype),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=torch.from_numpy(last).to(device),
        ).logits
        column = torch.from_numpy(np.searchsorted(last, counts - 1)).to(device)
        found: Tensor = logits[torch.arange(len(feeds), device=device), column]
        return found

    def _read(
        self, feeds: Sequence[Feed], rows: npt.NDArray[np.int64] | None
    ) -> dict[int, SourceRows]:
        k = max(feed.features.top_k for feed in feeds)
        if k == 0:
            return {}
        wanted = sorted({s for feed in feeds if feed.features.top_k for s in feed.features.sources})
        index = None if rows is None else torch.from_numpy(rows).to(self.model.device)
        found = {}
        for source in wanted:
            best = self.tap.read(source, index, k)
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
        slots = torch.tensor([feed.slot for feed in feeds], device=self.model.device)
        chosen, logprobs = sample(logits, self._seen[slots], self._knobs(feeds))
        drawing = torch.tensor([f.draws is not None for f in feeds], device=self.model.device)
        self._seen[slots[drawing], chosen[drawing]] = True
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


def _valid_rows(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Flat indices of real tokens among the padded [n, T]; None when there is no padding."""
    longest = int(counts.max())
    if bool((counts == longest).all()):
        return None
    return np.flatnonzero(np.arange(longest)[None, :] < counts[:, None])


def _causal_mask(positions: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """Additive mask [n, 1, T, length]: a token sees its own position and those before it."""
    keys = torch.arange(length, device=positions.device)
    hidden = keys[None, None, :] > positions[:, :, None]
    mask = torch.zeros(hidden.shape, dtype=dtype, device=positions.device)
    return mask.masked_fill_(hidden, torch.finfo(dtype).min)[:, None]


def _finite(
    logprobs: Activations, sources: dict[int, SourceRows], offsets: npt.NDArray[np.int64]
) -> list[bool]:
    """Whether each feed's outputs are finite. A bad vector makes its reconstruction error bad."""
    good = np.isfinite(logprobs)
    for rows in sources.values():
        good &= np.logical_and.reduceat(np.isfinite(rows.error), offsets)
    return [bool(value) for value in good]
