"""Edits of a step: which activations change in which rows, and the vectors that come of it.

On the host every edit becomes one term or two, in each batch row that it applies to. A term reads
the activation a of one feature and adds gain * a + offset to that of one feature: to its own, or,
where another takes its place, to the other's. So whatever people ask for, a source's edits are two
small products, one with the encoder's columns of the features concerned and one with the decoder's
rows, and no value decides what is computed.

While the same sequences are edited in the same way, which in decoding is nearly always, nothing is
laid out or copied anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from axon_inference.engine.requests import Change, Edit
from axon_inference.engine.step import Activations, EditedRows, Feed, SourceRows
from axon_inference.model.sae import SAE, Some
from axon_inference.step.batch import Buffers, Ints


class _Touch(NamedTuple):
    """An edit in force in the batch rows `first` to `end - 1`."""

    edit: Edit
    first: int
    end: int


class _Term(NamedTuple):
    """Adds gain * a + offset to feature `write`, a being the activation of feature `read`."""

    read: int
    write: int
    gain: float
    offset: float


def _terms(edit: Edit) -> list[_Term]:
    one = edit.feature
    if edit.change is Change.SWAP:
        return [_Term(one, one, -1, 0), _Term(one, edit.swap_with, 1, 0)]
    if edit.change is Change.SET:
        return [_Term(one, one, -1, edit.value)]
    if edit.change is Change.SCALE:
        return [_Term(one, one, edit.value - 1, 0)]
    return [_Term(one, one, 0, edit.value)]


@dataclass(frozen=True)
class _Layout:
    """The edits of one source on the host: F features, and U rows of at most T terms and W features
    that these write. Features are counted within the F; what is left over of T and W is 0 and -1.
    """

    features: Ints  # [F]
    rows: Ints  # [U]
    read: Ints  # [U, T]
    write: Ints  # [U, T]
    gain: npt.NDArray[np.float64]  # [U, T]
    offset: npt.NDArray[np.float64]  # [U, T]
    always: npt.NDArray[np.bool_]  # [U, T], whether an offset counts where a is 0
    written: Ints  # [U, W]

    def numbers(self) -> list[Ints]:
        """All of it but the features, as int64."""
        bits = [array.view(np.int64) for array in (self.gain, self.offset)]
        return [self.rows, self.read, self.write, *bits, self.always.astype(np.int64), self.written]


def _lay_out(touches: Sequence[_Touch]) -> _Layout:
    terms = [(touch, term) for touch in touches for term in _terms(touch.edit)]
    features = np.unique([feature for _, term in terms for feature in (term.read, term.write)])
    rows = np.unique(np.concatenate([np.arange(t.first, t.end) for t in touches]))
    filled = np.zeros(len(rows), dtype=np.int64)
    spans = [np.searchsorted(rows, (touch.first, touch.end)) for touch, _ in terms]
    for first, end in spans:
        filled[first:end] += 1
    shape = (len(rows), int(filled.max()))
    read, write = (np.zeros(shape, dtype=np.int64) for _ in range(2))
    gain, offset = np.zeros(shape), np.zeros(shape)
    always = np.zeros(shape, dtype=np.bool_)
    is_written = np.zeros((len(rows), len(features)), dtype=np.bool_)
    filled[:] = 0
    for (first, end), (touch, term) in zip(spans, terms, strict=True):
        here = np.arange(first, end), filled[first:end]
        read[here], write[here] = np.searchsorted(features, (term.read, term.write))
        gain[here], offset[here], always[here] = term.gain, term.offset, touch.edit.everywhere
        is_written[here[0], write[here]] = True
        filled[first:end] += 1
    most = int(is_written.sum(1).max())
    written = np.argsort(~is_written, axis=1, kind="stable")[:, :most]
    written[~np.take_along_axis(is_written, written, 1)] = -1
    return _Layout(features, rows, read, write, gain, offset, always, written)


class SourceEdits:
    """The edits of one source in one step; `layout` is as in _Layout.

    Args:
        layout: on the host.
        features, numbers: the same on the device, `numbers` in the layout's own order.
    """

    def __init__(self, layout: _Layout, features: Tensor, numbers: Sequence[Tensor]) -> None:
        self.layout = layout
        self._features = features
        self._some: Some | None = None
        self._rows, self._read, self._write, gain, offset, always, written = numbers
        self._gain = gain.view(torch.float64).float()
        self._offset = offset.view(torch.float64).float() if layout.offset.any() else None
        # Where none is conditional, conditions are not computed.
        conditional = ((layout.offset != 0) & ~layout.always).any()
        self._always = always.bool() if conditional else None
        self._is_padding = written < 0 if (layout.written < 0).any() else None
        self._at = written.clamp_min(0)
        #: Of the features written in each row, activations before and after [U, W].
        self.before = self.after = self._gain[:0]

    @property
    def most_written(self) -> int:
        """Features whose activations change in one row."""
        return int(self.layout.written.shape[1])

    def apply(self, sae: SAE, read: Tensor, left: Tensor) -> Tensor:
        """Vectors [N, d_in] as the edits leave them.

        Args:
            sae: the source's.
            read: the unedited vectors, which all sources at one hook point read.
            left: what the sources before this one at the hook point left of them.
        """
        if self._some is None:
            self._some = sae.some(self._features)
        vectors = read[self._rows]
        before, after, push = sae.edit(vectors, self._some, self._change)
        self.before, self.after = self._written(before), self._written(after)
        old = vectors if left is read else left[self._rows]
        return left.index_copy(0, self._rows, (old.to(push.dtype) + push).to(left.dtype))

    def _written(self, activations: Tensor) -> Tensor:
        """Of all features' [U, F], those that each row's edits write [U, W]."""
        found = activations.gather(1, self._at).float()
        return found if self._is_padding is None else found.masked_fill(self._is_padding, 0)

    def _change(self, activations: Tensor) -> Tensor:
        """From the activations a [U, F] to a' - a."""
        a = activations.gather(1, self._read)
        more = a * self._gain
        if self._offset is not None:
            offset = self._offset
            if self._always is not None:
                offset = offset * ((a > 0) | self._always)
            more = more + offset
        more = more.to(activations.dtype)
        change = torch.zeros_like(activations)
        # One column after another: added at once, their order on a GPU would be left to chance.
        for write, by in zip(torch.split(self._write, 1, 1), torch.split(more, 1, 1), strict=True):
            change.scatter_add_(1, write, by)
        return change

    def left(self, row: Ints, feature: Ints, activation: Activations) -> tuple[Any, Any, Any]:
        """Active features [M] as the edits leave them, from those of the unedited vectors, on the
        host: batch rows, feature indices and activations in the order of rows."""
        layout, after = self.layout, self.after.cpu().numpy()
        where = layout.written >= 0
        rows = np.broadcast_to(layout.rows[:, None], where.shape)[where]
        features = layout.features[layout.written[where]]
        width = int(max(feature.max(initial=0), features.max(initial=0))) + 1
        kept = ~np.isin(row * width + feature, rows * width + features)
        active = after[where] > 0
        row = np.concatenate([row[kept], rows[active]])
        order = np.argsort(row, kind="stable")
        feature = np.concatenate([feature[kept], features[active]])
        activation = np.concatenate([activation[kept], after[where][active]])
        return row[order], feature[order], activation[order]

    def told(self, before: Activations, after: Activations) -> EditedRows:
        """What changed, from the activations of the features written [U, W] on the host."""
        row, column = np.nonzero((self.layout.written >= 0) & (before != after))
        return EditedRows(
            row=self.layout.rows[row],
            feature=self.layout.features[self.layout.written[row, column]],
            before=before[row, column],
            after=after[row, column],
        )

    def reported(self, found: SourceRows, after: Activations, k: int) -> SourceRows:
        """The k strongest features as the edits leave them, from k + most_written of the unedited
        vectors, on the host."""
        rows, written = self.layout.rows, self.layout.written
        ids = np.where(written < 0, -1, self.layout.features[written])
        kept = found.activations[rows]
        # What is 0 or below is never reported, so it may stay.
        kept[(found.ids[rows][:, :, None] == ids[:, None]).any(-1)] = 0
        values = np.concatenate([kept, after], 1)
        every = np.concatenate([found.ids[rows], ids], 1)
        best = np.argsort(-values, 1, kind="stable")[:, :k]
        width = best.shape[1]
        all_ids, all_values = _widened(found.ids, width), _widened(found.activations, width)
        all_ids[rows] = np.take_along_axis(every, best, 1)
        all_values[rows] = np.take_along_axis(values, best, 1)
        return SourceRows(all_ids, all_values, found.l0, found.error)


