"""Whose turn it is among explanations, and when they have one: after every generation.

Where a generation waits for its next step, explanations take a small share of the time, in steps
as small as those that read a prompt beside it: each has to be earned first. Else they take all of
it.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from math import inf

from axon_inference.engine.base import Room
from axon_inference.engine.effects import Explainer, Query, Told
from axon_inference.engine.explanation import Explanation, Followed
from axon_inference.engine.scheduler import QueueFull, Scheduler
from axon_inference.engine.sequence import Generation, Sequence

# The share of the time that explanations may take from sequences that wait for their next step.
_SHARE = 0.02
# How much longer a step may take than others of its kind did.
_MARGIN = 1.5
# How many of these are remembered. One may have met a moment at which the machine was busy.
_REMEMBERED = 2
# What is expected of a step if none of its kind was taken yet: so many steps of generations. As
# measured on two cores, GPT-2 small with eight streams, rounded up.
_UNKNOWN = {"read": 1, "estimate": 4, "try": 2}
# Explanations that may wait beyond the one that runs.
MAX_WAITING = 16


class Explanations:
    """First come, first served: one at a time. After them generated tokens, the newest first.

    Methods are called under the engine's lock, but for `give_up` and `step`, which work on its
    thread.

    Args:
        tokens: those that a step may run while generations wait; when none does, it may run
            `Scheduler.idle_prefill` times as many.
    """

    def __init__(self, explainer: Explainer | None, slots: int, tokens: int) -> None:
        self._explainer = explainer
        self._slots = slots
        self._tokens = tokens
        self._waiting: deque[Explanation] = deque()
        self._running: Explanation | None = None
        #: Generated tokens to explain when nobody waits, the newest one first.
        self._followed: list[Followed] = []
        #: How long the last step of generations took, in ns; whoever takes those notes it.
        self.beside_ns = 0
        #: How long the last steps of each kind took beside them, in ns.
        self._lasted: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        #: Since when their share of the time has not been used, in ns.
        self._earned_from = 0.0

    @property
    def ids(self) -> list[int]:
        """Those asked for that run and wait."""
        running = self._running
        first = [running.id] if running and not running.followed else []
        return [*first, *(one.id for one in self._waiting)]

    def submit(self, explanation_id: int, query: Query) -> None:
        """Put an explanation at the end of the queue.

        Raises:
            QueueFull: too many wait already.
        """
        assert self._explainer
        if len(self._waiting) >= MAX_WAITING + (self._running is None):
            raise QueueFull
        self._save_from_now()
        self._waiting.append(Explanation(explanation_id, query, self._explainer))

    def follow(self, sequence: Sequence, position: int) -> None:
        """Explain a generated token when there is room."""
        self._save_from_now()
        self._followed.append(Followed(sequence, position))

    def _save_from_now(self) -> None:
        """Time in which nothing was asked for is not saved up."""
        if not (self._running or self._waiting or self._followed):
            self._earned_from = max(self._earned_from, time.perf_counter_ns())

    def leave(self, generation: Generation) -> tuple[list[Followed], list[Explanation]]:
        """Explain no more tokens of a generation: those that were not, and what has slots to
        release."""
        left = [one for one in self._followed if one.sequence.generation is generation]
        self._followed = [one for one in self._followed if one not in left]
        running = self._running
        if not running or not running.followed or running.id != generation.id:
            return left, []
        self._running = None
        left.append(running.followed)
        return sorted(left, key=lambda one: one.position), [running]

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._followed.clear()
        self._running = None

    def drop(self, ids: Iterable[int]) -> list[Explanation]:
        """Forget these; those returned have slots to release."""
        dropped = set(ids)
        self._waiting = deque(one for one in self._waiting if one.id not in dropped)
        if not self._running or self._running.id not in dropped:
            return []
        running, self._running = self._running, None
        return [running]

    def give_up(self, first: int) -> None:
        """Generations take the slots below `first`."""
        if self._running:
            self._running.give_up(first)

    def pause(self, now: int, first: int, idle: float) -> float:
        """Nanoseconds until one has a turn, unless things change: infinite if none will.

        Args:
            now: ns.
            first: the slots from this one on are free.
            idle: nanoseconds until a generation wants a step.
        """
        if first >= self._slots or not (self._running or self._waiting or self._followed):
            return inf
        expected = self._expected()
        return 0 if idle > expected else max(0, self._earned_from + expected / _SHARE - now)

    def _expected(self) -> float:
        """How long the next step may take, in ns."""
        phase = self._running.phase if self._running else "read"
        lasted = self._lasted[phase]
        return _MARGIN * min(lasted) if lasted else _UNKNOWN[phase] * self.beside_ns

    def next(self) -> Explanation:
        """The one whose turn it is, of which there has to be one."""
        if self._running is None and self._waiting:
            self._running = self._waiting.popleft()
        elif self._running is None:
            newest = self._followed.pop()
            assert self._explainer
            number, query = newest.sequence.generation.id, newest.sequence.query(newest.position)
            self._running = Explanation(number, query, self._explainer, followed=newest)
        return self._running

    def step(self, first: int, idle: float) -> list[Told]:
        """Take a step of the one whose turn it is; `first` and `idle` as for `pause`."""
        explanation = self.next()
        in_time, phase = idle > self._expected(), explanation.phase
        tokens = self._tokens * (Scheduler.idle_prefill if idle == inf else 1)
        began = time.perf_counter_ns()
        told = explanation.step(Room(first, self._slots, tokens))
        ended = time.perf_counter_ns()
        if idle < inf:
            self._lasted[phase].append(ended - began)
        if in_time:
            self._earned_from = max(self._earned_from, ended)
        else:
            self._earned_from += (ended - began) / _SHARE
        return told
