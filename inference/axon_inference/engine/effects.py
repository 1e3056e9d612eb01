"""What an explanation is asked and what it answers, and what it needs of the torch side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from axon_inference.engine.requests import Edit
from axon_inference.engine.step import Activations, Alternative, Feed, Ids

Floats = npt.NDArray[np.float64]


class Removal(NamedTuple):
    """A feature silenced at one position, or (None) wherever it is active."""

    source: int
    feature: int
    position: int | None


@dataclass(frozen=True)
class Query:
    """Why does `target` follow these tokens, rather than `rival`?

    Both are chosen by their logits if they are None: the likeliest token, and the likeliest other.
    `sources` have the candidates, of which at most `limit` are tried. `edits` are in force all the
    time; `prompt_length` and `has_bos` say where they apply, and that a first BOS has no
    candidates. `path` asks what one removal does to the features of the source `path_source`.
    """

    token_ids: tuple[int, ...]
    target: int | None
    rival: int | None
    sources: tuple[int, ...]
    limit: int
    edits: tuple[Edit, ...] = ()
    prompt_length: int = 0
    has_bos: bool = False
    path: Removal | None = None
    path_source: int = 0

    @property
    def read_sources(self) -> list[int]:
        """The sources whose features have to be read."""
        path = (self.path.source, self.path_source) if self.path else ()
        return sorted({*self.sources, *path})


@dataclass(frozen=True)
class Active:
    """M active features, each [M]: position, source, feature, and activation as edits leave it."""

    position: Ids
    source: Ids
    feature: Ids
    activation: Activations

    @classmethod
    def joined(cls, parts: Sequence[Active]) -> Active:
        """One after another; of no parts, M = 0."""
        empty = np.empty(0, dtype=np.int64)
        return cls(
            np.concatenate([empty, *(part.position for part in parts)]),
            np.concatenate([empty, *(part.source for part in parts)]),
            np.concatenate([empty, *(part.feature for part in parts)]),
            np.concatenate([empty.astype(np.float32), *(part.activation for part in parts)]),
        )

    def where(self, chosen: npt.NDArray[np.bool_] | Ids) -> Active:
        """Some of them."""
        return Active(
            self.position[chosen],
            self.source[chosen],
            self.feature[chosen],
            self.activation[chosen],
        )

    def at(self) -> list[Removal]:
        """The removals of each at its position."""
        columns = (self.source.tolist(), self.feature.tolist(), self.position.tolist())
        return [Removal(*one) for one in zip(*columns, strict=True)]

    def by_place(self) -> dict[tuple[int, int], float]:
        """The activation of each (position, feature), of one source."""
        places = zip(self.position.tolist(), self.feature.tolist(), strict=True)
        return dict(zip(places, self.activation.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.position)


class Effect(NamedTuple):
    """What a removal does: the change of the target's log-probability, and that of its logit less
    the rival's. `activation` is the feature's there, or its largest."""

    removal: Removal
    activation: float
    logprob: float
    logit: float


class PathEffect(NamedTuple):
    """A feature further on, and its activation without and with a removal."""

    position: int
    feature: int
    before: float
    after: float


class Agreement(NamedTuple):
    """How gradient x activation agrees with what was measured: Pearson's correlation, and the share
    of the five strongest that it has among its own five strongest."""

    pearson: float
    top_5: float


@dataclass(frozen=True)
class Explaining:
    """The text has been read: what is explained, and how many features are active and tried."""

    target: Alternative
    rival: Alternative
    active: int
    tried: int


@dataclass(frozen=True)
class Effects:
    """Removals measured just now."""

    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Path:
    """What a removal does to the features of `source`, largest change first."""

    removal: Removal
    source: int
    effects: tuple[PathEffect, ...]


@dataclass(frozen=True)
class Explained:
    """All that was measured, the largest change of the log-probability first."""

    rival: Alternative
    active: int
    tried: int
    agreement: Agreement | None
    effects: tuple[Effect, ...]
    elapsed_ns: int


Told = Explaining | Effects | Path | Explained


@dataclass(frozen=True)
class Trial:
    """Tokens to run with features of one source silenced: `activations` are what is taken away at
    `positions` of the sequence."""

    feed: Feed
    source: int
    feature: int
    positions: Sequence[int]
    activations: Sequence[float]


class Reading(NamedTuple):
    """The active features of the tokens read. After the last token of a text: the two likeliest
    next ones, and those asked for, with log-probabilities."""

    active: Active
    finite: bool
    likeliest: Sequence[Alternative] = ()
    asked: Sequence[Alternative] = ()


class Measured(NamedTuple):
    """Of each trial whose text has ended, the log-probabilities of the two tokens [n, 2]; and the
    active features of the rows that are watched."""

    logprobs: Floats
    watched: Active


class Explainer(Protocol):
    """What explaining needs of the torch side. Methods raise what those of `Runner` do.

    `depths` says of each source how many of the model's blocks its features have no effect on: for
    a removal those need not run. All trials of a step have the same depth.
    """

    depths: Sequence[int]

    def read(self, feed: Feed, sources: Sequence[int], asked: Sequence[int]) -> Reading:
        """Run tokens of a text through the model, and read all active features of some sources."""

    def estimate(self, feed: Feed, active: Active, target: int, rival: int) -> Activations:
        """By how much the target's logit less the rival's would change, were it linear, without
        each of these features [M] of some tokens: a part of one backward pass over a text.

        Parts are asked for from the text's end to its beginning. What precedes a part has been read
        into the feed's slot.
        """

    def measure(
        self, trials: Sequence[Trial], tokens: tuple[int, int], watched: tuple[int, int] | None
    ) -> Measured:
        """Run trials in one batch; those of one token come first. `watched` is a trial and a source
        whose features in its rows are wanted."""

    def share(self, slot: int, slots: Sequence[int], length: int) -> None:
        """Other slots get the first `length` positions of a slot."""

    def free(self, slot: int) -> None:
        """A slot's contents are no longer needed."""

    def forget(self) -> None:
        """No removals of the text read last are to come."""
