"""Removals: what the model makes of a text without one of its features; see engine/explanation.py.

A step of an explanation runs like one of a generation, with the same cache and the same edits, but
eagerly, and reads less: log-probabilities of two tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from axon_inference.engine.effects import Active, Measured, Reading, Trial
from axon_inference.engine.step import Activations, Alternative, Feed
from axon_inference.step import batch
from axon_inference.step.batch import Buffers, Plan
from axon_inference.step.blocks import Blocks
from axon_inference.step.cache import SlotCache
from axon_inference.step.edits import Edits
from axon_inference.step.runner import ModelRunner
from axon_inference.step.silenced import Silenced

# Decoder rows looked at together when changes are estimated.
_ROWS = 8192


class Removals:
    """The torch side of explanations, over a runner's model, sources and slots."""

    def __init__(self, runner: ModelRunner) -> None:
        self._runner = runner
        self._tap = runner.tap
        self._buffers = Buffers(runner.model.device)
        self._edits = Edits(runner.model.device)
        self._blocks = Blocks(runner.model, runner.cache)
        #: Of the text whose gradient is being found: those with respect to keys and values before
        #: the parts that are done.
        self._behind: Sequence[Tensor] = ()
        self.depths: Sequence[int] = [
            self._blocks.depth(source.hook) for source in runner.tap.sources
        ]

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            with self._runner.working():
                yield
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise
        finally:
            self._tap.edits, self._tap.silenced = {}, {}

    def read(self, feed: Feed, sources: Sequence[int], asked: Sequence[int]) -> Reading:
        """Run tokens of a text through the model, and read all active features of some sources."""
        n = len(feed.ids)
        depths = [self.depths[source] for source in sources]
        noted = self._blocks.noted(depths, feed.start == 0) if sources else nullcontext()
        with self._working(), noted:
            _, logits, _ = self._runner.forward(self._plan([feed]))
            active = Active.joined([self._active(s, 0, n, feed.start) for s in sources])
            finite = bool(np.isfinite(active.activation).all())
            if feed.draws is None:
                return Reading(active, finite)
            scores = logits[0].float().log_softmax(-1)
            best = scores.topk(2)
            given = [scores[token] for token in asked]
            ids, logprobs, *known = self._buffers.fetch([best.indices, best.values, *given])
        likeliest = [Alternative(*one) for one in zip(ids.tolist(), logprobs.tolist(), strict=True)]
        told = [Alternative(one, float(value)) for one, value in zip(asked, known, strict=True)]
        finite &= bool(np.isfinite(logprobs).all())
        return Reading(active, finite, likeliest, told)

    def measure(
        self, trials: Sequence[Trial], tokens: tuple[int, int], watched: tuple[int, int] | None
    ) -> Measured:
        """Run trials in one batch. `watched` is a trial and a source whose features in its rows are
        wanted."""
        with self._working():
            step = self._plan([trial.feed for trial in trials])
            self._tap.silenced = self._silenced(trials, step)
            with self._blocks.skipped(self.depths[trials[0].source]):
                _, logits, _ = self._runner.forward(step)
            scores = logits.float()
            chosen = torch.stack([scores[:, token] for token in tokens], 1)
            logprobs = chosen - scores.logsumexp(-1, keepdim=True)
            active = Active.joined([])
            if watched:
                number, source = watched
                feed, first = trials[number].feed, int(step.offsets[number])
                active = self._active(source, first, len(feed.ids), feed.start)
            [found] = self._buffers.fetch([logprobs])
        return Measured(found, active)

    def share(self, slot: int, slots: Sequence[int], length: int) -> None:
        """Other slots get the first `length` positions of a slot."""
        self._runner.share(slot, slots, length)

    def free(self, slot: int) -> None:
        """A slot's contents are no longer needed."""
        self._runner.free(slot)

    def forget(self) -> None:
        """No removals of the text read last are to come."""
        self._blocks.forget()
        self._behind = ()

    def estimate(self, feed: Feed, active: Active, target: int, rival: int) -> Activations:
        """By how much the target's logit less the rival's would change, were it linear, without
        each of these features [M] of some tokens: a part of one backward pass over a text."""
        gradients = self._differentiated(feed, target, rival)
        found = np.zeros(len(active), dtype=np.float32)
        with self._working():
            for source in np.unique(active.source).tolist():
                here = active.source == source
                found[here] = self._linear(active.where(here), source, feed.start, gradients)
        return found

    def _plan(self, feeds: Sequence[Feed]) -> Plan:
        step = self._runner.plan(feeds)
        self._tap.edits = self._edits.of(feeds)
        return step

    def _active(self, source: int, first: int, count: int, start: int) -> Active:
        """All that is active in some batch rows, of positions from `start` on, after edits."""
        found = self._tap.active(source, slice(first, first + count))
        row, feature, activation = (tensor.cpu().numpy() for tensor in found)
        if source in self._tap.edits:
            row, *rest = self._tap.edits[source].left(row + first, feature, activation)
            within = slice(*np.searchsorted(row, (first, first + count)))
            row, (feature, activation) = row[within] - first, (column[within] for column in rest)
        return Active(row + start, np.full_like(row, source), feature, activation)

    def _silenced(self, trials: Sequence[Trial], step: Plan) -> dict[int, Silenced]:
        """What the trials take away in a step, by source."""
        columns: dict[int, list[tuple[int, int, float]]] = defaultdict(list)
        for trial, offset in zip(trials, step.offsets.tolist(), strict=True):
            start, end = trial.feed.start, trial.feed.start + len(trial.feed.ids)
            for position, activation in zip(trial.positions, trial.activations, strict=True):
                if start <= position < end:
                    row = offset + position - start
                    columns[trial.source].append((row, trial.feature, activation))
        if not columns:
            return {}
        every = np.array([one for several in columns.values() for one in several])
        rows, features = every[:, :2].T.astype(np.int64)
        sent = self._buffers.send(np.stack([rows, features, every[:, 2].copy().view(np.int64)]))
        activations, begin, found = sent[2].view(torch.float64), 0, {}
        for source, several in columns.items():
            here = slice(begin, begin := begin + len(several))
            found[source] = Silenced(sent[0, here], sent[1, here], activations[here])
        return found

    def _differentiated(self, feed: Feed, target: int, rival: int) -> dict[str, Tensor]:
        """By hook point that a source writes at, the gradient with respect to the vectors of a part
        of a text [n, d_out] of the target's logit less the rival's.

        Those with respect to its keys and values come from the parts behind it.
        """
        device = self._runner.model.device
        # The part is all that its own cache has.
        step = batch.plan([replace(feed, slot=0)])
        with self._working():
            self._tap.edits = self._edits.of([feed])
            with torch.inference_mode(False), torch.enable_grad():
                numbers = torch.from_numpy(step.numbers).to(device)
                vectors: dict[str, Tensor] = {}
                self._tap.differentiated = vectors
                part = _Part(self._runner.cache, feed.slot, feed.start)
                try:
                    logits = self._runner.logits(step, numbers, part)
                finally:
                    self._tap.differentiated = None
                if feed.draws is not None:
                    ends, given = [logits[0, target] - logits[0, rival]], None
                else:
                    ends, given = part.own, [grad[:, :, feed.start :] for grad in self._behind]
                starts = [*vectors.values(), *part.before]
                # None, where all sources read what no later token depends on.
                found = (
                    torch.autograd.grad(ends, starts, given, materialize_grads=True)
                    if ends
                    else [torch.zeros_like(one) for one in starts]
                )
            through = found[len(vectors) :]
            if feed.draws is None:
                around = (grad[:, :, : feed.start] for grad in self._behind)
                through = [one + other for one, other in zip(through, around, strict=True)]
            self._behind = through
        return {name: grad[0] for name, grad in zip(vectors, found, strict=False)}

    def _linear(
        self, active: Active, source: int, start: int, gradients: dict[str, Tensor]
    ) -> Activations:
        """How the features of one source change what the gradients are of, those of the positions
        from `start` on."""
        one, vectors = self._tap.sources[source], self._tap.read_by(source)
        gradient = gradients[one.target.name]
        device = self._runner.model.device
        parts = []
        for first in range(0, len(active), _ROWS):
            some = active.where(np.arange(first, min(first + _ROWS, len(active))))
            row, feature, amounts = (
                torch.from_numpy(column).to(device)
                for column in (some.position - start, some.feature, -some.activation)
            )
            push = one.sae.push(vectors[row], feature, amounts)
            parts.append((push * gradient[row].to(push.dtype)).sum(-1).float())
        found: Activations = torch.cat(parts).cpu().numpy()
        return found


class _Part(SlotCache):
    """Keys and values of a part of a text, in which gradients flow, behind those of a slot, of
    which gradients can be asked for."""

    def __init__(self, cache: SlotCache, slot: int, start: int) -> None:
        super().__init__(slots=1, context_length=0)
        self._cache, self._slot, self._start = cache, slot, start
        #: Keys and values [1, head, positions, d_head] of the layers that gradients reach, those
        #: before the part, and its own.
        self.before: list[Tensor] = []
        self.own: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """All that the part's tokens look at [1, head, start + N, d_head]."""
        kept = (self._cache.keys[layer_idx], self._cache.values[layer_idx])
        keys, values = (one[self._slot, None, :, : self._start].clone() for one in kept)
        if key_states.requires_grad:
            self.before += keys.requires_grad_(), values.requires_grad_()
            self.own += key_states, value_states
        return torch.cat([keys, key_states], 2), torch.cat([values, value_states], 2)
