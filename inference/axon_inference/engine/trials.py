"""Removals, measured: each runs in a slot from the first position that it changes.

It shares the text's keys and values before that. Where there is but one slot, removals take the
text's own, those that change least of it first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from axon_inference.engine.base import Base, NotFinite, Room
from axon_inference.engine.candidates import Attempt
from axon_inference.engine.effects import Active, Effect, Measured, Removal, Trial
from axon_inference.engine.step import Feed


class Trials:
    """The attempts that wait and those under way; `step` runs some of them in one batch."""

    def __init__(self, base: Base, attempts: Sequence[Attempt]) -> None:
        self._base, self._explainer = base, base.explainer
        #: The last come first: those that change least, by how many blocks have to run, and from
        #: which position on.
        self._waiting: list[Attempt] = []
        self._under_way: list[Attempt] = []
        self.effects: dict[Removal, Effect] = {}
        #: What is active beyond the removal that is watched.
        self.watched: list[Active] = []
        self._put_back(attempts)

    @property
    def done(self) -> bool:
        """Whether all are measured."""
        return not self._waiting and not self._under_way

    def step(self, room: Room) -> list[Effect]:
        """Run as many as there is room for, and return what was measured.

        Raises:
            NotFinite: the model computed values that are not finite.
        """
        if not self._start(room):
            self._base.read(room)
            return []
        base, left = self._base, room.tokens
        batch: list[tuple[Attempt, Feed]] = []
        for one in self._under_way:
            if count := min(base.length - one.fed, left):
                batch.append((one, base.feed(one.slot, one.fed, one.fed + count)))
                left -= count
        batch.sort(key=lambda pair: (len(pair[1].ids) != 1, pair[0].slot))
        watched = [number for number, (one, _) in enumerate(batch) if one.watched]
        measured = self._explainer.measure(
            [
                Trial(feed, one.removal.source, one.removal.feature, one.positions, one.activations)
                for one, feed in batch
            ],
            (base.target.token_id, base.rival.token_id),
            (watched[0], base.query.path_source) if watched else None,
        )
        for one, feed in batch:
            one.fed += len(feed.ids)
        if watched:
            self.watched.append(measured.watched)
        return list(self._found([one for one, _ in batch if one.fed == base.length], measured))

    def give_up(self, slot: int) -> None:
        """A slot is gone: what was under way there starts again."""
        lost = [one for one in self._under_way if one.slot == slot]
        for one in lost:
            self._under_way.remove(one)
        self._put_back(lost)

    def _put_back(self, attempts: Sequence[Attempt]) -> None:
        if any(one.watched for one in attempts):
            self.watched.clear()
        depths = self._explainer.depths
        self._waiting = sorted(
            [*self._waiting, *attempts], key=lambda one: (depths[one.removal.source], one.start)
        )

    def _found(self, ended: Sequence[Attempt], measured: Measured) -> Iterator[Effect]:
        if not np.isfinite(measured.logprobs).all():
            raise NotFinite
        before, minus = self._base.target.logprob, self._base.rival.logprob
        for one, (target, rival) in zip(ended, measured.logprobs.tolist(), strict=True):
            self._under_way.remove(one)
            if one.watched:
                continue
            effect = Effect(
                one.removal,
                activation=max(one.activations),
                logprob=target - before,
                logit=target - rival - (before - minus),
            )
            removals = [one.removal]
            if one.alone:
                removals.append(one.removal._replace(position=None))
            for removal in removals:
                self.effects[removal] = effect._replace(removal=removal)
                yield self.effects[removal]

    def _start(self, room: Room) -> bool:
        """Give slots to removals that wait; False if the text's own is lacking what they need."""
        base = self._base
        taken = {base.slot, *(one.slot for one in self._under_way)}
        free = [slot for slot in range(room.first, room.end) if slot not in taken]
        left = room.tokens - sum(base.length - one.fed for one in self._under_way)
        chosen: list[Attempt] = []
        while self._next_fits(chosen) and left > 0 and len(chosen) < len(free):
            chosen.append(self._waiting.pop())
            left -= base.length - chosen[-1].start
        in_place = not chosen and not self._under_way
        if in_place:
            chosen.append(self._waiting.pop())
        if chosen and chosen[0].start > base.valid:
            self._put_back(chosen)
            # The text's own slot may be in use, by the removal that is under way.
            return any(one.slot == base.slot for one in self._under_way)
        for one, slot in zip(chosen, [base.slot] if in_place else free, strict=False):
            one.slot, one.fed = slot, one.start
        if in_place:
            base.valid = chosen[0].start
        elif chosen:
            slots = free[: len(chosen)]
            base.used.update(slots)
            self._explainer.share(base.slot, slots, chosen[0].start)
        self._under_way += chosen
        return True

    def _next_fits(self, chosen: Sequence[Attempt]) -> bool:
        """Whether there is a next removal, of the depth of those of this step."""
        depths = self._explainer.depths
        of_step = {depths[one.removal.source] for one in (*self._under_way, *chosen)}
        return bool(self._waiting) and of_step <= {depths[self._waiting[-1].removal.source]}
