"""How one step's tokens lie in the packed batch, and the step's two copies: its numbers to the
device, and all that was found back.

A step feeds some sequences one token (decode) and others a part of their prompt (prefill). All
tokens go through the model as one row [1, N], one sequence behind another without padding, so that
every weight is read once a step for all of them; only attention looks at who is who.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, auto
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from axon_inference.engine.requests import Sampling
from axon_inference.engine.step import Feed
from axon_inference.step.sampling import Knobs, signed

Ints = npt.NDArray[np.int64]


class Row(IntEnum):
    """The rows of the matrix of a step's numbers, int64 [len(Row), N].

    The first four say of each of the N tokens its id, its position, its slot, and the position
    where its key and value are written. The others begin at column 0. ASKED and FOLLOWING are about
    the tokens of which somebody asks what follows, one column each: where its logits are, and the
    id known to follow, 0 if none is. The rest are about the feeds that draw a next token, one
    column each: its last token, its slot, and its knobs.
    """

    ID = 0
    POSITION = auto()
    SLOT = auto()
    TARGET = auto()
    ASKED = auto()
    FOLLOWING = auto()
    LAST = auto()
    OWNER = auto()
    TOP_K = auto()
    SEED = auto()
    DRAWN = auto()
    # These are float64, bit for bit.
    TEMPERATURE = auto()
    TOP_P = auto()
    PENALTY = auto()


_FLOATS = slice(Row.TEMPERATURE, Row.PENALTY + 1)


@dataclass(frozen=True)
class Span:
    """The same positions, `start`..`start + count - 1`, of `sequences` in as many slots from `slot`
    on: batch rows `first`..`first + sequences * count - 1`, one sequence behind another."""

    slot: int
    first: int
    start: int
    count: int
    sequences: int = 1

    @property
    def rows(self) -> slice:
        """Its batch rows."""
        return slice(self.first, self.first + self.sequences * self.count)

    @property
    def slots(self) -> slice:
        """Its slots."""
        return slice(self.slot, self.slot + self.sequences)

    @property
    def end(self) -> int:
        """How many positions of each sequence have keys and values after this step."""
        return self.start + self.count


@dataclass(frozen=True)
class Layout:
    """Where the N tokens of a step read and write.

    The first `n_decode` tokens are one each of as many sequences; `decode_slots` selects their
    slots. They look at positions below `length`, each up to its own. The others are `spans`.
    """

    numbers: Tensor  # [len(Row), N], on the device
    n_decode: int
    decode_slots: slice | Tensor
    length: int
    ragged: bool  # whether some decoding sequence is shorter than `length`
    spans: tuple[Span, ...] = ()
    only: tuple[int, int] | None = None  # slot and target of the only token, if there is one
    # All layers of a kind look alike, so each mask is made once.
    _masks: dict[tuple[Span | None, int | None], Tensor | None] = field(default_factory=dict)

    def mask(self, window: int | None, span: Span | None = None) -> Tensor | None:
        """Which positions each decoding token sees, bool [n_decode, 1, 1, length], or each token of
        a span, [count, end]. None where it is all of them.

        `window` is the layer's sliding window, in tokens.
        """
        if (span, window) not in self._masks:
            self._masks[span, window] = self._mask(window, span)
        return self._masks[span, window]

    def _mask(self, window: int | None, span: Span | None) -> Tensor | None:
        keys = torch.arange(span.end if span else self.length, device=self.numbers.device)
        if span:
            return visible(keys[span.start :, None], keys, window)
        if not self.ragged and (window is None or self.length <= window):
            return None
        queries = self.numbers[Row.POSITION, : self.n_decode, None]
        return visible(queries, keys, window)[:, None, None]


def visible(query: Tensor, key: Tensor, window: int | None) -> Tensor:
    """Whether the token at position `query` attends to the one at `key`: causal, in the window."""
    seen = key <= query
    return seen if window is None else seen & (key > query - window)


@dataclass(frozen=True)
class Plan:
    """A step on the host.

    `drawing` are the feeds that draw a next token, `sampling` their knobs. Of `n_asked` tokens
    somebody asks what follows. If all of them are followed by a draw (`asked_draw`), their logits
    are among those that a draw needs; else they are counted among all tokens.
    """

    numbers: Ints  # [len(Row), N]
    offsets: Ints  # [n feeds], the first batch row of each
    n_decode: int
    spans: tuple[Span, ...]
    drawing: list[int]
    sampling: list[Sampling]
    n_asked: int = 0
    asked_draw: bool = True

    @property
    def n_tokens(self) -> int:
        """How many tokens are fed."""
        return int(self.numbers.shape[1])

    @property
    def decode_length(self) -> int:
        """Positions that the longest decoding sequence sees, 0 if none decodes."""
        return int(self.numbers[Row.POSITION, : self.n_decode].max()) + 1 if self.n_decode else 0


def padding(rows: int, spare: int) -> Ints:
    """The numbers of a step of `rows` slots in which nobody decodes: each looks at one position,
    and writes to the spare one."""
    numbers = np.zeros((len(Row), rows), dtype=np.int64)
    numbers[Row.SLOT], numbers[Row.TARGET] = np.arange(rows), spare
    return numbers


def plan(feeds: Sequence[Feed]) -> Plan:
    """Lay the feeds behind one another; single tokens at the front count as decode."""
    counts = np.array([len(feed.ids) for feed in feeds], dtype=np.int64)
    starts = np.array([feed.start for feed in feeds], dtype=np.int64)
    slots = np.array([feed.slot for feed in feeds], dtype=np.int64)
    ends = np.cumsum(counts)
    offsets = ends - counts
    several = np.flatnonzero(counts != 1)
    n_decode = int(several[0]) if len(several) else len(feeds)
    numbers = np.zeros((len(Row), int(ends[-1])), dtype=np.int64)
    numbers[Row.ID] = [token_id for feed in feeds for token_id in feed.ids]
    numbers[Row.POSITION] = np.arange(int(ends[-1])) - np.repeat(offsets - starts, counts)
    numbers[Row.SLOT] = np.repeat(slots, counts)
    numbers[Row.TARGET] = numbers[Row.POSITION]
    drawing = [index for index, feed in enumerate(feeds) if feed.draws is not None]
    sampling = [feeds[index].sampling for index in drawing]
    if n := len(drawing):
        numbers[Row.LAST, :n] = ends[drawing] - 1
        numbers[Row.OWNER, :n] = slots[drawing]
        numbers[Row.TOP_K : Row.DRAWN + 1, :n] = np.array(
            [
                (knobs.top_k, signed(knobs.seed), feeds[index].draws or 0)
                for knobs, index in zip(sampling, drawing, strict=True)
            ]
        ).T
        numbers[_FLOATS, :n].view(np.float64)[:] = np.array(
            [(k.temperature, k.top_p, k.repetition_penalty) for k in sampling]
        ).T
    n_asked, asked_draw = _ask(feeds, numbers, offsets)
    return Plan(
        numbers=numbers,
        offsets=offsets,
        n_decode=n_decode,
        spans=_spans(feeds[n_decode:], offsets[n_decode:]),
        drawing=drawing,
        sampling=sampling,
        n_asked=n_asked,
        asked_draw=asked_draw,
    )


def _spans(feeds: Sequence[Feed], offsets: Ints) -> tuple[Span, ...]:
    """Feeds as spans: neighbours of the same shape in neighbouring slots as one."""
    spans: list[Span] = []
    for feed, offset in zip(feeds, offsets.tolist(), strict=True):
        one = Span(feed.slot, offset, feed.start, len(feed.ids))
        last = spans[-1] if spans else None
        alike = last and (last.slots.stop, last.start, last.count) == (
            one.slot,
            one.start,
            one.count,
        )
        if last and alike:
            spans[-1] = replace(last, sequences=last.sequences + 1)
        else:
            spans.append(one)
    return tuple(spans)


def _ask(feeds: Sequence[Feed], numbers: Ints, offsets: Ints) -> tuple[int, bool]:
    """Note of which tokens it is asked what follows: how many, and whether a draw follows all."""
    asking = [index for index, feed in enumerate(feeds) if feed.alternatives is not None]
    rows: list[int] = []
    ids: list[int] = []
    for index in asking:
        feed, first = feeds[index], int(offsets[index])
        rows += range(first, first + len(feed.ids))
        ids += [*feed.ids[1:], feed.next_id or 0]
    draw = all(len(feeds[i].ids) == 1 and feeds[i].draws is not None for i in asking)
    if draw:
        drawing = [index for index, feed in enumerate(feeds) if feed.draws is not None]
        rows = [drawing.index(index) for index in asking]
    numbers[[Row.ASKED, Row.FOLLOWING], : len(rows)] = [rows, ids]
    return len(rows), draw


def layout(plan: Plan, numbers: Tensor) -> Layout:
    """The layout of a plan whose numbers are on the device."""
    n = plan.n_decode
    decode = plan.numbers[Row.SLOT, :n]
    first = int(decode[0]) if n else 0
    # A slice is a view: decoding sequences sit in neighbouring slots, so nothing is copied.
    contiguous = bool((decode == np.arange(first, first + n)).all())
    length = plan.decode_length
    return Layout(
        numbers,
        n_decode=n,
        decode_slots=slice(first, first + n) if contiguous else numbers[Row.SLOT, :n],
        length=length,
        ragged=bool((plan.numbers[Row.POSITION, :n] + 1 < length).any()),
        spans=plan.spans,
        only=(first, int(plan.numbers[Row.TARGET, 0])) if plan.n_tokens == n == 1 else None,
    )


def decode_layout(numbers: Tensor, length: int) -> Layout:
    """The layout of slots 0, 1, ... that decode, of numbers not known on the host."""
    rows = numbers.shape[1]
    return Layout(numbers, n_decode=rows, decode_slots=slice(0, rows), length=length, ragged=True)


def knobs(plan: Plan, numbers: Tensor) -> Knobs:
    """The sampling knobs of the feeds that draw, of numbers that are on the device."""
    asked, n = plan.sampling, len(plan.sampling)
    floats = numbers[_FLOATS, :n].view(torch.float64).float()
    return Knobs(
        temperature=floats[0],
        top_p=floats[1],
        repetition_penalty=floats[2],
        top_k=numbers[Row.TOP_K, :n],
        seed=numbers[Row.SEED, :n],
        draw=numbers[Row.DRAWN, :n],
        any_sampled=any(k.temperature > 0 for k in asked),
        any_penalty=any(k.repetition_penalty != 1 for k in asked),
        any_top_p=any(k.top_p < 1 for k in asked),
        largest_top_k=max(k.top_k for k in asked),
    )


class Buffers:
    """Memory for a step's two copies. Its addresses stay while no step is larger than those before.

    For a GPU the host's side is pinned, so that no copy waits. On a CPU both sides are the same.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._gpu = device, device.type != "cpu"
        self._sent = self._there = torch.empty(0, dtype=torch.int64)
        self._received = torch.empty(0, dtype=torch.int32)
        self._copied: torch.cuda.Event | None = None

    def send(self, numbers: Ints) -> Tensor:
        """A step's numbers on the device, valid until the next step's are sent."""
        size = numbers.size
        if size > len(self._sent):
            self._sent = torch.empty(size, dtype=torch.int64, pin_memory=self._gpu)
            self._there = self._sent.to(self._device)
        if self._copied:  # a step that failed may not have reached the device yet
            self._copied.synchronize()
        self._sent.numpy()[:size] = numbers.ravel()
        if self._gpu:
            self._there[:size].copy_(self._sent[:size], non_blocking=True)
            self._copied = torch.cuda.current_stream(self._device).record_event()
        return self._there[:size].view(numbers.shape)

    def fetch(self, tensors: list[Tensor]) -> list[npt.NDArray[Any]]:
        """What a step found, on the host: integers as int32 or int64, others as float32."""
        if not self._gpu:
            # Copies: the next step may write where these are.
            return [tensor.numpy().copy() for tensor in tensors]
        flat = packed(tensors)
        if len(flat) > len(self._received):
            self._received = torch.empty(len(flat), dtype=torch.int32, pin_memory=True)
        self._received[: len(flat)].copy_(flat, non_blocking=True)
        torch.cuda.current_stream(self._device).synchronize()
        return unpacked(self._received.numpy()[: len(flat)].copy(), tensors)


def packed(tensors: list[Tensor]) -> Tensor:
    """All values in one int32 tensor: integers, and other numbers as float32 bit for bit."""
    return torch.cat(
        [
            (t.float().view(torch.int32) if t.is_floating_point() else t.int()).flatten()
            for t in tensors
        ]
    )


def unpacked(flat: npt.NDArray[np.int32], like: list[Tensor]) -> list[npt.NDArray[Any]]:
    """The arrays whose values were packed, of the shapes and kinds of these tensors."""
    ends = np.cumsum([tensor.numel() for tensor in like])
    return [
        (part.view(np.float32) if tensor.is_floating_point() else part).reshape(tensor.shape)
        for part, tensor in zip(np.split(flat, ends[:-1]), like, strict=True)
    ]
