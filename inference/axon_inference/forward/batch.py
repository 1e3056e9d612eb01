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

from axon_inference.engine.step import Feed

Ints = npt.NDArray[np.int64]


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
    only: tuple[int, int] | None = None  # slot and target of the only token, if there is one
    # All layers of a kind look alike, so each mask is made once.
    _decode_masks: dict[int | None, Tensor | None] = field(default_factory=dict)
    _span_masks: dict[tuple[Span, int | None], Tensor] = field(default_factory=dict)

    def decode_mask(self, window: int | None) -> Tensor | None:
        """Which of `length` positions each decoding token sees, bool [n_decode, 1, 1, length].

        None where it is all of them. `window` is the layer's sliding window, in tokens.
        """
        if window not in self._decode_masks:
            self._decode_masks[window] = self._decode_mask(window)
        return self._decode_masks[window]

    def span_mask(self, span: Span, window: int | None) -> Tensor:
        """Which positions of its sequence each token of a span sees, bool [count, end]."""
        key = (span, window)
        if key not in self._span_masks:
            positions = torch.arange(span.end, device=self.positions.device)
            self._span_masks[key] = visible(positions[span.start :, None], positions, window)
        return self._span_masks[key]

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
    """A step's arrays on the host, before any of them goes to the device.

    `tokens` holds, for each of the N tokens, its id, its position, its slot and the position
    where its key and value are written.
    """

    tokens: Ints  # [4, N]
    offsets: Ints  # [n feeds], the first batch row of each
    last: Ints  # [n feeds], the last batch row of each
    n_decode: int
    spans: tuple[Span, ...]

    @classmethod
    def nothing(cls) -> Plan:
        """A step without a token, to be padded."""
        none = np.empty((4, 0), dtype=np.int64)
        return cls(none, none[0], none[0], 0, ())

    @property
    def decode_length(self) -> int:
        """Positions that the longest decoding sequence sees, 0 if none decodes."""
        return int(self.tokens[1, : self.n_decode].max()) + 1 if self.n_decode else 0

    def padded(self, rows: int, spare: int) -> Ints:
        """The tokens of a step that only decodes, [4, rows]: rows to spare are in the slots that
        follow, look at one position, and write to the spare one."""
        tokens = np.zeros((4, rows), dtype=np.int64)
        tokens[2], tokens[3] = np.arange(rows), spare
        tokens[:, : self.n_decode] = self.tokens
        return tokens


def plan(feeds: Sequence[Feed]) -> Plan:
    """Lay the feeds behind one another; single tokens at the front count as decode."""
    counts = np.array([len(feed.ids) for feed in feeds], dtype=np.int64)
    starts = np.array([feed.start for feed in feeds], dtype=np.int64)
    slots = np.array([feed.slot for feed in feeds], dtype=np.int64)
    offsets = np.cumsum(counts) - counts
    several = np.flatnonzero(counts != 1)
    n_decode = int(several[0]) if len(several) else len(feeds)
    positions = np.arange(int(counts.sum())) - np.repeat(offsets - starts, counts)
    ids = [token_id for feed in feeds for token_id in feed.ids]
    return Plan(
        tokens=np.stack([ids, positions, np.repeat(slots, counts), positions]),
        offsets=offsets,
        last=offsets + counts - 1,
        n_decode=n_decode,
        spans=tuple(
            Span(feed.slot, int(offset), feed.start, len(feed.ids))
            for feed, offset in zip(feeds[n_decode:], offsets[n_decode:], strict=True)
        ),
    )


def layout(plan: Plan, tokens: Tensor) -> Layout:
    """The layout of a plan whose tokens [4, N] are on the device."""
    n = plan.n_decode
    decode = plan.tokens[2, :n]
    first = int(decode[0]) if n else 0
    # A slice is a view: decoding sequences sit in neighbouring slots, so nothing is copied.
    contiguous = bool((decode == np.arange(first, first + n)).all())
    length = plan.decode_length
    return Layout(
        positions=tokens[1],
        slots=tokens[2],
        targets=tokens[3],
        n_decode=n,
        decode_slots=slice(first, first + n) if contiguous else tokens[2, :n],
        length=length,
        ragged=bool((plan.tokens[1, :n] + 1 < length).any()),
        spans=plan.spans,
        only=(first, int(plan.tokens[3, 0])) if plan.tokens.shape[1] == n == 1 else None,
    )


def decode_layout(tokens: Tensor, length: int) -> Layout:
    """The layout of slots 0, 1, ... that decode, of tokens [4, rows] not known on the host."""
    rows = tokens.shape[1]
    return Layout(
        positions=tokens[1],
        slots=tokens[2],
        targets=tokens[3],
        n_decode=rows,
        decode_slots=slice(0, rows),
        length=length,
        ragged=True,
    )
