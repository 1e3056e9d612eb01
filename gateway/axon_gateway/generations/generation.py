"""One generation: turns the service's events into frames, and sends late labels beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from axon.v1 import inference_pb2 as pb

from axon_gateway import frames
from axon_gateway.account import Account
from axon_gateway.backends.upstream import Upstream
from axon_gateway.errors import Refusal, our_failure
from axon_gateway.frames import Emit, Frame, TokenFrames
from axon_gateway.generations.label_feed import LabelFeed
from axon_gateway.generations.running import Running
from axon_gateway.labels.labels import Labels
from axon_gateway.limits import Permit

_log = logging.getLogger(__name__)

#: Seconds that `finished` waits for labels under way, so that most streams end with it.
_LABELS_BEFORE_END = 0.3


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
        sources = tuple(started.sources)
        self._prompt_tokens = started.prompt_tokens
        layers = await self._upstream.layers(sources)
        # Waits only once in a process. So labels on this machine come with the first token.
        await self._labels.hold(sources)
        self._tokens = TokenFrames(sources, layers, self._labels.known, self._labels.maximum)
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
                frame = self._tokens.token(token)
                await self._put_tokens(frame, [frame])

    async def _flush_prompt(self) -> None:
        """Sends the prompt, which belongs in one frame however many messages it came in."""
        if self._prompt:
            prompt, self._prompt = self._prompt, []
            self._account.tokens("prompt", len(prompt))
            frame = self._tokens.prompt(prompt)
            await self._put_tokens(frame, frame["tokens"])

    async def _put_tokens(self, frame: Frame, tokens: Iterable[Frame]) -> None:
        """Asks for the labels that a frame's tokens lack, and sends it.

        In this order, because `emit` may wait: if another stream loads a missing label meanwhile,
        it no longer counts as missing, and viewers of this frame would never get it.
        """
        for token in tokens:
            self._feed.want(token["features"])
        await self._put(frame)
