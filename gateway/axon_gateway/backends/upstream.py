"""A client of one inference service: a gRPC stream per generation, refusals translated."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import grpc.aio
from axon import channel, messages, requests
from axon.channel import CHANNEL_OPTIONS, Metadata, Options, Tls
from axon.errors import from_call
from axon.types import Feature, Model
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs
from grpc_health.v1 import health_pb2, health_pb2_grpc

from axon_gateway import logs, metrics
from axon_gateway.backends.replicas import Replicas
from axon_gateway.backends.statuses import broken, loading, translate, unavailable
from axon_gateway.errors import Refusal

_log = logging.getLogger(__name__)

SERVICE = "axon.v1.InferenceService"
#: Seconds for a question that the service answers from memory.
_SHORT = 2.0

#: One target may stand for many replicas. gRPC takes turns among those whose health is SERVING. It
#: tries a call that one refuses before its first event at another.
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": SERVICE},
    "methodConfig": [
        {
            "name": [{"service": SERVICE, "method": one} for one in ("Generate", "Explain")],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ],
}
_HEAD_BYTES = 1 << 20
_OPTIONS = (
    *CHANNEL_OPTIONS,
    # A restarted service is found again within a second. (The last of equal keys counts.)
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # So is one that has moved to another address, or joined.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # A refusal comes in metadata, which may have 8 KiB by default. A list of all sources is longer.
    ("grpc.max_metadata_size", _HEAD_BYTES),
    ("grpc.absolute_max_metadata_size", _HEAD_BYTES),
)
_BALANCED = (*_OPTIONS, ("grpc.service_config", json.dumps(_SERVICE_CONFIG)))

#: Seconds until a service that is up but does not describe itself is asked again.
_RETRY = 1.0

#: A service has no map, or is older than maps.
_NO_MAP = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED)

#: The metadata in which a service names itself.
_SERVER = "axon-server"


@dataclass(frozen=True, slots=True)
class Access:
    """What a service requires: TLS credentials, channel options, metadata of each call."""

    secure: grpc.ChannelCredentials | None = None
    options: Options = ()
    metadata: Metadata = ()

    @classmethod
    def of(cls, tls: Tls, name: str, token: str) -> Access:
        """`name` is the one in the service's certificate, if it is not the target's."""
        options = (("grpc.ssl_target_name_override", name),) if name else ()
        return cls(channel.credentials(tls), options, channel.authorization(token))


#: Neither TLS nor token.
PLAIN = Access()


_Response = TypeVar("_Response", pb.GenerateResponse, pb.ExplainResponse)


class Upstream:
    """A channel to the inference service at `target`; `generation_timeout` is in seconds."""

    def __init__(self, target: str, generation_timeout: float, access: Access = PLAIN) -> None:
        self.target = target
        self._generation_timeout = generation_timeout
        self._access = access
        self._channel = channel.aio_channel(target, access.secure, (*_BALANCED, *access.options))
        self._stub = stubs.InferenceServiceStub(self._channel)
        # The channel above reaches only healthy replicas. This one also asks the others what they
        # are waiting for.
        self._questions = channel.aio_channel(target, access.secure, (*_OPTIONS, *access.options))
        self._unbalanced = stubs.InferenceServiceStub(self._questions)
        self._replicas = Replicas(
            target,
            self._stub,
            access.secure,
            (*_OPTIONS, *access.options),
            access.metadata,
        )
        self._health = health_pb2_grpc.HealthStub(self._channel)
        #: The last description received; None until the service has answered once.
        self.last_model: Model | None = None
        #: Whether a replica is connected and healthy, as far as `watch` has seen.
        self.ready = False
        #: Generations under way, and how often it was chosen for one.
        self.streams = self.chosen = 0

    async def watch(self) -> AsyncGenerator[Model, None]:
        """Keeps `ready` and `last_model` up to date; yields the model when the service comes up."""
        up = metrics.BACKEND_UP.labels(self.target)
        logged = ""
        while True:
            state = self._channel.get_state(try_to_connect=True)
            self.ready = state is grpc.ChannelConnectivity.READY
            up.set(self.ready)
            if self.ready:
                try:
                    yield await self.model()
                    logged = ""
                except Refusal as refusal:
                    if refusal.message != logged:
                        _log.warning("%s", refusal.message)
                        logged = refusal.message
                    # The service has gone again, or is about to: the state will show it.
                    await asyncio.sleep(_RETRY)
                    continue
            await self._channel.wait_for_state_change(state)

    async def check(self) -> None:
        """Returns if the service is ready to generate; otherwise Refusal says why not."""
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        try:
            answer = await self._health.Check(request, timeout=_SHORT)
        except grpc.aio.AioRpcError:
            answer = None
        # Raises the service's own reason. It also fails without a valid token, which the health
        # check does not ask for.
        await self.model()
        if answer is None or answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise Refusal("not_ready", loading(self.target))

    async def model(self) -> Model:
        """What is served now, with the present load. Raises Refusal."""
        request, metadata = pb.GetModelRequest(), self._access.metadata
        try:
            try:
                answer = await self._stub.GetModel(request, timeout=_SHORT, metadata=metadata)
            except grpc.aio.AioRpcError:
                answer = await self._unbalanced.GetModel(request, timeout=_SHORT, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise self._not_ready(error) from None
        self.last_model = messages.model(answer)
        return self.last_model

    async def feature(self, source: str, index: int) -> Feature:
        """What one feature's weights say. Raises Refusal."""
        request = requests.feature_request(source, index, None)
        try:
            answer = await self._stub.GetFeature(
                request, timeout=_SHORT, metadata=self._access.metadata
            )
        except grpc.aio.AioRpcError as error:
            raise self._refusal(error, begun=False) from None
        return messages.feature(answer)

    async def map(self) -> AsyncGenerator[pb.GetMapResponse, None]:
        """The map in parts, after how far it is while it is made. Raises Refusal: `no_map` if there
        will be none."""
        call = self._stub.GetMap(pb.GetMapRequest(), metadata=self._access.metadata)
        try:
            async for part in call:
                yield part
        except grpc.aio.AioRpcError as error:
            if error.code() in _NO_MAP:
                raise Refusal("no_map", from_call(error).message) from None
            raise self._refusal(error, begun=False) from None
        finally:
            call.cancel()

    async def layers(self, sources: tuple[str, ...]) -> dict[str, int]:
        """The layer of each of `sources`; asks the service only if one is unknown."""
        known = self.last_model
        if known is None or not {source.id for source in known.sources}.issuperset(sources):
            known = await self.model()
        return {source.id: source.layer for source in known.sources}

    async def generate(
        self, request: pb.GenerateRequest
    ) -> AsyncGenerator[pb.GenerateResponse, None]:
        """The stream of one generation, which ends with `finished` or with Refusal.

        Close it (`contextlib.aclosing`) or cancel the task that reads it to free the slot.
        """
        call = self._stub.Generate(
            request, timeout=self._generation_timeout or None, metadata=self._metadata()
        )
        streams = metrics.UPSTREAM_STREAMS.labels(self.target)
        streams.inc()
        # Each branch takes a slot.
        slots = max(1, len(request.branches))
        self.streams += slots
        try:
            async for response in self._read(call, "finished"):
                yield response
        finally:
            streams.dec()
            self.streams -= slots
            call.cancel()

    async def explain(self, request: pb.ExplainRequest) -> AsyncGenerator[pb.ExplainResponse, None]:
        """The stream of one explanation, which ends with `summary` or with Refusal; as above."""
        call = self._stub.Explain(
            request, timeout=self._generation_timeout or None, metadata=self._metadata()
        )
        try:
            async for response in self._read(call, "summary"):
                yield response
        finally:
            call.cancel()

    async def _read(
        self, call: grpc.aio.UnaryStreamCall[Any, _Response], last: str
    ) -> AsyncGenerator[_Response, None]:
        """What a call answers. Refusal if it fails, or ends without an event of the kind `last`."""
        begun = finished = False
        try:
            async for response in call:
                begun = True
                finished = response.WhichOneof("event") == last
                yield response
        except grpc.aio.AioRpcError as error:
            raise await self._explained(self._refusal(error, begun)) from None
        if not finished:
            raise _lost(self._who(await call.initial_metadata()), "the stream ended early")

    async def edit(self, request: pb.EditRequest) -> None:
        """Gives a branch of a running generation other edits, wherever it runs. Raises Refusal."""
        try:
            await self._replicas.edit(request)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION):
                # Or the replica that runs it can no longer be found.
                raise Refusal("not_running", "this generation, or branch, has ended") from None
            raise self._refusal(error, begun=True) from None

    async def width(self, source: str) -> int:
        """How many features a source has; 0 if there is no such source. Raises Refusal."""
        await self.layers((source,))
        served = self.last_model.sources if self.last_model is not None else ()
        return next((one.width for one in served if one.id == source), 0)

    async def check_chat(self) -> None:
        """Refusal if the model has no chat template."""
        model = self.last_model or await self.model()
        if not model.info.chat:
            message = f"messages: {model.model} has no chat template; send it a prompt instead"
            raise Refusal("out_of_range", message, "messages")

    def _metadata(self) -> Metadata:
        """The token, and the id under which the service is to log the request."""
        id_ = logs.request_id()
        return (*self._access.metadata, *((("x-request-id", id_),) if id_ else ()))

    async def _explained(self, refusal: Refusal) -> Refusal:
        """Replaces gRPC's "not healthy" by the service's own reason."""
        if refusal.message == loading(self.target):
            try:
                await self.model()
            except Refusal as better:
                return better
        return refusal

    def _not_ready(self, error: grpc.aio.AioRpcError) -> Refusal:
        """A service that cannot describe its model cannot generate either."""
        return Refusal("not_ready", unavailable(from_call(error), self.target))

    def _who(self, metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
        """The target, and which of its replicas answered, if the metadata names one."""
        name = dict(metadata or ()).get(_SERVER)
        return f"{self.target} ({name})" if isinstance(name, str) else self.target

    def _refusal(self, error: grpc.aio.AioRpcError, begun: bool) -> Refusal:
        """The refusal that tells clients about a failed call; `begun` if events had come."""
        status, who = from_call(error), self._who(error.initial_metadata())
        return _lost(who, status.message) if begun and broken(status) else translate(status, who)

    async def close(self) -> None:
        """Ends every stream and the connection."""
        await self._replicas.close()
        await self._channel.close(None)
        await self._questions.close(None)


def _lost(who: str, why: str) -> Refusal:
    return Refusal("backend_lost", f"inference at {who} broke off: {why}")
