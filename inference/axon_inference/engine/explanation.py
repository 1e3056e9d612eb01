"""One explanation: which features made the model expect a token, measured by their removal.

The text is read once, into a slot that no generation needs. Then each removal takes another such
slot: it shares the text's keys and values up to the first position that it changes, and what
follows is computed anew. Where there is but one slot, removals take the text's own, those that
change least of it first. What is lost with a slot that a generation takes is computed again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from axon_inference.engine import sequence as generation
from axon_inference.engine.effects import (
    Active,
    Agreement,
    Effect,
    Effects,
    Explained,
    Explainer,
    Explaining,
    Measured,
    Path,
    PathEffect,
    Query,
    Removal,
    Told,
    Trial,
)
from axon_inference.engine.requests import MAX_FEATURES, Features, Sampling
from axon_inference.engine.step import Alternative, Feed

_GREEDY = Sampling(temperature=0)
_NO_FEATURES = Features(top_k=0)
_NO_TOKEN = Alternative(-1, 0)
# Of so many strongest it is compared whether gradient and removal find the same.
_STRONGEST = 5
# The fewest removals of which a correlation says anything.
_FEWEST = 3
# A smaller change of an activation, as a share of it, is not told: it may be rounding.
_TOLD_CHANGE = 1e-3


class NotFinite(ArithmeticError):
    """What the model computes of this text is not finite."""


class Room(NamedTuple):
    """What one step may use: the slots `first` to `end` - 1, and so many tokens."""

    first: int
    end: int
    tokens: int


class Followed(NamedTuple):
    """A generated token to explain."""

    sequence: generation.Sequence
    position: int


@dataclass(eq=False, slots=True)
class _Attempt:
    """A removal on its way: where it takes something away, and how much."""

    removal: Removal
    positions: list[int]
    activations: list[float]
    reported: bool = True
    watched: bool = False
    slot: int = -1
    fed: int = 0

    @property
    def start(self) -> int:
        """The first position that it changes."""
        return self.positions[0]


@dataclass(eq=False)
class Explanation:
    """One explanation; each `step` does a part of it."""

    id: int
    query: Query
    explainer: Explainer
    followed: Followed | None = None
    done: bool = False
    _began_ns: int = field(default_factory=time.perf_counter_ns)
    #: The slot with the text's keys and values, and how many positions of it are right.
    _base: int = -1
    _valid: int = 0
    _read_to: int = 0
    _used: set[int] = field(default_factory=set)
    _active: Active = field(default_factory=lambda: Active.joined([]))
    _target: Alternative = _NO_TOKEN
    _rival: Alternative = _NO_TOKEN
    _n_active: int = 0
    _estimates: dict[Removal, float] = field(default_factory=dict)
    #: Removals still to try, None before they are chosen. The last come first: those that change
    #: least, by how many blocks have to run, and from which position on.
    _waiting: list[_Attempt] | None = None
    _under_way: list[_Attempt] = field(default_factory=list)
    #: Features that are active at one position alone.
    _alone: set[tuple[int, int]] = field(default_factory=set)
    #: What is active beyond the removal whose path is asked for, and from where.
    _watched: list[Active] = field(default_factory=list)
    _path_start: int = 0
    _effects: dict[Removal, Effect] = field(default_factory=dict)

    @property
    def phase(self) -> str:
        """What the next step does; steps that do the same take about as long."""
        if self._read_to < len(self.query.token_ids):
            return "read"
        return "try" if self._waiting is not None else "estimate"

    def step(self, room: Room) -> list[Told]:
        """Do as much as there is room for, and tell what came of it.

        Raises:
            NotFinite: the model computed values that are not finite.
        """
        told: list[Told] = []
        if self.phase == "read":
            self._read(room)
        elif self._waiting is None:
            told.append(self._choose())
        else:
            told += self._try(room)
        if self._waiting is not None and not self._waiting and not self._under_way:
            told += self._end()
        return told

    def give_up(self, first: int) -> None:
        """Free all slots below `first`: generations want them."""
        for slot in [slot for slot in self._used if slot < first]:
            self.explainer.free(slot)
            self._used.remove(slot)
            for lost in [one for one in self._under_way if one.slot == slot]:
                self._under_way.remove(lost)
                self._put_back([lost])
            if slot == self._base:
                self._base, self._valid = -1, 0

    def release(self) -> None:
        """Free all slots."""
        for slot in self._used:
            self.explainer.free(slot)
        self._used.clear()
        self.explainer.forget()

    def _put_back(self, attempts: Sequence[_Attempt]) -> None:
        assert self._waiting is not None
        if any(one.watched for one in attempts):
            self._watched.clear()
        depths = self.explainer.depths
        self._waiting = sorted(
            [*self._waiting, *attempts], key=lambda one: (depths[one.removal.source], one.start)
        )

    def _feed(self, slot: int, start: int, end: int) -> Feed:
        query = self.query
        return Feed(
            slot,
            query.token_ids[start:end],
            start,
            _GREEDY,
            _NO_FEATURES,
            draws=0 if end == len(query.token_ids) else None,
            edits=query.edits,
            prompt_length=query.prompt_length,
            has_bos=query.has_bos,
        )

    def _read(self, room: Room) -> None:
        """Run the next part of the text through the model: to read it or, where its slot was lost
        since, only to have its keys and values again."""
        query = self.query
        if self._base < 0:
            self._base = room.end - 1
            self._used.add(self._base)
        start, new = self._valid, self._valid >= self._read_to
        end = min(start + room.tokens, len(query.token_ids) if new else self._read_to)
        asked = [token for token in (query.target, query.rival) if token is not None]
        found = self.explainer.read(
            self._feed(self._base, start, end), query.read_sources if new else (), asked
        )
        if not found.finite:
            raise NotFinite
        self._valid = end
        if not new:
            return
        self._active = Active.joined([self._active, found.active])
        self._read_to = end
        if end == len(query.token_ids):
            known = {one.token_id: one for one in (*found.likeliest, *found.asked)}
            best = list(found.likeliest)
            self._target = best[0] if query.target is None else known[query.target]
            others = [one for one in best if one.token_id != self._target.token_id]
            self._rival = others[0] if query.rival is None else known[query.rival]

    def _choose(self) -> Explaining:
        """Choose the removals to try: all, or those of which the gradient promises most."""
        query = self.query
        mine = np.isin(self._active.source, query.sources)
        mine &= self._active.position >= int(query.has_bos)
        active = self._active.where(mine)
        n = self._n_active = len(active)
        tried = active
        if n > query.limit or n >= _FEWEST:
            whole = self._feed(0, 0, len(query.token_ids))
            estimates = self.explainer.estimate(
                whole, active, self._target.token_id, self._rival.token_id
            )
            best = np.argsort(-np.abs(estimates), kind="stable")[: query.limit]
            tried = active.where(best)
            self._estimates = dict(zip(tried.at(), estimates[best].tolist(), strict=True))
        self._waiting = []
        self._put_back(self._attempts(active, tried))
        return Explaining(self._target, self._rival, n, len(tried))

    def _attempts(self, active: Active, tried: Active) -> list[_Attempt]:
        """One of each removal, and of each of their features at all its positions."""
        attempts = [
            _Attempt(removal, [position], [activation])
            for removal, position, activation in zip(
                tried.at(), tried.position.tolist(), tried.activation.tolist(), strict=True
            )
        ]
        for source, feature in dict.fromkeys(
            zip(tried.source.tolist(), tried.feature.tolist(), strict=True)
        ):
            everywhere = self._attempt(active, Removal(source, feature, None))
            assert everywhere
            if len(everywhere.positions) > 1:
                attempts.append(everywhere)
            else:
                self._alone.add((source, feature))
        if (path := self.query.path) and (watched := self._attempt(self._active, path)):
            watched.watched, watched.reported = True, False
            self._path_start = watched.start
            attempts.append(watched)
        return attempts

    def _attempt(self, active: Active, removal: Removal) -> _Attempt | None:
        """A removal of what is active, None if nothing is."""
        here = (active.source == removal.source) & (active.feature == removal.feature)
        here &= active.position >= int(self.query.has_bos)
        if removal.position is not None:
            here &= active.position == removal.position
        found = active.where(here)
        if not len(found):
            return None
        return _Attempt(removal, found.position.tolist(), found.activation.tolist())

    def _try(self, room: Room) -> list[Told]:
        """Run removals in one batch, as many as there is room for."""
        if not self._start(room):
            self._read(room)
            return []
        end, left = len(self.query.token_ids), room.tokens
        batch: list[tuple[_Attempt, Feed]] = []
        for one in self._under_way:
            if count := min(end - one.fed, left):
                batch.append((one, self._feed(one.slot, one.fed, one.fed + count)))
                left -= count
        batch.sort(key=lambda pair: (len(pair[1].ids) != 1, pair[0].slot))
        watched = [number for number, (one, _) in enumerate(batch) if one.watched]
        measured = self.explainer.measure(
            [
                Trial(feed, one.removal.source, one.removal.feature, one.positions, one.activations)
                for one, feed in batch
            ],
            (self._target.token_id, self._rival.token_id),
            (watched[0], self.query.path_source) if watched else None,
        )
        for one, feed in batch:
            one.fed += len(feed.ids)
        self._watched.append(measured.watched)
        ended = [one for one, _ in batch if one.fed == end]
        effects = list(self._measured(ended, measured))
        return [Effects(tuple(effects))] if effects else []

    def _measured(self, ended: Sequence[_Attempt], measured: Measured) -> Iterator[Effect]:
        if not np.isfinite(measured.logprobs).all():
            raise NotFinite
        before = self._target.logprob - self._rival.logprob
        for one, (target, rival) in zip(ended, measured.logprobs.tolist(), strict=True):
            self._under_way.remove(one)
            effect = Effect(
                one.removal,
                activation=max(one.activations),
                logprob=target - self._target.logprob,
                logit=target - rival - before,
            )
            if not one.reported:
                continue
            removals = [one.removal]
            if one.removal[:2] in self._alone:
                removals.append(one.removal._replace(position=None))
            for removal in removals:
                self._effects[removal] = effect._replace(removal=removal)
                yield self._effects[removal]

    def _start(self, room: Room) -> bool:
        """Give slots to removals that wait; False if the text's own is lacking what they need."""
        assert self._waiting is not None
        end = len(self.query.token_ids)
        taken = {self._base, *(one.slot for one in self._under_way)}
        free = [slot for slot in range(room.first, room.end) if slot not in taken]
        left = room.tokens - sum(end - one.fed for one in self._under_way)
        chosen: list[_Attempt] = []
        while self._next_fits(chosen) and left > 0 and len(chosen) < len(free):
            chosen.append(self._waiting.pop())
            left -= end - chosen[-1].start
        in_place = not chosen and not self._under_way
        if in_place:
            chosen.append(self._waiting.pop())
        if chosen and chosen[0].start > self._valid:
            self._put_back(chosen)
            # The text's own slot may be in use, by the removal that is under way.
            return any(one.slot == self._base for one in self._under_way)
        for one, slot in zip(chosen, [self._base] if in_place else free, strict=False):
            one.slot, one.fed = slot, one.start
        if in_place:
            self._valid = chosen[0].start
        elif chosen:
            slots = free[: len(chosen)]
            self._used.update(slots)
            self.explainer.share(self._base, slots, chosen[0].start)
        self._under_way += chosen
        return True

    def _next_fits(self, chosen: Sequence[_Attempt]) -> bool:
        """Whether there is a next removal, of the depth of those of this step."""
        depths = self.explainer.depths
        of_step = {depths[one.removal.source] for one in (*self._under_way, *chosen)}
        assert self._waiting is not None
        return bool(self._waiting) and of_step <= {depths[self._waiting[-1].removal.source]}

    def _end(self) -> Iterator[Told]:
        self.done = True
        if path := self.query.path:
            yield Path(path, self.query.path_source, self._path())
        effects = sorted(self._effects.values(), key=lambda one: -abs(one.logprob))
        yield Explained(
            rival=self._rival,
            active=self._n_active,
            tried=sum(one.removal.position is not None for one in effects),
            agreement=self._agreement(),
            effects=tuple(effects),
            elapsed_ns=time.perf_counter_ns() - self._began_ns,
        )

    def _path(self) -> tuple[PathEffect, ...]:
        """What the removal that was watched did to features, largest change first."""
        if not self._watched:
            return ()
        here = self._active.source == self.query.path_source
        here &= self._active.position >= self._path_start
        before = self._active.where(here).by_place()
        after = Active.joined(self._watched).by_place()
        found = [
            PathEffect(*place, was, now)
            for place in before | after
            if abs((now := after.get(place, 0.0)) - (was := before.get(place, 0.0)))
            > _TOLD_CHANGE * max(was, now)
        ]
        return tuple(sorted(found, key=lambda one: -abs(one.after - one.before))[:MAX_FEATURES])

    def _agreement(self) -> Agreement | None:
        both = [
            (e, self._effects[r].logit) for r, e in self._estimates.items() if r in self._effects
        ]
        if len(both) < _FEWEST:
            return None
        estimated, measured = np.array(both).T
        if not estimated.std() or not measured.std():
            return None
        n = min(_STRONGEST, len(both))
        strongest = [set(np.argsort(-np.abs(v), kind="stable")[:n]) for v in (estimated, measured)]
        return Agreement(
            pearson=float(np.corrcoef(estimated, measured)[0, 1]),
            top_5=len(strongest[0] & strongest[1]) / n,
        )
