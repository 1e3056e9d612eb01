"""How one step's tokens lie in the packed batch: all sequences behind one another, no padding.

A step feeds some sequences one token (decode) and others a part of their prompt (prefill). All
tokens go through the model as one row [1, N], so that every weight is read once a step for all
of them; only attention looks at who is who.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .requests import Features, Sampling

Ints = npt.NDArray[np.int64]


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
class Span:
    """Consecutive tokens of one sequence: batch rows `first`..`first + count - 1`, which are
    the sequence's positions `start`..`start + count - 1`."""

    slot: int
    first: int
    start: int
    count: int

    @property
    def end(self) -> int:
        """How many positions of the sequence have keys and values after this step."""
        return self.start + self.count


@dataclass(frozen=True)
class Layout:
    """Where the N tokens of a step read and write.

    The first `n_decode` tokens are one each of as many sequences; `decode_slots` selects their
    slots. They look at positions below `length`, each up to its own. The others are `spans`.
    """

    positions: Tensor  # [N], for the model's position embedding
    slots: Tensor  # [N], where keys and values are written ...
    targets: Tensor  # [N], ... and at which position; may be the spare one
    n_decode: int
    decode_slots: slice | Tensor
    length: int
    ragged: bool  # whether some decoding sequence is shorter than `length`
    spans: tuple[Span, ...] = ()
    _masks: dict[int | None, Tensor | None] = field(default_factory=dict)

    def decode_mask(self, window: int | None) -> Tensor | None:
        """Which of `length` positions each decoding token sees, bool [n_decode, 1, 1, length].

        None where it is all of them. `window` is the layer's sliding window, in tokens.
        """
        if window not in self._masks:
            self._masks[window] = self._decode_mask(window)
        return self._masks[window]

    def _decode_mask(self, window: int | None) -> Tensor | None:
        crossed = window is not None and self.length > window
        if not self.ragged and not crossed:
            return None
        query = self.positions[: self.n_decode, None]
        return visible(query, torch.arange(self.length, device=query.device), window)[:, None, None]


def visible(query: Tensor, key: Tensor, window: int | None) -> Tensor:
    """Whether the token at position `query` attends to the one at `key`: causal, in the window."""
    seen = key <= query
    return seen if window is None else seen & (key > query - window)


@dataclass(frozen=True)
class Plan:
    """A step's arrays on the host, before any of them goes to the device."""

    ids: Ints  # [N]
    positions: Ints  # [N]
    slots: Ints  # [N]
    offsets: Ints  # [n feeds], the first batch row of each
    last: Ints  # [n feeds], the last batch row of each
    n_decode: int
    spans: tuple[Span, ...]

    @property
    def decode_length(self) -> int:
        """Positions that the longest decoding sequence sees, 0 if none decodes."""
        return int(self.positions[: self.n_decode].max()) + 1 if self.n_decode else 0


def plan(feeds: Sequence[Feed]) -> Plan:
    """Lay the feeds behind one another; single tokens at the front count as decode."""
    counts = np.array([len(feed.ids) for feed in feeds], dtype=np.int64)
    starts = np.array([feed.start for feed in feeds], dtype=np.int64)
    offsets = np.cumsum(counts) - counts
    several = np.flatnonzero(counts != 1)
    n_decode = int(several[0]) if len(several) else len(feeds)
    within = np.arange(int(counts.sum())) - np.repeat(offsets, counts)
    return Plan(
        ids=np.array([i for feed in feeds for i in feed.ids], dtype=np.int64),
        positions=np.repeat(starts, counts) + within,
        slots=np.repeat(np.array([feed.slot for feed in feeds], dtype=np.int64), counts),
        offsets=offsets,
        last=offsets + counts - 1,
        n_decode=n_decode,
        spans=tuple(
            Span(feed.slot, int(offset), feed.start, len(feed.ids))
            for feed, offset in zip(feeds[n_decode:], offsets[n_decode:], strict=True)
        ),
    )


def layout(plan: Plan, positions: Tensor, slots: Tensor) -> Layout:
    """The layout of a plan whose positions and slots [N] are on the device."""
    decode = plan.slots[: plan.n_decode]
    first = int(decode[0]) if plan.n_decode else 0
    # A slice is a view: decoding sequences sit in neighbouring slots, so nothing is copied.
    contiguous = bool((decode == np.arange(first, first + plan.n_decode)).all())
    length = plan.decode_length
    return Layout(
        positions=positions,
        slots=slots,
        targets=positions,
        n_decode=plan.n_decode,
        decode_slots=slice(first, first + plan.n_decode) if contiguous else slots[: plan.n_decode],
        length=length,
        ragged=bool((plan.positions[: plan.n_decode] + 1 < length).any()),
        spans=plan.spans,
    )
