"""One generation: turns the service's events into frames, and sends late labels beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable

from axon.v1 import inference_pb2 as pb

from axon_gateway import frames, metrics
from axon_gateway.account import Account
from axon_gateway.backends.upstream import Upstream
from axon_gateway.errors import Refusal, our_failure
from axon_gateway.frames import Frame, TokenFrames
from axon_gateway.labels.labels import Labels
from axon_gateway.limits import Permit

_log = logging.getLogger(__name__)

_HITS, _MISSES = metrics.LABELS_SENT.labels("hit"), metrics.LABELS_SENT.labels("miss")

#: Takes each frame in turn; may make the generation wait (a slow HTTP client does).
Emit = Callable[[Frame], Awaitable[None]]

#: Seconds that interrupted generations have to send their error.
_INTERRUPTED = 2.0

#: Seconds that `finished` waits for labels under way, so that most streams end with it.
_LABELS_BEFORE_END = 0.3


class Running:
    """The generations of this gateway, from their request to their last token."""

    def __init__(self) -> None:
        self._generations: set[Generation] = set()
        self._none = asyncio.Event()
        self._none.set()
        #: Why no generation may begin any more; None while they may.
        self._refusal: Refusal | None = None

    def check(self) -> None:
        """Refusal if no generation may begin any more."""
        if self._refusal is not None:
            raise self._refusal

    def add(self, generation: Generation) -> None:
        """A generation has begun."""
        self._generations.add(generation)
        self._none.clear()

    def discard(self, generation: Generation) -> None:
        """A generation has ended."""
        self._generations.discard(generation)
        if not self._generations:
            self._none.set()

    async def drain(self, seconds: float, refusal: Refusal) -> None:
        """Lets no generation begin, and ends those still running after `seconds` with `refusal`."""
        self._refusal = refusal
        if await self._end_within(seconds):
            return
        _log.info("%d generations are interrupted", len(self._generations))
        for generation in tuple(self._generations):
            generation.interrupt(refusal)
        await self._end_within(_INTERRUPTED)

    async def _end_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()
        return not self._generations


class Generation:
    """Runs one request; `emit` gets its frames in the order of the contract.

    After `run`, call `close`.
    """

    def __init__(
        self,
        upstream: Upstream,
        labels: Labels,
        request: pb.GenerateRequest,
        emit: Emit,
        permit: Permit,
        running: Running,
    ) -> None:
        running.add(self)
        self._running = running
        self._interruption: Refusal | None = None
        self._reading: asyncio.Timeout | None = None
        self._upstream = upstream
        self._request = request
        self._emit = emit
        self._permit = permit
        self._feed = LabelFeed(labels, emit)
        self._labels = labels
        self._tokens = TokenFrames((), {}, labels.known, labels.maximum)
        self._sources: tuple[str, ...] = ()
        self._prompt: list[pb.Token] = []
        self._prompt_tokens = 0
        self._account = Account(upstream.target)
        #: True once a frame has gone out.
        self.begun = False

    async def run(self) -> None:
        """Runs to the end. Raises Refusal or another error only before the first frame.

        Later errors go out as an `error` frame, since viewers have seen the beginning.
        ConnectionError if nobody is left to read the frames.
        """
        self._account.begin()
        try:
            await self._run()
        finally:
            self._account.close()

    def interrupt(self, refusal: Refusal) -> None:
        """Ends the generation early; viewers are told `refusal`."""
        self._interruption = refusal
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def _read(self) -> None:
        """Reads the stream to its end. Refusal if it breaks off or is interrupted."""
        if self._interruption is not None:
            raise self._interruption
        try:
            async with asyncio.timeout(None) as self._reading:
                await self._read_all()
        except TimeoutError:
            if self._interruption is None:
                raise
            raise self._interruption from None
        finally:
            self._reading = None

    async def _read_all(self) -> None:
        async with contextlib.aclosing(self._upstream.generate(self._request)) as responses:
            async for response in responses:
                await self._handle(response)
                if response.HasField("finished"):
                    # Return at once: a client that has `finished` may send its next request, which
                    # would be refused while this generation counts as running.
                    return

    async def _run(self) -> None:
        try:
            await self._read()
        except Refusal as refusal:
            self._account.outcome = refusal.code
            if not self.begun:
                raise
            await self._put(frames.error(refusal))
        except ConnectionError:
            raise
        except Exception:
            self._account.outcome = "internal"
            if not self.begun:
                raise
            _log.exception("a generation failed")
            await self._put(frames.error(our_failure()))
        finally:
            self._over()

    async def stop(self) -> None:
        """Tells viewers that the generation was stopped. For use after `run` was cancelled."""
        await self._put(frames.stopped(self._prompt_tokens, self._tokens.steps))

    async def settle(self, seconds: float) -> None:
        """Waits for labels still under way, at most `seconds`; they follow `finished`."""
        await self._feed.settle(seconds)

    def close(self) -> None:
        """Gives up labels still under way."""
        self._over()
        self._feed.cancel()

    def _over(self) -> None:
        self._permit.release()
        self._running.discard(self)

    async def _put(self, frame: Frame) -> None:
        self.begun = True
        await self._emit(frame)

    async def _handle(self, response: pb.GenerateResponse) -> None:
        match response.WhichOneof("event"):
            case "tokens":
                await self._on_tokens(response.tokens.tokens)
            case "queued":
                self._account.queued()
                await self._put(frames.queued(response.queued))
            case "started":
                await self._on_started(response.started)
            case "finished":
                await self._flush_prompt()
                await self._feed.settle(_LABELS_BEFORE_END)
                frame = frames.finished(response.finished)
                self._account.outcome = frame["status"]
                await self._put(frame)

    async def _on_started(self, started: pb.Started) -> None:
        self._account.started(started)
        self._sources = tuple(started.sources)
        self._prompt_tokens = started.prompt_tokens
        layers = await self._upstream.layers(self._sources)
        # Waits only once in a process. So labels on this machine come with the first token.
        await self._labels.hold(self._sources)
        self._tokens = TokenFrames(self._sources, layers, self._labels.known, self._labels.maximum)
        await self._put(frames.started(started, self._request.prompt))

    async def _on_tokens(self, tokens: Iterable[pb.Token]) -> None:
        for token in tokens:
            if token.origin == pb.TOKEN_ORIGIN_PROMPT:
                self._prompt.append(token)
                if len(self._prompt) == self._prompt_tokens:
                    await self._flush_prompt()
            else:
                await self._flush_prompt()
                self._account.tokens("generated", 1)
                await self._put_tokens(self._tokens.token(token), [token])

    async def _flush_prompt(self) -> None:
        """Sends the prompt, which belongs in one frame however many messages it came in."""
        if self._prompt:
            prompt, self._prompt = self._prompt, []
            self._account.tokens("prompt", len(prompt))
            await self._put_tokens(self._tokens.prompt(prompt), prompt)

    async def _put_tokens(self, frame: Frame, tokens: Iterable[pb.Token]) -> None:
        """Asks for the labels that a frame lacks, and sends it.

        In this order, because `emit` may wait: if another stream loads a missing label meanwhile,
        it no longer counts as missing, and viewers of this frame would never get it.
        """
        for token in tokens:
            for found in token.source_features:
                self._feed.want(self._sources[found.source], found.ids)
        await self._put(frame)


class LabelFeed:
    """Looks up labels while a stream runs.

    A source has one look-up at a time; further features wait together for the next. Features that
    only Neuronpedia's API may know are asked for one by one, beside the look-ups.
    """

    def __init__(self, labels: Labels, emit: Emit) -> None:
        self._labels = labels
        self._emit = emit
        #: Everything asked for so far, so that a frequent feature is not asked for at every token.
        self._asked: dict[str, set[int]] = {}
        self._known = _Collector(self._look_up)
        self._unknown = _Collector(self._ask)

    def want(self, source: str, indices: Collection[int]) -> None:
        """Asks for labels; those found go out in a `labels` frame. Returns at once."""
        asked = self._asked.setdefault(source, set())
        unknown = self._labels.missing(source, indices)
        _MISSES.inc(len(unknown))
        _HITS.inc(len(indices) - len(unknown))
        missing = unknown - asked
        asked |= missing
        self._known.add(source, missing)

    async def settle(self, seconds: float) -> None:
        """Waits until nothing is under way, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while tasks := self._known.tasks + self._unknown.tasks:
                    await asyncio.wait(tasks)

    def cancel(self) -> None:
        """Gives up what is under way."""
        for task in self._known.tasks + self._unknown.tasks:
            task.cancel()

    async def _look_up(self, source: str, wanted: set[int]) -> None:
        try:
            if found := await self._labels.look_up(source, wanted):
                await self._emit(frames.labels(source, found, self._labels.maximum))
            self._unknown.add(source, self._labels.missing(source, wanted))
        except (Refusal, ConnectionError):
            # Redis fails (already logged), or the reader has left. Features that come again are
            # asked for again.
            self._asked.pop(source, None)

    async def _ask(self, source: str, wanted: set[int]) -> None:
        with contextlib.suppress(ConnectionError):
            async with contextlib.aclosing(self._labels.ask(source, wanted)) as answers:
                async for found in answers:
                    await self._emit(frames.labels(source, found, self._labels.maximum))
        # Features without an answer are asked for again when they come again.
        self._asked.get(source, set()).difference_update(self._labels.missing(source, wanted))


class _Collector:
    """Runs `work` on features of a source; those added meanwhile are worked on together next."""

    def __init__(self, work: Callable[[str, set[int]], Awaitable[None]]) -> None:
        self._work = work
        self._wanted: dict[str, set[int]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The work under way."""
        return list(self._tasks.values())

    def add(self, source: str, indices: set[int]) -> None:
        """Queues these features for work. Returns at once."""
        if not indices:
            return
        self._wanted.setdefault(source, set()).update(indices)
        if source not in self._tasks:
            self._tasks[source] = asyncio.create_task(self._run(source))

    async def _run(self, source: str) -> None:
        try:
            while wanted := self._wanted.pop(source, None):
                await self._work(source, wanted)
        except Exception:
            _log.exception("looking up labels of %s failed", source)
        finally:
            # Not in a callback, which runs later: what is wanted in between would be left.
            del self._tasks[source]
