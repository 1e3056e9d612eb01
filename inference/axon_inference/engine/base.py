"""The text that an explanation is about, in a slot: what is active in it, and what may follow.

It is read once, a part a step. Removals start from its keys and values. What is lost with a slot
that a generation takes is computed again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from axon_inference.engine.effects import Active, Explainer, Query
from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Activations, Alternative, Feed

_GREEDY = Sampling(temperature=0)
_NO_FEATURES = Features(top_k=0)
_NO_TOKEN = Alternative(-1, 0)
# A token costs so many times as much where its gradient is wanted.
_BACKWARD = 3
# The fewest removals of which a correlation says anything.
FEWEST = 3


class NotFinite(ArithmeticError):
    """What the model computes of this text is not finite."""


class Room(NamedTuple):
    """What one step may use: the slots `first` to `end` - 1, and so many tokens."""

    first: int
    end: int
    tokens: int


class Base:
    """The text as it is, without any removal."""

    def __init__(self, query: Query, explainer: Explainer) -> None:
        self.query, self.explainer = query, explainer
        #: The slot with the text's keys and values, and how many positions of it are right.
        self.slot = -1
        self.valid = 0
        #: All slots that the explanation has written to.
        self.used: set[int] = set()
        self.active = self.candidates = Active.joined([])
        self.target = self.rival = _NO_TOKEN
        #: By how much the target's logit less the rival's changes without each candidate, by its
        #: gradient.
        self.estimates: Activations | None = None
        self._read_to = 0
        self._estimated_from = self.length

    @property
    def length(self) -> int:
        """How many tokens the text has."""
        return len(self.query.token_ids)

    @property
    def is_read(self) -> bool:
        """Whether all that is active in it is known."""
        return self._read_to == self.length

    @property
    def is_estimated(self) -> bool:
        """Whether all estimates are known, unless there are too few candidates to need any."""
        n = len(self.candidates)
        return not self._estimated_from or (n <= self.query.limit and n < FEWEST)

    def feed(self, slot: int, start: int, end: int) -> Feed:
        """Some of its tokens, to be run in a slot."""
        query = self.query
        return Feed(
            slot,
            query.token_ids[start:end],
            start,
            _GREEDY,
            _NO_FEATURES,
            draws=0 if end == self.length else None,
            edits=query.edits,
            prompt_length=query.prompt_length,
            has_bos=query.has_bos,
        )

    def read(self, room: Room) -> None:
        """Run the next part through the model: to read it or, where its slot was lost since, only
        to have its keys and values again.

        Raises:
            NotFinite: the model computed values that are not finite.
        """
        query = self.query
        if self.slot < 0:
            self.slot = room.end - 1
            self.used.add(self.slot)
        start, new = self.valid, self.valid >= self._read_to
        end = min(start + room.tokens, self.length if new else self._read_to)
        asked = [token for token in (query.target, query.rival) if token is not None]
        found = self.explainer.read(
            self.feed(self.slot, start, end), query.read_sources if new else (), asked
        )
        if not found.finite:
            raise NotFinite
        self.valid = end
        if not new:
            return
        self.active = Active.joined([self.active, found.active])
        self._read_to = end
        if end == self.length:
            known = {one.token_id: one for one in (*found.likeliest, *found.asked)}
            best = list(found.likeliest)
            self.target = best[0] if query.target is None else known[query.target]
            others = [one for one in best if one.token_id != self.target.token_id]
            self.rival = others[0] if query.rival is None else known[query.rival]
            mine = np.isin(self.active.source, query.sources)
            mine &= self.active.position >= int(query.has_bos)
            self.candidates = self.active.where(mine)

    def estimate(self, room: Room) -> None:
        """Find the gradient of the next part, from the text's end on; what precedes it has to be in
        the slot."""
        end = self._estimated_from
        start = max(0, end - max(1, room.tokens // _BACKWARD))
        if self.valid < start:
            self.read(room)
            return
        position = self.candidates.position
        here = (position >= start) & (position < end)
        if self.estimates is None:
            self.estimates = np.zeros(len(position), dtype=np.float32)
        self.estimates[here] = self.explainer.estimate(
            self.feed(self.slot, start, end),
            self.candidates.where(here),
            self.target.token_id,
            self.rival.token_id,
        )
        self._estimated_from = start

    def lose(self) -> None:
        """Its slot is gone."""
        self.slot, self.valid = -1, 0
