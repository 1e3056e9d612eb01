"""An inference service without a model: it streams what a test scripts, over real gRPC.

`python -m tests.integration.gateway.fake_inference PORT [TOKENS] [SECONDS]` runs it as a process,
for tests that kill it. Each generation has TOKENS tokens, SECONDS apart.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICE = "axon.v1.InferenceService"
MODEL = "fake"
SOURCES = ("fake/0-res", "fake/1-res")
WIDTH = 64


@dataclass
class Failure:
    """A status to end a call with, and its details."""

    code: grpc.StatusCode
    message: str
    field: str | None = None
    reason: str = ""
    retry_seconds: int | None = None

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """The google.rpc details as gRPC trailers."""
        details = []
        if self.field is not None:
            violation = error_details_pb2.BadRequest.FieldViolation(
                field=self.field, description=self.message, reason=self.reason
            )
            details.append(error_details_pb2.BadRequest(field_violations=[violation]))
        if self.retry_seconds is not None:
            delay = Duration(seconds=self.retry_seconds)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        return (("grpc-status-details-bin", status.SerializeToString()),)


@dataclass
class Script:
    """What the next generations do."""

    prompt: tuple[str, ...] = ("<bos>", "The", " capital")
    tokens: tuple[str, ...] = (" of", " France", " is", " Paris")
    #: Seconds before each generated token.
    delay: float = 0.0
    #: Positions announced before the start.
    queue: tuple[int, ...] = ()
    #: Ends the call before the first event.
    refusal: Failure | None = None
    #: Ends the call after all tokens, instead of `finished`.
    failure: Failure | None = None
    #: Whether the stream ends without `finished`.
    cut_off: bool = False
    #: Generated tokens per message.
    per_message: int = 1
    #: Seconds that the stream stays open after `finished`.
    linger: float = 0.0


@dataclass
class Seen:
    """What the service has received."""

    requests: list[pb.GenerateRequest] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    features: list[pb.GetFeatureRequest] = field(default_factory=list)
    running: int = 0
    most_at_once: int = 0
    cancelled: int = 0


class FakeInference(stubs.InferenceServiceServicer):
    """The servicer and its server; the sources are `{name}/0-res` and `{name}/1-res`."""

    def __init__(self, script: Script | None = None, name: str = MODEL) -> None:
        self.name = name
        self.script = script or Script()
        self.seen = Seen()
        self.waits_for = ""  # while set, GetModel answers UNAVAILABLE with it
        self.port = 0
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> FakeInference:
        self._server = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),
                # As in the real service: gateways may send keepalive pings while idle.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
            )
        )
        stubs.add_InferenceServiceServicer_to_server(self, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self.serving(True)
        await self._server.start()
        return self

    async def serving(self, serving: bool) -> None:
        states = health_pb2.HealthCheckResponse
        await self._health.set(SERVICE, states.SERVING if serving else states.NOT_SERVING)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def __aenter__(self) -> FakeInference:
        return await self.start()

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        seen, script = self.seen, self.script
        seen.requests.append(request)
        seen.metadata.append(dict(context.invocation_metadata()))
        seen.running += 1
        seen.most_at_once = max(seen.most_at_once, seen.running)
        try:
            if script.refusal:
                await _abort(context, script.refusal)
            await context.send_initial_metadata((("axon-server", f"fake:{self.port}"),))
            async for response in _play(script, request, self.name):
                yield response
            await asyncio.sleep(script.linger)
            if script.failure:
                await _abort(context, script.failure)
        except (asyncio.CancelledError, GeneratorExit):
            seen.cancelled += 1
            raise
        finally:
            seen.running -= 1

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        if self.waits_for:
            await context.abort(grpc.StatusCode.UNAVAILABLE, self.waits_for)
        return model(self.name)

    async def GetFeature(
        self, request: pb.GetFeatureRequest, context: Any
    ) -> pb.GetFeatureResponse:
        if self.script.refusal:
            await _abort(context, self.script.refusal)
        self.seen.features.append(request)
        return pb.GetFeatureResponse(
            promoted=[pb.TokenEffect(token_id=5, text=" Paris", logit=1.5)],
            suppressed=[pb.TokenEffect(token_id=6, text=" x", logit=-0.5)],
            neighbors=[pb.FeatureNeighbor(index=request.index + 1, cosine=0.25)],
        )


async def _abort(context: Any, failure: Failure) -> None:
    await context.abort(failure.code, failure.message, failure.trailers())


async def _play(
    script: Script, request: pb.GenerateRequest, name: str
) -> AsyncIterator[pb.GenerateResponse]:
    for position in script.queue:
        yield pb.GenerateResponse(queued=pb.Queued(position=position))
        await asyncio.sleep(script.delay)
    sources = tuple(request.features.sources) or sources_of(name)
    yield pb.GenerateResponse(started=_started(script, request, name, sources))
    prompt = [
        _token(position, text, pb.TOKEN_ORIGIN_PROMPT, sources)
        for position, text in enumerate(script.prompt)
    ]
    yield pb.GenerateResponse(tokens=pb.Tokens(tokens=prompt))
    for step in range(0, len(script.tokens), script.per_message):
        await asyncio.sleep(script.delay)
        some = [
            _token(len(script.prompt) + i, script.tokens[i], pb.TOKEN_ORIGIN_GENERATED, sources)
            for i in range(step, min(step + script.per_message, len(script.tokens)))
        ]
        yield pb.GenerateResponse(tokens=pb.Tokens(tokens=some))
    if not (script.failure or script.cut_off):
        finished = pb.Finished(
            reason=pb.FINISH_REASON_LENGTH,
            prompt_tokens=len(script.prompt),
            generated_tokens=len(script.tokens),
            timings=pb.Timings(queue_ns=1, prefill_ns=2, decode_ns=3),
        )
        yield pb.GenerateResponse(finished=finished)


def _started(
    script: Script, request: pb.GenerateRequest, name: str, sources: Iterable[str]
) -> pb.Started:
    sampling, features = defaults()
    sampling.seed = 2**63 + 1
    sampling.MergeFrom(request.sampling)
    features.MergeFrom(request.features)
    return pb.Started(
        model=name,
        sources=sources,
        sampling=sampling,
        features=features,
        max_tokens=len(script.tokens),
        prompt_tokens=len(script.prompt),
    )


def features_at(position: int, source: int) -> list[tuple[int, float]]:
    """The fake's features at a position as (id, activation), strongest first."""
    if position == 0:
        return []
    return [((position * 7 + source + rank) % WIDTH, 3.0 - rank) for rank in range(2)]


