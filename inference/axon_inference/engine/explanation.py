"""One explanation: which features made the model expect a token, measured by their removal.

The text is read (base.py), the removals to try are chosen (candidates.py), and each is measured
(trials.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from axon_inference.engine import sequence as generation
from axon_inference.engine.base import FEWEST, Base, Room
from axon_inference.engine.candidates import Candidates, choose
from axon_inference.engine.effects import (
    Active,
    Agreement,
    Effect,
    Effects,
    Explained,
    Explainer,
    Explaining,
    Path,
    PathEffect,
    Query,
    Removal,
    Told,
)
from axon_inference.engine.requests import MAX_FEATURES
from axon_inference.engine.trials import Trials

# Of so many strongest it is compared whether gradient and removal find the same.
_STRONGEST = 5
# A smaller change of an activation, as a share of it, is not told: it may be rounding.
_TOLD_CHANGE = 1e-3


class Followed(NamedTuple):
    """A generated token to explain."""

    sequence: generation.Sequence
    position: int


@dataclass(eq=False)
class Explanation:
    """One explanation; each `step` does a part of it."""

    id: int
    query: Query
    explainer: Explainer
    followed: Followed | None = None
    _began_ns: int = field(default_factory=time.perf_counter_ns)
    _candidates: Candidates | None = None
    _trials: Trials | None = None

    def __post_init__(self) -> None:
        self._base = Base(self.query, self.explainer)

    @property
    def done(self) -> bool:
        """Whether all is told."""
        return self._trials is not None and self._trials.done

    @property
    def phase(self) -> str:
        """What the next step does; steps that do the same take about as long."""
        if self._trials:
            return "try"
        return "estimate" if self._base.is_read else "read"

    def step(self, room: Room) -> list[Told]:
        """Do as much as there is room for, and tell what came of it.

        Raises:
            NotFinite: the model computed values that are not finite.
        """
        told: list[Told] = []
        if self._trials:
            effects = self._trials.step(room)
            told += [Effects(tuple(effects))] if effects else []
        else:
            work = self._base.estimate if self._base.is_read else self._base.read
            work(room)
            told += self._chosen()
        return [*told, *self._end()]

    def give_up(self, first: int) -> None:
        """Free all slots below `first`: generations want them."""
        for slot in [slot for slot in self._base.used if slot < first]:
            self.explainer.free(slot)
            self._base.used.remove(slot)
            if self._trials:
                self._trials.give_up(slot)
            if slot == self._base.slot:
                self._base.lose()

    def release(self) -> None:
        """Free all slots."""
        for slot in self._base.used:
            self.explainer.free(slot)
        self._base.used.clear()
        self.explainer.forget()

    def _chosen(self) -> Iterator[Explaining]:
        """Choose what to try, once all that the choice needs is known."""
        base = self._base
        if base.is_read and base.is_estimated:
            found = self._candidates = choose(base)
            self._trials = Trials(base, found.attempts)
            yield Explaining(base.target, base.rival, found.active, found.tried)

    def _end(self) -> Iterator[Told]:
        if not (self._candidates and self._trials and self._trials.done):
            return
        if path := self.query.path:
            yield Path(path, self.query.path_source, self._path(self._candidates, self._trials))
        measured = self._trials.effects
        strongest = sorted(measured.values(), key=lambda one: -abs(one.logprob))
        yield Explained(
            rival=self._base.rival,
            active=self._candidates.active,
            tried=self._candidates.tried,
            agreement=_agreement(self._candidates.estimates, measured),
            effects=tuple(strongest),
            elapsed_ns=time.perf_counter_ns() - self._began_ns,
        )

    def _path(self, candidates: Candidates, trials: Trials) -> tuple[PathEffect, ...]:
        """What the removal that is watched did; nothing, if its feature is not active."""
        watched = [one for one in candidates.attempts if one.watched]
        active = self._base.active
        return _path(self.query, watched[0].start, active, trials.watched) if watched else ()


def _path(
    query: Query, start: int, active: Active, watched: Sequence[Active]
) -> tuple[PathEffect, ...]:
    """What a removal did to features from position `start` on, largest change first."""
    here = (active.source == query.path_source) & (active.position >= start)
    before, after = active.where(here).by_place(), Active.joined(watched).by_place()
    found = [
        PathEffect(*place, was, now)
        for place in before | after
        if abs((now := after.get(place, 0.0)) - (was := before.get(place, 0.0)))
        > _TOLD_CHANGE * max(was, now)
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.after - one.before))[:MAX_FEATURES])


def _agreement(
    estimates: Mapping[Removal, float], measured: Mapping[Removal, Effect]
) -> Agreement | None:
    both = [(estimate, measured[one].logit) for one, estimate in estimates.items()]
    if len(both) < FEWEST:
        return None
    estimated, found = np.array(both).T
    if not estimated.std() or not found.std():
        return None
    n = min(_STRONGEST, len(both))
    strongest = [set(np.argsort(-np.abs(v), kind="stable")[:n]) for v in (estimated, found)]
    return Agreement(
        pearson=float(np.corrcoef(estimated, found)[0, 1]),
        top_5=len(strongest[0] & strongest[1]) / n,
    )
