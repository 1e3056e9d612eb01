"""The engine as a gRPC service: turns messages into requests, and events into messages."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import grpc
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as pb_grpc
from axon_service.logs import Causes

from axon_inference.engine import effects
from axon_inference.engine.engine import Engine, EngineDead, NotRunning
from axon_inference.engine.events import Event, Failed, Token, Tokens
from axon_inference.engine.requests import Feature, Request, Served, Unreadable
from axon_inference.engine.scheduler import QueueFull
from axon_inference.engine.text import Decoder
from axon_inference.serving import messages
from axon_inference.serving.account import Account
from axon_inference.serving.branches import resolve_edits
from axon_inference.serving.effects import ExplainStream
from axon_inference.serving.explaining import resolve_explain
from axon_inference.serving.fields import InvalidRequest, Violation
from axon_inference.serving.healthcheck import LOADING
from axon_inference.serving.mapping import Maps, NoMap
from axon_inference.serving.metrics import Metrics
from axon_inference.serving.refusals import abort, refuse_failed, refuse_fields, refuse_full
from axon_inference.serving.validation import (
    NO_REMOVALS,
    UnknownSource,
    resolve,
    resolve_feature,
    resolve_map,
)

_log = logging.getLogger(__name__)

# gRPC's default bound on what a client receives is 4 MiB; a long prompt with many features
# would pass it, so its tokens are then spread over several messages.
_MESSAGE_BYTES = 2 << 20
# What a message takes beside a token's own bytes, at most: the token's length and kind.
_FRAMING = 8


class Stream(Protocol):
    """What waits for the events of a request."""

    def put(self, event: Event) -> None:
        """Take the next event."""


class Listeners:
    """Carries events from the engine's thread to the streams that wait for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: dict[int, Stream] = {}
        self._causes = Causes(_log)

    def publish(self, events: list[tuple[int, Event]]) -> None:
        """Called by the engine, once a step, on its own thread: one wake-up for all streams.

        So messages are made while the engine takes its next step.
        """
        try:
            self._loop.call_soon_threadsafe(self._deliver, events)
        except RuntimeError:  # the loop has closed; nobody listens any more
            _log.debug("dropped %d events after shutdown", len(events))

    def open(self, request_id: int, stream: Stream) -> None:
        """Pass a request's events to a stream. Call it in the same turn of the loop as `submit`."""
        self._streams[request_id] = stream

    def close(self, request_id: int) -> None:
        """Forget a stream; what still comes for it is dropped."""
        self._streams.pop(request_id, None)

    def _deliver(self, events: Iterable[tuple[int, Event]]) -> None:
        for request_id, event in events:
            if stream := self._streams.get(request_id):
                try:
                    stream.put(event)
                except Exception as error:
                    self._causes.note("a request failed", error)
                    stream.put(Failed.by(error))


class MessageStream:
    """One request's messages, in order. Tokens that its reader has not taken yet share messages of
    up to `most_bytes`. `generation` names it in Edit."""

    def __init__(
        self,
        request: Request,
        served: Served,
        generation: str = "",
        most_bytes: int = _MESSAGE_BYTES,
    ) -> None:
        self._request, self._served, self._generation = request, served, generation
        self._most_bytes = most_bytes
        self._messages: deque[pb.GenerateResponse | Failed] = deque()
        self._ready = asyncio.Event()
        #: The last message's tokens, if others may join them, and their bytes.
        self._joined: pb.Tokens | None = None
        self._bytes = 0

    def put(self, event: Event) -> None:
        """Make the event's messages at once, so that unread tokens do not keep steps' columns."""
        match event:
            case Tokens(tokens, branch):
                for token in tokens:
                    self._add(token, branch)
            case Failed():
                self._joined = None
                self._messages.append(event)
            case _:
                assert not isinstance(event, effects.Told)
                self._joined = None
                self._messages.append(
                    messages.from_event(event, self._request, self._served, self._generation)
                )
        self._ready.set()

    async def next(self) -> pb.GenerateResponse | Failed:
        """The next message, or why there will be no more, once there is one."""
        while not self._messages:
            self._ready.clear()
            await self._ready.wait()
        message = self._messages.popleft()
        if not self._messages:
            self._joined = None
        return message

    def _add(self, token: Token, branch: int) -> None:
        joined = self._open() if self._joined is None else self._joined
        before = len(joined.tokens)
        try:
            added = messages.add_token(joined, token, branch, self._served)
        except Exception:
            del joined.tokens[before:]  # no part of it is told
            if not before:
                self._messages.pop()
                self._joined = None
            raise
        size = added.ByteSize() + _FRAMING
        if before and self._bytes + size > self._most_bytes:
            self._open().tokens.append(added)
            del joined.tokens[before:]
        self._bytes += size

    def _open(self) -> pb.Tokens:
        """The tokens of a new message."""
        message = pb.GenerateResponse()
        self._messages.append(message)
        self._joined, self._bytes = message.tokens, 0
        return message.tokens


