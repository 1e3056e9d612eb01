"""One generation: the service's events in, frames out, labels catching up beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable

from axon.v1 import inference_pb2 as pb

from axon_gateway import frames
from axon_gateway.errors import Refusal, our_failure
from axon_gateway.frames import Frame, TokenFrames
from axon_gateway.labels import Labels
from axon_gateway.upstream import Upstream

_log = logging.getLogger(__name__)

#: Takes each frame in turn; may make the generation wait (a slow HTTP client does).
Emit = Callable[[Frame], Awaitable[None]]

#: Seconds that `finished` waits for labels under way, so that most streams end with it.
_LABELS_BEFORE_END = 0.3


class Generation:
    """Runs one request; `emit` gets its frames in the order of the contract.

    Whoever calls `run` calls `close` in the end.
    """

    def __init__(
        self, upstream: Upstream, labels: Labels, request: pb.GenerateRequest, emit: Emit
    ) -> None:
        self._upstream = upstream
        self._request = request
        self._emit = emit
        self._feed = LabelFeed(labels, emit)
        self._labels = labels
        self._tokens = TokenFrames((), {}, labels.known)
        self._sources: tuple[str, ...] = ()
        self._prompt: list[pb.Token] = []
        self._prompt_tokens = 0
        #: True once a frame has gone out.
        self.begun = False

    async def run(self) -> None:
        """Runs to the end. Refusal, or whatever failed, if that was before the first frame.

        What goes wrong later is told by an `error` frame, since by then people watch.
        ConnectionError if nobody is left to be told.
        """
        try:
            async with contextlib.aclosing(self._upstream.generate(self._request)) as responses:
                async for response in responses:
                    await self._handle(response)
                    if response.HasField("finished"):
                        # Not a moment later: who sees `finished` may ask for the next one at once,
                        # and would be told that this one still runs.
                        return
        except Refusal as refusal:
            if not self.begun:
                raise
            await self._put(frames.error(refusal))
        except ConnectionError:
            raise
        except Exception:
            if not self.begun:
                raise
            _log.exception("a generation failed")
            await self._put(frames.error(our_failure()))

    async def stop(self) -> None:
        """Tells those watching that it was stopped; to be called once `run` was cancelled."""
        await self._put(frames.stopped(self._prompt_tokens, self._tokens.steps))

    async def settle(self, seconds: float) -> None:
        """Waits for labels still under way, at most `seconds`; they follow `finished`."""
        await self._feed.settle(seconds)

    def close(self) -> None:
        """Gives up labels still under way."""
        self._feed.cancel()

    async def _put(self, frame: Frame) -> None:
        self.begun = True
        await self._emit(frame)

    async def _handle(self, response: pb.GenerateResponse) -> None:
        match response.WhichOneof("event"):
            case "tokens":
                await self._on_tokens(response.tokens.tokens)
            case "queued":
                await self._put(frames.queued(response.queued))
            case "started":
                await self._on_started(response.started)
            case "finished":
                await self._flush_prompt()
                await self._feed.settle(_LABELS_BEFORE_END)
                await self._put(frames.finished(response.finished))

    async def _on_started(self, started: pb.Started) -> None:
        self._sources = tuple(started.sources)
        self._prompt_tokens = started.prompt_tokens
        layers = await self._upstream.layers(self._sources)
        self._tokens = TokenFrames(self._sources, layers, self._labels.known)
        await self._put(frames.started(started, self._request.prompt))

    async def _on_tokens(self, tokens: Iterable[pb.Token]) -> None:
        for token in tokens:
            if token.origin == pb.TOKEN_ORIGIN_PROMPT:
                self._prompt.append(token)
                if len(self._prompt) == self._prompt_tokens:
                    await self._flush_prompt()
            else:
                await self._flush_prompt()
                await self._put_tokens(self._tokens.token(token), [token])

    async def _flush_prompt(self) -> None:
        """Sends the prompt, which belongs in one frame however many messages it came in."""
        if self._prompt:
            prompt, self._prompt = self._prompt, []
            await self._put_tokens(self._tokens.prompt(prompt), prompt)

    async def _put_tokens(self, frame: Frame, tokens: Iterable[pb.Token]) -> None:
        """Sends a frame and asks for the labels it lacks.

        Asked first: while `emit` waits, another stream may learn a label that this frame went out
        without, and it would no longer count as missing.
        """
        for token in tokens:
            for found in token.source_features:
                self._feed.want(self._sources[found.source], found.ids)
        await self._put(frame)


class LabelFeed:
    """Looks up labels beside a stream: one look-up per source at a time, the rest collects."""

    def __init__(self, labels: Labels, emit: Emit) -> None:
        self._labels = labels
        self._emit = emit
        self._wanted: dict[str, set[int]] = {}
        #: Everything asked for so far, so that a frequent feature is not asked for at every token.
        self._asked: dict[str, set[int]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def want(self, source: str, indices: Iterable[int]) -> None:
        """Asks for labels; those found go out in a `labels` frame. Returns at once."""
        asked = self._asked.setdefault(source, set())
        missing = self._labels.missing(source, indices) - asked
        if not missing:
            return
        asked |= missing
        self._wanted.setdefault(source, set()).update(missing)
        if source not in self._tasks:
            task = asyncio.create_task(self._work(source))
            self._tasks[source] = task
            task.add_done_callback(lambda _: self._tasks.pop(source, None))

    async def settle(self, seconds: float) -> None:
        """Waits until nothing is under way, at most `seconds`."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=seconds)

    def cancel(self) -> None:
        """Gives up what is under way."""
        for task in self._tasks.values():
            task.cancel()

    async def _work(self, source: str) -> None:
        try:
            while wanted := self._wanted.pop(source, None):
                if found := await self._labels.look_up(source, wanted):
                    await self._emit(frames.labels(source, found))
        except (Refusal, ConnectionError):
            # Labels are off (said in the log), or the reader left. Nothing was remembered: a
            # feature that comes again is asked for again.
            self._wanted.pop(source, None)
            self._asked.pop(source, None)
        except Exception:
            _log.exception("looking up labels of %s failed", source)
