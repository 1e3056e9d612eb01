"""The engine: one thread that batches all requests, step by step.

A token carries the features of its own position, so it is published after it has gone through the
model itself. The last of `max_tokens` tokens therefore costs one more step, which draws nothing.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from axon_service.logs import describe

from axon_inference.engine.events import Event, Failed, Finished, Queued, Reason, Started, Tokens
from axon_inference.engine.failures import Causes
from axon_inference.engine.requests import Request
from axon_inference.engine.scheduler import Move, Scheduler
from axon_inference.engine.sequence import Sequence
from axon_inference.engine.step import DeviceLost, Feed, Runner, StepResult
from axon_inference.engine.text import Detokenizer, Tokenizer, decoder

_log = logging.getLogger(__name__)

_NOT_FINITE = (
    "the model or an SAE computed values that are not finite for this request, so its tokens and "
    "features would mean nothing; change the prompt, or set AXON_DTYPE=float32 if that is set to "
    "another type"
)

Publish = Callable[[list[tuple[int, Event]]], None]


class Progress(NamedTuple):
    """How busy the engine is."""

    running: int
    queued: int


class EngineDead(RuntimeError):
    """The engine's thread has failed; the process is about to end."""


class Engine:
    """Generates for many requests at once.

    `publish` is called on the engine's thread, once a step, with every event of that step as
    (request id, event); it must not block. Tokens only refer to the step's columns: to read those
    is the listener's work, beside the next step. `on_death` is called if the thread itself fails,
    after which nothing is generated any more.

    An exception that concerns one request (in a step or its text) fails that request alone. Only a
    lost device ends the thread.
    """

    def __init__(
        self,
        runner: Runner,
        tokenizer: Tokenizer,
        scheduler: Scheduler,
        eos_ids: frozenset[int],
        publish: Publish,
        on_death: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._runner = runner
        self._decode = decoder(tokenizer)
        self._scheduler = scheduler
        self._eos_ids = eos_ids
        self._publish = publish
        self._on_death = on_death
        self._ids = itertools.count(1)
        self._sequences: dict[int, Sequence] = {}
        self._cancelled: set[int] = set()
        self._events: list[tuple[int, Event]] = []
        self._causes = Causes(_log)
        self._closing = False
        self._dead = False
        # Guards the scheduler and the table of sequences. Never held while the runner works, since
        # the event loop of all streams may wait for it.
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, request: Request) -> int:
        """Queue a request; its events are published under the id returned.

        Raises:
            QueueFull: too many wait already.
            EngineDead: its thread has failed.
        """
        with self._wake:
            if self._dead:
                raise EngineDead
            sequence = Sequence(
                id=next(self._ids),
                request=request,
                detokenizer=Detokenizer(self._decode),
                token_ids=list(request.prompt_ids),
                arrived_ns=time.perf_counter_ns(),
            )
            self._scheduler.submit(sequence)
            self._sequences[sequence.id] = sequence
            self._wake.notify()
            return sequence.id

    def cancel(self, request_id: int) -> None:
        """End a request before the next step; one that has ended already is left alone."""
        with self._wake:
            if request_id in self._sequences:
                self._cancelled.add(request_id)
                self._wake.notify()

    def progress(self) -> Progress:
        """How many requests generate and how many wait."""
        with self._wake:
            return Progress(len(self._scheduler.running), len(self._scheduler.waiting))

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        with self._wake:
            self._closing = True
            self._cancelled.update(self._sequences)
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def step(self) -> None:
        """One step for all requests: drop the cancelled, admit, run one batch, publish events."""
        self._drop_cancelled()
        self._admit()
        with self._wake:
            batch = [(sequence, 1) for sequence in self._scheduler.decode_batch()]
            batch += self._scheduler.prefill_batch()
        if batch:
            self._process([(sequence, sequence.feed(count)) for sequence, count in batch])
        self._tell()

    def _loop(self) -> None:
        try:
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: self._closing or not self._scheduler.idle)
                    if self._closing and self._scheduler.idle:
                        return
                self.step()
        except BaseException as error:  # a thread's exception would otherwise vanish
            _log.exception("the engine thread died")
            self._abandon(f"the engine died ({describe(error)}); try again in a moment")
            if self._on_death:
                self._on_death(error)

    def _abandon(self, reason: str) -> None:
        """Fail all requests, since nothing will be generated any more."""
        with self._wake:
            self._dead = True
            told = Failed(reason, engine_died=True)
            events: list[tuple[int, Event]] = [(i, told) for i in self._sequences]
            self._sequences.clear()
            self._scheduler.clear()
        try:
            self._publish(events)
        except Exception:  # it may be what the thread died of
            _log.exception("could not tell %d requests", len(events))

    def _drop_cancelled(self) -> None:
        with self._wake:
            cancelled, self._cancelled = self._cancelled, set()
            # Those that are not there have ended meanwhile.
            dropped = [self._sequences[i] for i in sorted(cancelled) if i in self._sequences]
        for sequence in dropped:
            self._finish(sequence, Reason.CANCELLED)

    def _admit(self) -> None:
        with self._wake:
            admitted, waiting = self._scheduler.admit(), list(self._scheduler.waiting)
        now = time.perf_counter_ns()
        for sequence in admitted:
            sequence.timings.queue_ns = now - sequence.arrived_ns
            sequence.stage_began_ns = now
            self._begin(sequence)
        for position, sequence in enumerate(waiting):
            if sequence.told_position != position:
                sequence.told_position = position
                self._events.append((sequence.id, Queued(position)))

    def _begin(self, sequence: Sequence) -> None:
        try:
            self._runner.begin(sequence.slot, sequence.request.prompt_ids)
        except DeviceLost:
            raise  # nothing will work any more
        except Exception as error:
            self._fail_by(sequence, error)
        else:
            self._events.append((sequence.id, Started()))

    def _process(self, batch: list[tuple[Sequence, Feed]]) -> None:
        """Feed each sequence its tokens and move it on by what comes of them."""
        try:
            result = self._runner.run([feed for _, feed in batch])
        except DeviceLost:
            raise  # nothing will work any more
        except Exception as error:
            self._isolate(batch, error)
            return
        for number, (sequence, feed) in enumerate(batch):
            if sequence.id not in self._sequences:
                continue  # it failed when another left and slots were swapped
            if not result.finite[number]:
                self._fail(sequence, Failed(_NOT_FINITE))
                continue
            try:
                self._advance(sequence, feed, result, number)
            except DeviceLost:
                raise
            except Exception as error:
                self._fail_by(sequence, error)

    def _isolate(self, batch: list[tuple[Sequence, Feed]], error: Exception) -> None:
        """A step failed: find the request at fault by bisection, and fail only that one."""
        if len(batch) == 1:
            self._fail_by(batch[0][0], error)
            return
        self._causes.note(f"a step of {len(batch)} requests failed", error)
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            # When one leaves, others may move to its slot, or fail by a failed swap.
            again = [(s, s.feed(len(f.ids))) for s, f in half if s.id in self._sequences]
            if again:
                self._process(again)

    def _advance(self, sequence: Sequence, feed: Feed, result: StepResult, number: int) -> None:
        reading = sequence.in_prefill
        tokens, ending = sequence.advance(feed, result, number, self._eos_ids)
        if not tokens:
            return  # some of its prompt is still to be read
        self._events.append((sequence.id, Tokens(tokens)))
        if reading:
            self._leave_prefill(sequence)
        if ending and sequence.id in self._sequences:  # which a failed swap may have ended
            self._finish(sequence, ending)

    def _leave_prefill(self, sequence: Sequence) -> None:
        now = time.perf_counter_ns()
        sequence.timings.prefill_ns = now - sequence.stage_began_ns
        sequence.stage_began_ns = now
        with self._wake:
            moves = self._scheduler.promote(sequence)
        self._carry_out(moves)

    def _finish(self, sequence: Sequence, reason: Reason) -> None:
        if not sequence.in_prefill:
            sequence.timings.decode_ns = time.perf_counter_ns() - sequence.stage_began_ns
        told = Finished(
            reason,
            prompt_tokens=sequence.prompt_length,
            generated_tokens=max(0, sequence.fed - sequence.prompt_length),
            timings=sequence.timings,
        )
        self._events.append((sequence.id, told))
        self._remove(sequence)

    def _fail_by(self, sequence: Sequence, error: Exception) -> None:
        self._causes.note("a request failed", error)
        self._fail(sequence, Failed.by(error))

    def _fail(self, sequence: Sequence, told: Failed) -> None:
        if sequence.id not in self._sequences:
            return  # it has ended, and its caller was told
        self._events.append((sequence.id, told))
        self._remove(sequence)

    def _remove(self, sequence: Sequence) -> None:
        if sequence.slot >= 0:
            self._runner.free(sequence.slot)
        with self._wake:
            moves = self._scheduler.release(sequence)
            del self._sequences[sequence.id]
        self._carry_out(moves)

    def _carry_out(self, moves: Iterable[Move]) -> None:
        """Swap what slots hold. If a swap fails, the sequences that end up in its slots fail."""
        broken: dict[int, Exception] = {}
        for move in moves:
            try:
                self._runner.swap(move.source, move.target)
            except DeviceLost:
                raise
            except Exception as error:
                broken |= dict.fromkeys((move.source, move.target), error)
        running = self._scheduler.running
        for sequence, why in [(s, broken[s.slot]) for s in running if s.slot in broken]:
            self._fail_by(sequence, why)

    def _tell(self) -> None:
        events, self._events = self._events, []
        if events:
            self._publish(events)