class Reader(Protocol):
    """What the servicer needs of `features.FeatureReader`."""

    def read(self, source: int, index: int, limit: int) -> Feature:
        """What a feature's weights say, or Unreadable."""


@dataclass(frozen=True)
class Ready:
    """What the servicer needs once the model is loaded; `name` tells this replica from others."""

    name: str
    engine: Engine
    reader: Reader
    served: Served
    decode: Decoder
    listeners: Listeners
    description: pb.GetModelResponse
    maps: Maps


class _Running(NamedTuple):
    """A generation under way: where it runs."""

    ready: Ready
    request_id: int
    branches: int


class InferenceServicer(pb_grpc.InferenceServiceServicer):
    """Implements axon.v1.InferenceService. Answers UNAVAILABLE until `ready` is set."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.ready: Ready | None = None
        self.unavailable = f"the model is loading{LOADING}"
        # One at a time: a reading goes through whole matrices, and competes with the engine.
        self._reading = asyncio.Lock()
        self._running: dict[str, _Running] = {}

    async def Generate(
        self,
        request: pb.GenerateRequest,
        context: grpc.aio.ServicerContext[pb.GenerateRequest, pb.GenerateResponse],
    ) -> AsyncIterator[pb.GenerateResponse]:
        """Stream one continuation."""
        ready = await self._ready(context)
        with Account(self._metrics, _given_id(context)) as account:
            try:
                # In a thread: a long prompt takes milliseconds, and other streams should not wait.
                wanted = await asyncio.to_thread(resolve, request, ready.served, ready.description)
            except InvalidRequest as error:
                account.outcome = "invalid"
                await refuse_fields(context, error)
            try:
                request_id = ready.engine.submit(wanted)
            except QueueFull:
                account.outcome = "queue_full"
                await refuse_full(context)
            except EngineDead:
                account.outcome = "failed"
                await abort(
                    context, grpc.StatusCode.UNAVAILABLE, "the server is failing; try again"
                )
            generation = secrets.token_urlsafe(16)
            stream = MessageStream(wanted, ready.served, generation)
            ready.listeners.open(request_id, stream)
            self._running[generation] = _Running(ready, request_id, len(wanted.branches))
            try:
                async for message in _relay(stream, ready.name, context, account):
                    yield message
            finally:
                # Also if the caller has gone or its deadline has passed: frees the slot at once.
                del self._running[generation]
                ready.engine.cancel(request_id)
                ready.listeners.close(request_id)

    async def Edit(
        self,
        request: pb.EditRequest,
        context: grpc.aio.ServicerContext[pb.EditRequest, pb.EditResponse],
    ) -> pb.EditResponse:
        """Replace the edits of one branch of a running generation."""
        running = self._running.get(request.generation)
        if not running:
            await self._ready(context)
            await abort(context, grpc.StatusCode.NOT_FOUND, "no such generation runs here")
        try:
            if request.branch >= running.branches:
                why = f"is {request.branch}; it must be 0 to {running.branches - 1}"
                raise InvalidRequest([Violation("branch", why)])
            edits = resolve_edits(request.edits, running.ready.description.sources)
        except InvalidRequest as error:
            await refuse_fields(context, error)
        try:
            taken = running.ready.engine.edit(running.request_id, request.branch, edits)
            return pb.EditResponse(position=await asyncio.wrap_future(taken))
        except NotRunning:
            why = "the generation, or this branch of it, has ended"
            await abort(context, grpc.StatusCode.NOT_FOUND, why)

    async def GetModel(
        self,
        request: pb.GetModelRequest,
        context: grpc.aio.ServicerContext[pb.GetModelRequest, pb.GetModelResponse],
    ) -> pb.GetModelResponse:
        """Describe the model and how busy the server is."""
        ready = await self._ready(context)
        answer = pb.GetModelResponse()
        answer.CopyFrom(ready.description)
        load = ready.engine.progress()
        answer.load.running, answer.load.queued = load.running, load.queued
        return answer

    async def GetFeature(
        self,
        request: pb.GetFeatureRequest,
        context: grpc.aio.ServicerContext[pb.GetFeatureRequest, pb.GetFeatureResponse],
    ) -> pb.GetFeatureResponse:
        """Read one feature off the weights."""
        ready = await self._ready(context)
        try:
            query = resolve_feature(request, ready.description.sources)
        except UnknownSource as error:
            await abort(context, grpc.StatusCode.NOT_FOUND, str(error))
        except InvalidRequest as error:
            await refuse_fields(context, error)
        try:
            async with self._reading:
                feature = await asyncio.to_thread(
                    ready.reader.read, query.source, query.index, query.limit
                )
        except Unreadable as error:
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return messages.from_feature(feature, ready.served.sources)

    async def Explain(
        self,
        request: pb.ExplainRequest,
        context: grpc.aio.ServicerContext[pb.ExplainRequest, pb.ExplainResponse],
    ) -> AsyncIterator[pb.ExplainResponse]:
        """Measure what made a token likely."""
        ready = await self._ready(context)
        if not ready.description.limits.max_removals:
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, NO_REMOVALS)
        try:
            query = await asyncio.to_thread(
                resolve_explain, request, ready.served, ready.description
            )
        except InvalidRequest as error:
            await refuse_fields(context, error)
        try:
            explanation = ready.engine.explain(query)
        except QueueFull:
            await refuse_full(context, "too many explanations wait")
        except EngineDead:
            await abort(context, grpc.StatusCode.UNAVAILABLE, "the server is failing; try again")
        stream = ExplainStream(query, ready.served, ready.decode)
        ready.listeners.open(explanation, stream)
        try:
            while True:
                message = await stream.next()
                if isinstance(message, Failed):
                    await refuse_failed(context, message)
                yield message
                if message.HasField("summary"):
                    return
        finally:
            ready.engine.cancel(explanation)
            ready.listeners.close(explanation)

    async def GetMap(
        self,
        request: pb.GetMapRequest,
        context: grpc.aio.ServicerContext[pb.GetMapRequest, pb.GetMapResponse],
    ) -> AsyncIterator[pb.GetMapResponse]:
        """Stream the map, and before that how far it is."""
        ready = await self._ready(context)
        try:
            wanted = resolve_map(request, ready.served)
            async for part in ready.maps.parts(wanted):
                yield part
        except InvalidRequest as error:
            await refuse_fields(context, error)
        except NoMap as error:
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))

    async def _ready(self, context: grpc.aio.ServicerContext[Any, Any]) -> Ready:
        if self.ready is None:
            await abort(context, grpc.StatusCode.UNAVAILABLE, self.unavailable)
        return self.ready


def _given_id(context: grpc.aio.ServicerContext[Any, Any]) -> str | None:
    """The id under which the caller logs the request."""
    given = dict(context.invocation_metadata() or ()).get("x-request-id")
    return given if isinstance(given, str) else None


async def _relay(
    stream: MessageStream,
    name: str,
    context: grpc.aio.ServicerContext[Any, Any],
    account: Account,
) -> AsyncIterator[pb.GenerateResponse]:
    message = await stream.next()
    # Not earlier: until metadata is sent, a call that fails may be tried at another replica.
    if not isinstance(message, Failed):
        await context.send_initial_metadata((("axon-server", name),))
    while True:
        account.see(message)
        if isinstance(message, Failed):
            await refuse_failed(context, message)
        yield message
        if message.HasField("finished"):
            return
        message = await stream.next()
