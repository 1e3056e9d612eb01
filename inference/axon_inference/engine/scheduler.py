"""Decides which requests run and which wait. Knows nothing of torch, text or the network.

A request takes a slot for each of its branches, all at once. Running sequences occupy slots 0..n-1
without holes: those that decode first, then those still in prefill. So a decode step works on the
slices `[:decoding]` of the cache and does not gather rows, unless some that keep a pace sit out.
The price is that a sequence may move to another slot; every change of place is returned as a
`Move`, for the owner of the cache to carry out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import inf

from axon_inference.engine.sequence import Generation, Sequence


@dataclass(frozen=True)
class Move:
    """The sequences in these two slots change places; one of them may be about to leave."""

    source: int
    target: int


class QueueFull(Exception):
    """Every slot is taken and as many requests wait as may wait."""


class Scheduler:
    """First come, first served over a fixed number of slots, with a bounded queue."""

    idle_prefill = 4

    def __init__(self, slots: int, max_queue: int, prefill_tokens: int) -> None:
        self.slots = slots
        self.max_queue = max_queue
        self.prefill_tokens = prefill_tokens
        self.waiting: deque[Generation] = deque()
        self.running: list[Sequence] = []  # index is slot
        self._decoding = 0  # slots below this decode, those from it on prefill

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self.waiting and not self.running

    def submit(self, generation: Generation) -> None:
        """Put a request at the end of the queue.

        Raises:
            QueueFull: `max_queue` requests wait beyond those the free slots will take.
        """
        waiting = [*self.waiting, generation]
        if len(waiting) - self._fitting(waiting) > self.max_queue:
            raise QueueFull
        self.waiting.append(generation)

    def _fitting(self, waiting: Iterable[Generation]) -> int:
        """How many of the first of these the free slots take."""
        taken = accumulate((len(g.branches) for g in waiting), initial=len(self.running))
        return sum(count <= self.slots for count in taken) - 1

    def clear(self) -> None:
        """Forget all sequences."""
        self.waiting.clear()
        self.running.clear()
        self._decoding = 0

    def admit(self) -> list[Generation]:
        """Give free slots to those that have waited longest; returns the admitted."""
        admitted = [self.waiting.popleft() for _ in range(self._fitting(self.waiting))]
        for generation in admitted:
            for sequence in generation.branches:
                sequence.slot = len(self.running)
                self.running.append(sequence)
        return admitted

    def decode_batch(self, now: int) -> list[Sequence]:
        """The sequences past their prompt whose turn it is at `now` (ns), in slot order."""
        past = self.running[: self._decoding]
        return [s for s in past if s.generation.due_ns <= now and not s.generation.in_prefill]

    def pause(self, now: int) -> float:
        """Nanoseconds until there is something to do, unless somebody asks for more: infinite if
        there is nothing."""
        if self._fitting(self.waiting) or self._decoding < len(self.running):
            return 0
        return max(0, min((s.generation.due_ns for s in self.running), default=inf) - now)

    def prefill_batch(self) -> list[tuple[Sequence, int]]:
        """Sequences to prefill in this step, oldest first, with how many tokens to feed each.

        Together at most `prefill_tokens`, so that sequences that decode never wait longer than one
        such chunk takes; `idle_prefill` times as many while none decodes.
        """
        batch: list[tuple[Sequence, int]] = []
        reading = [s for s in self.running[self._decoding :] if not s.leader]
        if not reading:
            return []
        decoding = any(not s.generation.in_prefill for s in self.running[: self._decoding])
        budget = self.prefill_tokens * (1 if decoding else self.idle_prefill)
        for sequence in sorted(reading, key=lambda s: (s.generation.id, s.branch)):
            count = min(sequence.unread, budget)
            if not count:
                break
            batch.append((sequence, count))
            budget -= count
        return batch

    def promote(self, sequence: Sequence) -> list[Move]:
        """Place a sequence whose prefill has ended right behind those that decode."""
        moves = self._swap(sequence.slot, self._decoding)
        self._decoding += 1
        return moves

    def withdraw(self, generation: Generation) -> None:
        """Take a request that waits from the queue."""
        self.waiting.remove(generation)

    def release(self, sequence: Sequence) -> list[Move]:
        """Free a sequence's slot and close the hole."""
        moves = []
        if sequence.slot < self._decoding:
            self._decoding -= 1
            moves += self._swap(sequence.slot, self._decoding)
        moves += self._swap(sequence.slot, len(self.running) - 1)
        self.running.pop()
        sequence.slot = -1
        return moves

    def _swap(self, first: int, second: int) -> list[Move]:
        if first == second:
            return []
        running = self.running
        running[first], running[second] = running[second], running[first]
        running[first].slot, running[second].slot = first, second
        return [Move(first, second)]
