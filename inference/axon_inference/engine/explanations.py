"""Whose turn it is among explanations, and when they have one: after every generation.

Where a generation waits for its next step, explanations take a small share of the time, in steps
as small as those that read a prompt beside it. Else they take all of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from math import inf

from axon_inference.engine.effects import Explainer, Query, Told
from axon_inference.engine.explanation import Explanation, Room
from axon_inference.engine.scheduler import QueueFull, Scheduler

# The share of the time that explanations may take from sequences that wait for their next step.
_SHARE = 0.04
# How much longer a step may take than the last of its kind did.
_MARGIN = 1.5
# Explanations that may wait beyond the one that runs.
MAX_WAITING = 16


class Explanations:
    """First come, first served: one at a time.

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
        self._lasted: dict[str, float] = {}
        self._due_ns = 0.0

    @property
    def ids(self) -> list[int]:
        """Those that run and wait."""
        return [one.id for one in [*([self._running] if self._running else []), *self._waiting]]

    def submit(self, explanation_id: int, query: Query) -> None:
        """Put an explanation at the end of the queue.

        Raises:
            QueueFull: too many wait already.
        """
        assert self._explainer
        if len(self._waiting) >= MAX_WAITING + (self._running is None):
            raise QueueFull
        self._waiting.append(Explanation(explanation_id, query, self._explainer))

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
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
        if first >= self._slots or not (self._running or self._waiting):
            return inf
        return 0 if self._fits(idle) else max(0, self._due_ns - now)

    def _fits(self, idle: float) -> bool:
        phase = self._running.phase if self._running else "read"
        return idle > self._lasted.get(phase, 0) * _MARGIN

    def next(self) -> Explanation:
        """The one whose turn it is, of which there has to be one."""
        if self._running is None:
            self._running = self._waiting.popleft()
        return self._running

    def step(self, first: int, idle: float) -> list[Told]:
        """Take a step of the one whose turn it is; `first` and `idle` as for `pause`."""
        explanation = self.next()
        began = time.perf_counter_ns()
        alone = idle == inf
        tokens = self._tokens * (Scheduler.idle_prefill if alone else 1)
        in_time, phase = self._fits(idle), explanation.phase
        told = explanation.step(Room(first, self._slots, tokens))
        ended = time.perf_counter_ns()
        self._lasted[phase] = ended - began
        if not in_time:
            self._due_ns = ended + (ended - began) * (1 / _SHARE - 1)
        return told
