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
from concurrent.futures import Future
from math import isfinite
from typing import NamedTuple

from axon_service.logs import Causes, describe

from axon_inference.engine.base import NotFinite
from axon_inference.engine.effects import Explained, Explainer, Query, Told
from axon_inference.engine.events import (
    BranchEnded,
    Edited,
    Event,
    Failed,
    Finished,
    Queued,
    Reason,
    Started,
    TokenCauses,
    Tokens,
)
from axon_inference.engine.explanation import Explanation, Followed
from axon_inference.engine.explanations import Explanations
from axon_inference.engine.requests import Edit, Request
from axon_inference.engine.scheduler import Move, Scheduler
from axon_inference.engine.sequence import Generation, Sequence
from axon_inference.engine.step import DeviceLost, Feed, Runner, StepResult
from axon_inference.engine.text import Tokenizer, decoder

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
    explaining: int = 0


class EngineDead(RuntimeError):
    """The engine's thread has failed; the process is about to end."""


class NotRunning(LookupError):
    """A request, or a branch of it, has ended."""


class _Change(NamedTuple):
    """Edits that somebody asks for, and who waits for the position from which they apply."""

    request_id: int
    branch: int
    edits: tuple[Edit, ...]
    position: Future[int]


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
        explainer: Explainer | None = None,
    ) -> None:
        self._runner = runner
        self._decode = decoder(tokenizer)
        self._scheduler = scheduler
        self._explanations = Explanations(explainer, scheduler.slots, scheduler.prefill_tokens)
        self._eos_ids = eos_ids
        self._publish = publish
        self._on_death = on_death
        self._ids = itertools.count(1)
        self._generations: dict[int, Generation] = {}
        self._cancelled: set[int] = set()
        self._changes: list[_Change] = []
        self._events: list[tuple[int, Event]] = []
        self._causes = Causes(_log)
        self._closing = False
        self._dead = False
        self._asked = False  # whether somebody wants something since the last step began
        # Guards the scheduler and the table of generations. Never held while the runner works, as
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
            generation = Generation(
                next(self._ids), request, self._decode, arrived_ns=time.perf_counter_ns()
            )
            self._scheduler.submit(generation)
            self._generations[generation.id] = generation
            self._notify()
            return generation.id

    def explain(self, query: Query) -> int:
        """Queue an explanation; its events are published under the id returned.

        Raises:
            QueueFull: too many wait already.
            EngineDead: its thread has failed.
        """
        with self._wake:
            if self._dead:
                raise EngineDead
            explanation_id = next(self._ids)
            self._explanations.submit(explanation_id, query)
            self._notify()
            return explanation_id

    def cancel(self, request_id: int) -> None:
        """End a request or an explanation before the next step; one that has ended already is left
        alone."""
        with self._wake:
            if request_id in self._generations or request_id in self._explanations.ids:
                self._cancelled.add(request_id)
                self._notify()

    def edit(self, request_id: int, branch: int, edits: tuple[Edit, ...]) -> Future[int]:
        """Replace a branch's edits before the next step: the first position that they apply to.

        Raises:
            NotRunning: it has ended; also what the result may raise.
        """
        with self._wake:
            if request_id not in self._generations:
                raise NotRunning
            position: Future[int] = Future()
            self._changes.append(_Change(request_id, branch, edits, position))
            self._notify()
            return position

    def _notify(self) -> None:
        self._asked = True
        self._wake.notify()

    def progress(self) -> Progress:
        """How many requests generate, how many wait, and how many explanations there are."""
        with self._wake:
            waiting, explaining = len(self._scheduler.waiting), len(self._explanations.ids)
            return Progress(len(self._generations) - waiting, waiting, explaining)

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        with self._wake:
            self._closing = True
            self._cancelled.update(self._generations, self._explanations.ids)
            self._notify()
        if self._thread.is_alive():
            self._thread.join()

    def step(self) -> None:
        """One step for all: drop the cancelled, edit, admit, run a batch, explain, publish events.

        Those that keep a pace sit out until it is their turn.
        """
        self._drop_cancelled()
        self._take_edits()
        self._admit()
        now = time.perf_counter_ns()
        with self._wake:
            decoding = self._scheduler.decode_batch(now)
            batch = [(sequence, 1) for sequence in decoding] + self._scheduler.prefill_batch()
        for generation in {sequence.generation for sequence in decoding}:
            generation.pace(now)
        if batch:
            self._process([(sequence, sequence.feed(count)) for sequence, count in batch])
            self._explanations.beside_ns = time.perf_counter_ns() - now
        self._explain()
        self._tell()

    def _loop(self) -> None:
        try:
            while self._wait():
                self.step()
        except BaseException as error:  # a thread's exception would otherwise vanish
            _log.exception("the engine thread died")
            self._abandon(f"the engine died ({describe(error)}); try again in a moment")
            if self._on_death:
                self._on_death(error)

    def _wait(self) -> bool:
        """Wait until there is something to do; False if the engine is to end."""
        with self._wake:
            while not self._asked:
                now = time.perf_counter_ns()
                pause = self._scheduler.pause(now)
                taken = len(self._scheduler.running)
                pause = min(pause, self._explanations.pause(now, taken, pause))
                if not pause:
                    break
                if self._closing and self._scheduler.idle:
                    return False
                self._wake.wait(pause / 1e9 if isfinite(pause) else None)
            self._asked = False
            return True

    def _abandon(self, reason: str) -> None:
        """Fail all requests, since nothing will be generated any more."""
        with self._wake:
            self._dead = True
            told = Failed(reason, engine_died=True)
            concerned = [*self._generations, *self._explanations.ids]
            events: list[tuple[int, Event]] = [(i, told) for i in concerned]
            self._generations.clear()
            self._scheduler.clear()
            self._explanations.clear()
            changes, self._changes = self._changes, []
        for change in changes:
            if change.position.set_running_or_notify_cancel():
                change.position.set_exception(NotRunning())
        try:
            self._publish(events)
        except Exception:  # it may be what the thread died of
            _log.exception("could not tell %d requests", len(events))

    def _drop_cancelled(self) -> None:
        with self._wake:
            cancelled, self._cancelled = self._cancelled, set()
            # Those that are not there have ended meanwhile.
            dropped = [self._generations[i] for i in sorted(cancelled) if i in self._generations]
            explanations = sorted(cancelled.intersection(self._explanations.ids))
        self._drop_explanations(explanations)
        told = Failed("the server is going down", engine_died=True)
        self._events += [(explanation_id, told) for explanation_id in explanations]
        for generation in dropped:
            self._finish(generation, Reason.CANCELLED)

    def _take_edits(self) -> None:
        with self._wake:
            changes, self._changes = self._changes, []
        for change in changes:
            if not change.position.set_running_or_notify_cancel():
                continue  # nobody waits for it any more
            generation = self._generations.get(change.request_id)
            sequence = generation.branches[change.branch] if generation else None
            if not sequence or sequence.ended:
                change.position.set_exception(NotRunning())
                continue
            sequence.edit(sequence.next_position, change.edits)
            if sequence.touches_prompt and not self._separate(sequence):
                change.position.set_exception(NotRunning())
                continue
            position = sequence.next_position
            told = Edited(change.branch, position, change.edits)
            self._events.append((change.request_id, told))
            change.position.set_result(position)

    def _separate(self, sequence: Sequence) -> bool:
        """Have a branch read the rest of its prompt by itself; whether that succeeded."""
        if sequence.leader:
            return self._fork(sequence)
        if followers := sequence.followers:
            heir, *others = followers
            if not self._fork(heir):
                return False
            for one in others:
                one.leader = heir
        return True

    def _fork(self, sequence: Sequence) -> bool:
        """Give a branch what its leader has read so far; whether that succeeded."""
        assert sequence.leader
        if sequence.leader.fed:
            try:
                self._runner.copy(sequence.leader.slot, sequence.slot)
            except DeviceLost:
                raise  # nothing will work any more
            except Exception as error:
                self._fail_by(sequence.generation, error)
                return False
        sequence.catch_up()
        return True

    def _admit(self) -> None:
        with self._wake:
            admitted, waiting = self._scheduler.admit(), list(self._scheduler.waiting)
            taken = len(self._scheduler.running)
        self._explanations.give_up(taken)
        now = time.perf_counter_ns()
        for generation in admitted:
            generation.timings.queue_ns = now - generation.arrived_ns
            generation.stage_began_ns = now
            self._begin(generation)
        for position, generation in enumerate(waiting):
            if generation.told_position != position:
                generation.told_position = position
                self._events.append((generation.id, Queued(position)))

    def _begin(self, generation: Generation) -> None:
        try:
            for sequence in generation.branches:
                self._runner.begin(sequence.slot, generation.request.prompt_ids)
        except DeviceLost:
            raise  # nothing will work any more
        except Exception as error:
            self._fail_by(generation, error)
        else:
            self._events.append((generation.id, Started()))

    def _explain(self) -> None:
        """Take a step of an explanation, if its turn has come."""
        now = time.perf_counter_ns()
        with self._wake:
            taken, idle = len(self._scheduler.running), self._scheduler.pause(now)
            if self._explanations.pause(now, taken, idle):
                return
            explanation = self._explanations.next()
        try:
            told = self._explanations.step(taken, idle)
        except DeviceLost:
            raise  # nothing will work any more
        except Exception as error:
            if not isinstance(error, NotFinite):
                self._causes.note("an explanation failed", error)
            failed = Failed(_NOT_FINITE) if isinstance(error, NotFinite) else Failed.by(error)
            self._drop_explanations([explanation.id])
            self._tell_explained(explanation, [failed])
        else:
            if explanation.done:
                self._drop_explanations([explanation.id])
            self._tell_explained(explanation, told)

    def _tell_explained(self, explanation: Explanation, told: Iterable[Told | Failed]) -> None:
        """Of a generated token only the end is told, and a failure is none of its generation's."""
        followed = explanation.followed
        if not followed:
            self._events += [(explanation.id, event) for event in told]
            return
        for event in told:
            if isinstance(event, Explained | Failed):
                found = event if isinstance(event, Explained) else None
                causes = TokenCauses(followed.sequence.branch, followed.position, found)
                self._events.append((explanation.id, causes))

    def _drop_explanations(self, ids: list[int]) -> None:
        with self._wake:
            dropped = self._explanations.drop(ids)
        for explanation in dropped:
            explanation.release()

    def _process(self, batch: list[tuple[Sequence, Feed]]) -> None:
        """Feed each sequence its tokens and move it on by what comes of them."""
        try:
            result = self._runner.run([feed for _, feed in batch])
        except DeviceLost:
            raise  # nothing will work any more
        except Exception as error:
            self._isolate(batch, error)
            return
        for generation in {sequence.generation for sequence, _ in batch}:
            generation.timings.add(result.times)
        for number, (sequence, feed) in enumerate(batch):
            if sequence.ended:
                continue  # another branch failed, or a swap when another request left
            if not result.finite[number]:
                self._fail(sequence.generation, Failed(_NOT_FINITE))
                continue
            try:
                self._advance(sequence, feed, result, number)
            except DeviceLost:
                raise
            except Exception as error:
                self._fail_by(sequence.generation, error)

    def _isolate(self, batch: list[tuple[Sequence, Feed]], error: Exception) -> None:
        """A step failed: find the request at fault by bisection, and fail only that one."""
        if len(batch) == 1:
            self._fail_by(batch[0][0].generation, error)
            return
        self._causes.note(f"a step of {len(batch)} sequences failed", error)
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            # When one leaves, others may move to its slot, or fail by a failed swap.
            again = [(s, s.feed(len(f.ids))) for s, f in half if not s.ended]
            if again:
                self._process(again)

    def _advance(self, sequence: Sequence, feed: Feed, result: StepResult, number: int) -> None:
        reading, generation = sequence.in_prefill, sequence.generation
        tokens, ending = sequence.advance(feed, result, number, self._eos_ids)
        if reading and not sequence.unread:
            for follower in sequence.followers:
                if not self._fork(follower):
                    return
        if not tokens:
            return  # some of its prompt is still to be read
        self._events.append((generation.id, Tokens(tokens, sequence.branch)))
        if generation.request.explain:
            with self._wake:
                for token in tokens:
                    if token.generated:
                        self._explanations.follow(sequence, token.position)
        if reading:
            self._leave_prefill(sequence)
        if ending and not sequence.ended:  # which a failed swap may have done
            self._end(sequence, ending)

    def _leave_prefill(self, sequence: Sequence) -> None:
        generation = sequence.generation
        with self._wake:
            moves = self._scheduler.promote(sequence)
        if not any(one.in_prefill for one in generation.running):
            now = time.perf_counter_ns()
            generation.timings.prefill_ns = now - generation.stage_began_ns
            generation.stage_began_ns = now
            generation.in_prefill = False
            generation.pace(now)
        self._carry_out(moves)

    def _end(self, sequence: Sequence, reason: Reason) -> None:
        """A branch ends, and with the last one the request."""
        generation = sequence.generation
        if generation.running == [sequence]:
            self._finish(generation, reason)
            return
        told = BranchEnded(sequence.branch, reason, sequence.generated_tokens)
        self._events.append((generation.id, told))
        self._release(sequence)

    def _finish(self, generation: Generation, reason: Reason) -> None:
        if not generation.in_prefill:
            generation.timings.decode_ns = time.perf_counter_ns() - generation.stage_began_ns
        told = Finished(
            reason,
            prompt_tokens=len(generation.request.prompt_ids),
            generated_tokens=generation.generated_tokens,
            timings=generation.timings,
        )
        self._events += [
            (generation.id, TokenCauses(one.sequence.branch, one.position, None))
            for one in self._stop_following(generation)
        ]
        self._remove(generation, told)

    def _stop_following(self, generation: Generation) -> list[Followed]:
        """Explain no more tokens of a generation: those that were not."""
        with self._wake:
            left, dropped = self._explanations.leave(generation)
        for explanation in dropped:
            explanation.release()
        return left

    def _fail_by(self, generation: Generation, error: Exception) -> None:
        self._causes.note("a request failed", error)
        self._fail(generation, Failed.by(error))

    def _fail(self, generation: Generation, told: Failed) -> None:
        if generation.id in self._generations:  # or it has ended, and its caller was told
            self._stop_following(generation)
            self._remove(generation, told)

    def _remove(self, generation: Generation, told: Finished | Failed) -> None:
        self._events.append((generation.id, told))
        with self._wake:
            del self._generations[generation.id]
            if generation.in_queue:
                self._scheduler.withdraw(generation)
                return
        for sequence in generation.running:
            self._release(sequence)

    def _release(self, sequence: Sequence) -> None:
        sequence.ended = True
        self._runner.free(sequence.slot)
        with self._wake:
            moves = self._scheduler.release(sequence)
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
            self._fail_by(sequence.generation, why)

    def _tell(self) -> None:
        events, self._events = self._events, []
        if events:
            self._publish(events)
