"""Decides which requests run and which wait. Knows nothing of torch, text or the network.

Running sequences occupy slots 0..n-1 without holes: those that decode first, then those still
in prefill. So a decode step always works on the slices `[:decoding]` of the cache and never
gathers rows. The price is that a sequence may move to another slot; every change of place is
returned as a `Move`, for the owner of the cache to carry out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from axon_inference.engine.sequence import Sequence


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
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []  # index is slot
        self._decoding = 0  # slots below this decode, those from it on prefill

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self.waiting and not self.running

    def submit(self, sequence: Sequence) -> None:
        """Put a sequence at the end of the queue.

        Raises:
            QueueFull: `max_queue` sequences wait beyond those the free slots will take.
        """
        free = self.slots - len(self.running)
        if len(self.waiting) >= self.max_queue + free:
            raise QueueFull
        self.waiting.append(sequence)

    def clear(self) -> None:
        """Forget all sequences."""
        self.waiting.clear()
        self.running.clear()
        self._decoding = 0

    def admit(self) -> list[Sequence]:
        """Give free slots to those that have waited longest; returns the admitted."""
        admitted = []
        while self.waiting and len(self.running) < self.slots:
            sequence = self.waiting.popleft()
            sequence.slot = len(self.running)
            self.running.append(sequence)
            admitted.append(sequence)
        return admitted

    def decode_batch(self) -> list[Sequence]:
        """All sequences past their prompt, in slot order, from slot 0."""
        return self.running[: self._decoding]

    def prefill_batch(self) -> list[tuple[Sequence, int]]:
        """Sequences to prefill in this step, oldest first, with how many tokens to feed each.

        Together at most `prefill_tokens`, so that sequences that decode never wait longer than one
        such chunk takes; `idle_prefill` times as many while none decodes.
        """
        budget = self.prefill_tokens * (1 if self._decoding else self.idle_prefill)
        batch: list[tuple[Sequence, int]] = []
        for sequence in sorted(self.running[self._decoding :], key=lambda s: s.id):
            count = min(sequence.prompt_length - sequence.fed, budget)
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

    def release(self, sequence: Sequence) -> list[Move]:
        """Free a sequence's slot and close the hole; one that waits leaves the queue."""
        if sequence.slot < 0:
            self.waiting.remove(sequence)
            return []
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
