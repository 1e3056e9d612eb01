"""One generation: turns the service's events into frames, and sends late labels beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from axon.v1 import inference_pb2 as pb

from axon_gateway import frames, metrics
from axon_gateway.account import Account
from axon_gateway.backends.upstream import Upstream
from axon_gateway.errors import Refusal, our_failure
from axon_gateway.frames import Emit, Frame, TokenFrames
from axon_gateway.generations.effects import EffectFrames
from axon_gateway.generations.label_feed import LabelFeed
from axon_gateway.generations.running import Running
from axon_gateway.generations.strengths import in_sae_units
from axon_gateway.labels.labels import Labels
from axon_gateway.limits import Permit
from axon_gateway.requests import Edit, Generate

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
        command: Generate,
        emit: Emit,
        permit: Permit,
        running: Running,
    ) -> None:
        running.add(self)
        self._running = running
        self._interruption: Refusal | None = None
        self._reading: asyncio.Timeout | None = None
        self._upstream = upstream
        self._command = command
        self._emit = emit
        self._permit = permit
        self._feed = LabelFeed(labels, emit)
        self._labels = labels
        self._tokens = TokenFrames((), {}, labels.known, labels.facts)
        self._effects = EffectFrames((), labels.known)
        #: By branch, as long as it is not complete.
        self._prompts: dict[int, list[pb.Token]] = {}
        self._prompt_tokens = 0
        #: What inference calls it, once it has started. A secret: whoever has it may edit.
        self._id = ""
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

    async def edit(self, command: Edit) -> None:
        """Gives a branch other edits; an `edited` frame says from when. Refusal if that fails."""
        if not self._id:
            raise Refusal("not_running", "the generation has not started yet; edit it once it has")
        await in_sae_units(command.in_maxima, self._labels, self._upstream)
        command.request.generation = self._id
        await self._upstream.edit(command.request)

    async def _read_all(self) -> None:
        await in_sae_units(self._command.in_maxima, self._labels, self._upstream)
        request = self._command.request
        if request.messages:
            await self._upstream.check_chat()
        async with contextlib.aclosing(self._upstream.generate(request)) as responses:
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
            self._rename(refusal)
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

    def _rename(self, refusal: Refusal) -> None:
        """Names an edit as the client did, if the edits stood alone and not in a branch."""
        branch = "branches[0]."
        if self._command.edits_alone and refusal.field and refusal.field.startswith(branch):
            refusal.field = refusal.field.removeprefix(branch)
            refusal.message = refusal.message.replace(branch, "")

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
            case "edited":
                await self._put(frames.edited(response.edited))
            case "branch_ended":
                await self._flush_prompt(response.branch_ended.branch)
                await self._put(frames.branch_ended(response.branch_ended))
            case "token_effects":
                await self._on_effects(response.token_effects)
            case "finished":
                for branch in tuple(self._prompts):
                    await self._flush_prompt(branch)
                await self._feed.settle(_LABELS_BEFORE_END)
                frame = frames.finished(response.finished)
                self._account.outcome = frame["status"]
                await self._put(frame)

    async def _on_started(self, started: pb.Started) -> None:
        self._account.started(started)
        request = self._command.request
        if len(request.branches) > len(started.branches):
            # A service of an earlier version runs the request as if it had no edits.
            raise Refusal("generation_failed", "this inference service is too old for edits")
        sources = tuple(started.sources)
        self._prompt_tokens = started.prompt_tokens
        self._id = started.generation
        layers = await self._upstream.layers(sources)
        # Waits only once in a process. So labels on this machine come with the first token.
        await self._labels.hold(sources)
        branches = max(1, len(started.branches))
        self._tokens = TokenFrames(
            sources, layers, self._labels.known, self._labels.facts, branches
        )
        self._effects = EffectFrames(sources, self._labels.known)
        await self._put(frames.started(started, self._command.text, request.messages))

    async def _on_tokens(self, tokens: Iterable[pb.Token]) -> None:
        for token in tokens:
            if token.origin == pb.TOKEN_ORIGIN_PROMPT:
                prompt = self._prompts.setdefault(token.branch, [])
                prompt.append(token)
                if len(prompt) == self._prompt_tokens:
                    await self._flush_prompt(token.branch)
            else:
                await self._flush_prompt(token.branch)
                self._account.tokens("generated", 1)
                frame = self._tokens.token(token)
                await self._put_tokens(frame, [frame])

    async def _on_effects(self, effects: pb.TokenEffects) -> None:
        """Sends the causes of a token, and asks for their labels in the same order as a token's."""
        metrics.REMOVALS.labels("generation").inc(effects.summary.tried)
        frame = self._effects.of_token(effects)
        self._feed.want(self._effects.features(effects.summary.effects))
        await self._put(frame)

    async def _flush_prompt(self, branch: int) -> None:
        """Sends a branch's prompt, which belongs in one frame however many messages it came in."""
        if prompt := self._prompts.pop(branch, None):
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
