"""The interface between the engine and the torch side: what a step needs and what it returns.

The engine knows no torch, so it can be tested in milliseconds with a runner that has no model.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import neg
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from axon_inference.engine.requests import Edit, Features, Sampling

Ids = npt.NDArray[np.int64]
Activations = npt.NDArray[np.float32]


@dataclass(slots=True)
class Feed:
    """Tokens of one sequence to run through the model: `ids` go to positions `start`, ...

    `draws` is set when a next token is wanted: how many the sequence has drawn before.

    `edits` are those in force. `prompt_length` and `has_bos` say which positions are the prompt's,
    and whether the first is a BOS.

    `alternatives` is how many likeliest next tokens are wanted of each position; with it come the
    log-probabilities of the tokens that are known to follow: within `ids`, and `next_id` after
    them, which is the prompt's next token if `ids` end before the prompt does.
    """

    slot: int
    ids: Sequence[int]
    start: int
    sampling: Sampling
    features: Features
    draws: int | None
    edits: tuple[Edit, ...] = ()
    prompt_length: int = 0
    has_bos: bool = False
    alternatives: int | None = None
    next_id: int | None = None


class EditedFeature(NamedTuple):
    """A feature that edits changed, and its activation before and after."""

    feature: int
    before: float
    after: float


class Alternative(NamedTuple):
    """A token that may follow."""

    token_id: int
    logprob: float


class SourceFeatures(NamedTuple):
    """What one SAE found at one position: `ids` and `activations`, strongest first; and what edits
    changed there.

    `source` counts the sources that the request wants.
    """

    source: int
    ids: list[int]
    activations: list[float]
    l0: int
    reconstruction_error: float
    edited: Sequence[EditedFeature] = ()


@dataclass(frozen=True)
class SourceRows:
    """One source's features for all R fed tokens: ids, activations [R, k]; l0, error [R].

    Activations fall along a row. Of rows with edits, ids and activations are what the model went on
    with, and l0 and error those of the unedited vector. Activations may be 0 or below, at the end.
    """

    ids: Ids
    activations: Activations
    l0: Ids
    error: Activations


@dataclass(frozen=True)
class EditedRows:
    """What edits of one source changed, each [M] in the order of rows: the fed token's row, the
    feature, and its activation before and after."""

    row: Ids
    feature: Ids
    before: Activations
    after: Activations

    def at(self, row: int) -> list[EditedFeature]:
        """What changed in one row."""
        here = slice(*np.searchsorted(self.row, (row, row + 1)))
        columns = (self.feature[here], self.before[here], self.after[here])
        return [EditedFeature(*one) for one in zip(*(c.tolist() for c in columns), strict=True)]


@dataclass(frozen=True)
class Following:
    """What may follow the M tokens of the feeds that set `alternatives`, feed by feed.

    `offsets[i]` is the first row of feed i, or -1 if it asks for none. `ids` and `logprobs` [M, n]
    are the likeliest next tokens, likeliest first, n being the most that any feed asks for. `known`
    [M] is the log-probability of the token known to follow, NaN where there is none.
    """

    offsets: list[int]
    ids: Ids
    logprobs: Activations
    known: Activations


@dataclass(frozen=True)
class StageTimes:
    """Nanoseconds of one step. Where stages overlap or run as one, all of it is `forward_ns`."""

    forward_ns: int = 0
    sae_ns: int = 0
    sample_ns: int = 0


@dataclass(frozen=True)
class StepResult:
    """The columns of a step, for n feeds of R tokens in all; feed i's tokens begin at `offsets[i]`.

    `next_ids` and `logprobs` mean something for feeds whose `draws` is set. `edited` has an entry
    for each source that a feed edits; `following` is set if a feed asks for it. All sequences of
    the step share the columns: a token refers to a row of them until its message is built.
    """

    next_ids: list[int]
    logprobs: list[float]
    finite: list[bool]
    offsets: list[int]
    sources: dict[int, SourceRows]
    edited: dict[int, EditedRows] = field(default_factory=dict)
    following: Following | None = None
    times: StageTimes = field(default_factory=StageTimes)

    def features(self, row: int, wanted: Features) -> list[SourceFeatures]:
        """What a request wants to know of the fed token `row`; nothing if its `top_k` is 0."""
        found = []
        for index, source in enumerate(wanted.sources if wanted.top_k else ()):
            rows = self.sources[source]
            activations = rows.activations[row, : wanted.top_k].tolist()
            if activations and activations[-1] <= wanted.threshold:
                del activations[bisect_left(activations, -wanted.threshold, key=neg) :]
            ids = rows.ids[row, : len(activations)].tolist()
            l0, error = rows.l0.item(row), rows.error.item(row)
            edited = self.edited[source].at(row) if source in self.edited else ()
            found.append(SourceFeatures(index, ids, activations, l0, error, edited))
        return found

    def alternatives(self, row: int, n: int) -> list[Alternative]:
        """The n likeliest tokens after row `row` of those of which it was asked what follows."""
        assert self.following
        ids, logprobs = self.following.ids[row, :n], self.following.logprobs[row, :n]
        return [Alternative(*one) for one in zip(ids.tolist(), logprobs.tolist(), strict=True)]


class DeviceLost(RuntimeError):
    """The accelerator is in a state from which only a new process recovers."""


class Runner(Protocol):
    """What the engine needs of the torch side.

    Each method may raise DeviceLost: nothing will work again. Any other exception, except from
    `free`, fails the requests that the call is for.
    """

    def begin(self, slot: int, prompt_ids: Sequence[int]) -> None:
        """A sequence takes a slot."""

    def run(self, feeds: Sequence[Feed]) -> StepResult:
        """Run the feeds' tokens through the model in one batch. Those that decode come first.

        It may be called again with some of the same feeds if it raised.
        """

    def swap(self, first: int, second: int) -> None:
        """Two slots change places."""

    def copy(self, source: int, target: int) -> None:
        """A slot that has begun and was fed nothing gets all that another was fed."""

    def free(self, slot: int) -> None:
        """A slot's contents are no longer needed."""