def _widened(values: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """The first `width` columns of [N, some], filled up with zeros, as a copy."""
    lacking = max(0, width - values.shape[1])
    return np.pad(values[:, :width], ((0, 0), (0, lacking)))


class Edits:
    """Lays the edits of steps out. What it returns is valid until the next step's."""

    def __init__(self, device: torch.device) -> None:
        self._buffers = Buffers(device)
        self._touches: list[_Touch] = []
        self._laid: dict[int, SourceEdits] = {}

    def of(self, feeds: Sequence[Feed]) -> dict[int, SourceEdits]:
        """The edits that apply in a step with these feeds, by source."""
        touches = _touches(feeds)
        if not touches:
            return {}
        if touches != self._touches:
            self._touches = []  # should it fail
            self._laid = self._lay_out(touches)
            self._touches = touches
        return self._laid

    def _lay_out(self, touches: list[_Touch]) -> dict[int, SourceEdits]:
        by_source: dict[int, list[_Touch]] = defaultdict(list)
        for touch in touches:
            by_source[touch.edit.source].append(touch)
        layouts = {source: _lay_out(of) for source, of in sorted(by_source.items())}
        arrays = {source: [one.features, *one.numbers()] for source, one in layouts.items()}
        sent = self._buffers.send(
            np.concatenate([array.ravel() for several in arrays.values() for array in several])
        )
        laid, begin = {}, 0
        for source, several in arrays.items():
            tensors = []
            for array in several:
                tensors.append(sent[begin : begin + array.size].view(array.shape))
                begin += array.size
            laid[source] = SourceEdits(layouts[source], tensors[0], tensors[1:])
        return laid


def _touches(feeds: Sequence[Feed]) -> list[_Touch]:
    found, row = [], 0
    for feed in feeds:
        for edit in feed.edits:
            where = edit.positions(feed.prompt_length, feed.has_bos)
            first = max(where.start, feed.start)
            end = min(where.stop, feed.start + len(feed.ids))
            if first < end:
                found.append(_Touch(edit, row + first - feed.start, row + end - feed.start))
        row += len(feed.ids)
    return found