def _token(
    position: int, text: str, origin: pb.TokenOrigin.ValueType, sources: Iterable[str]
) -> pb.Token:
    generated = origin == pb.TOKEN_ORIGIN_GENERATED
    found = [
        pb.SourceFeatures(
            source=number,
            ids=[id_ for id_, _ in features_at(position, number)],
            activations=[activation for _, activation in features_at(position, number)],
            l0=2,
            reconstruction_error=0.01,
        )
        for number, _ in enumerate(sources)
        if position > 0
    ]
    return pb.Token(
        position=position,
        token_id=position,
        text=text,
        origin=origin,
        logprob=-0.5 if generated else None,
        source_features=found,
    )


def defaults() -> tuple[pb.SamplingOptions, pb.FeatureOptions]:
    """The default knobs."""
    sampling = pb.SamplingOptions(temperature=0.8, top_k=0, top_p=1, repetition_penalty=1)
    return sampling, pb.FeatureOptions(top_k=15, threshold=0, include_bos=False)


def sources_of(name: str) -> tuple[str, ...]:
    """The sources of the fake with this name."""
    return tuple(source.replace(MODEL, name) for source in SOURCES)


def model(name: str = MODEL) -> pb.GetModelResponse:
    """The fake's description of itself."""
    sampling, features = defaults()
    return pb.GetModelResponse(
        model=name,
        sources=[
            pb.Source(
                id=id_,
                hook_name=f"blocks.{layer}.hook_resid_post",
                layer=layer,
                width=WIDTH,
                architecture="topk",
                neuronpedia_url="" if layer else "https://neuronpedia.example/fake/0-res",
            )
            for layer, id_ in enumerate(sources_of(name))
        ],
        limits=pb.Limits(
            context_length=128, max_prompt_characters=512, max_features=64, slots=4, max_queue=8
        ),
        defaults=pb.Defaults(max_tokens=60, sampling=sampling, features=features),
        load=pb.Load(running=1, queued=0),
        info=pb.ModelInfo(n_layers=2, d_model=8, vocab_size=100, device="cpu", dtype="float32"),
    )


async def _serve(port: int, tokens: int = 1000, delay: float = 0.05) -> None:
    script = Script(tokens=tuple(f" t{i}" for i in range(tokens)), delay=delay)
    await FakeInference(script).start(port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:3]), *map(float, sys.argv[3:])))
