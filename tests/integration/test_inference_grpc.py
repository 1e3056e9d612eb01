"""The inference service over real sockets, with a fake model."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from axon.v1 import inference_pb2 as pb
from axon_inference.config import Settings
from axon_inference.serving.service import NAME, PortInUse, Service
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from .rig import STEP_SECONDS, Rig, fake_load


async def collect(call: Any) -> list[pb.GenerateResponse]:
    messages = []
    while (message := await call.read()) is not grpc.aio.EOF:
        messages.append(message)
    return messages


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(call)
    return caught.value


def violations(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """The reason by the field at fault."""
    detail = error_details_pb2.BadRequest()
    status = rpc_status.from_call(error)
    assert status.details[0].Unpack(detail)
    return {violation.field: violation.reason for violation in detail.field_violations}


async def test_a_whole_stream(rig: Rig) -> None:
    request = pb.GenerateRequest(prompt="abc", max_tokens=4)
    messages = await collect(rig.stub.Generate(request))
    kinds = [message.WhichOneof("event") for message in messages]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert set(kinds[1:-1]) == {"tokens"}
    started, finished = messages[0].started, messages[-1].finished
    assert (started.model, list(started.sources)) == ("fake", ["fake/0-res"])
    assert (started.prompt_tokens, started.max_tokens) == (4, 4)
    assert started.sampling.HasField("seed")
    tokens = [token for message in messages for token in message.tokens.tokens]
    assert [token.position for token in tokens] == list(range(8))
    assert "".join(token.text for token in tokens) == "\x02abcdefg"
    assert [token.origin for token in tokens] == [1] * 4 + [2] * 4
    assert not tokens[3].HasField("logprob")
    assert tokens[4].logprob == -0.5
    assert not tokens[0].source_features, "BOS has features only if asked for"
    assert tokens[3].source_features[0].ids == [ord("c")]
    assert finished.reason == pb.FINISH_REASON_LENGTH
    assert (finished.prompt_tokens, finished.generated_tokens) == (4, 4)
    timings = finished.timings
    assert timings.decode_ns > 3 * STEP_SECONDS * 1e9
    assert timings.prefill_ns > 0
    assert timings.forward_ns > 0


async def test_model_describes_itself(rig: Rig) -> None:
    model = await rig.stub.GetModel(pb.GetModelRequest())
    assert model.model == "fake"
    assert model.sources[0].hook_name == "blocks.0.hook_resid_post"
    assert model.limits.context_length == 400
    assert model.limits.slots == 2
    assert model.defaults.features.top_k == 15
    assert not model.defaults.sampling.HasField("seed")
    assert (model.load.running, model.load.queued) == (0, 0)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("prompt", {"prompt": ""}),
    ("prompt", {"prompt": "x" * 400}),
    ("prompt", {"prompt": "x" * 10_000}),
    ("prompt", {"prompt": "x\u00e9"}),  # a token beyond the vocabulary, like an added token
    ("prompt", {"prompt": "".join(chr(n) for n in range(0xA0, 0x150))}),
    ("max_tokens", {"max_tokens": 401}),
    ("sampling.temperature", {"sampling": {"temperature": -0.1}}),
    ("sampling.temperature", {"sampling": {"temperature": float("nan")}}),
    ("sampling.temperature", {"sampling": {"temperature": float("inf")}}),
    ("sampling.temperature", {"sampling": {"temperature": 1e-45}}),
    ("sampling.temperature", {"sampling": {"temperature": 1e-37, "repetition_penalty": 0.1}}),
    ("sampling.temperature", {"sampling": {"temperature": 0.0009}}),
    ("sampling.top_k", {"sampling": {"top_k": 129}}),
    ("sampling.top_p", {"sampling": {"top_p": 0}}),
    ("sampling.top_p", {"sampling": {"top_p": 1.01}}),
    ("sampling.repetition_penalty", {"sampling": {"repetition_penalty": 0}}),
    ("sampling.stop", {"sampling": {"stop": [""]}}),
    ("sampling.stop", {"sampling": {"stop": ["a"] * 17}}),
    ("features.sources", {"features": {"sources": ["fake/9-res"]}}),
    ("features.sources", {"features": {"sources": ["x" * 5000]}}),
    ("features.sources", {"features": {"sources": ["\U0001f600" * 250]}}),
    ("features.sources", {"features": {"sources": [f"fake/{n}-res" for n in range(1, 500)]}}),
    ("features.sources", {"features": {"sources": ["\u0bf5" * 256] * 1001}}),
    ("features.sources", {"features": {"sources": [f"\u0bf5{n}" * 80 for n in range(500)]}}),
    ("features.top_k", {"features": {"top_k": 257}}),
    ("features.threshold", {"features": {"threshold": -1}}),
    ("features.threshold", {"features": {"threshold": float("nan")}}),
]


@pytest.mark.parametrize(("field", "changes"), BAD)
async def test_a_bad_field_is_named(rig: Rig, field: str, changes: dict[str, Any]) -> None:
    request = pb.GenerateRequest(**{"prompt": "a", **changes})
    error = await refusal(rig.stub.Generate(request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in error.details()
    assert list(violations(error)) == [field]


async def test_all_bad_fields_are_named_together(rig: Rig) -> None:
    sampling = pb.SamplingOptions(temperature=11, top_p=2)
    error = await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="", sampling=sampling)))
    assert violations(error) == {
        "prompt": "EMPTY_PROMPT",
        "sampling.temperature": "OUT_OF_RANGE",
        "sampling.top_p": "OUT_OF_RANGE",
    }


async def test_the_message_says_the_range(rig: Rig) -> None:
    sampling = pb.SamplingOptions(temperature=1e-38, repetition_penalty=11)
    error = await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="a", sampling=sampling)))
    assert "sampling.temperature: is 1e-38; it must be 0 or 0.001 to 10" in error.details()
    assert "sampling.repetition_penalty: is 11; it must be 0.1 to 10" in error.details()


async def test_the_longest_refusal_fits_into_the_metadata(rig: Rig) -> None:
    request = pb.GenerateRequest(
        prompt="".join(chr(n) for n in range(0xA0, 0x150)),
        max_tokens=2**32 - 1,
        sampling=pb.SamplingOptions(
            temperature=-3.4e38,
            top_k=2**32 - 1,
            top_p=3.4e38,
            repetition_penalty=-3.4e38,
            stop=["x" * 300] * 99,
        ),
        features=pb.FeatureOptions(
            sources=["\U0001f600" * (200 + n % 50) + str(n) for n in range(999)],
            top_k=2**32 - 1,
            threshold=-3.4e38,
        ),
    )
    error = await refusal(rig.stub.Generate(request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    error = await refused_feature(rig, source="\U0001f600" * 100_000)
    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_the_smallest_temperature_is_allowed(rig: Rig) -> None:
    for temperature in (0.001, 0.0, -0.0):
        sampling = pb.SamplingOptions(temperature=temperature)
        request = pb.GenerateRequest(prompt="a", max_tokens=1, sampling=sampling)
        assert (await collect(rig.stub.Generate(request)))[-1].HasField("finished")


async def test_values_at_the_limits_are_allowed(rig: Rig) -> None:
    sampling = pb.SamplingOptions(temperature=10, top_p=1, repetition_penalty=0.1, top_k=128)
    request = pb.GenerateRequest(prompt="a" * 399, max_tokens=400, sampling=sampling)
    messages = await collect(rig.stub.Generate(request))
    assert messages[0].started.max_tokens == 0, "the context is full"
    assert messages[-1].finished.reason == pb.FINISH_REASON_LENGTH


async def test_zero_means_zero_and_unset_means_the_default(rig: Rig) -> None:
    features = pb.FeatureOptions(top_k=0)
    messages = await collect(
        rig.stub.Generate(pb.GenerateRequest(prompt="a", max_tokens=0, features=features))
    )
    assert messages[-1].finished.generated_tokens == 0
    assert not any(t.source_features for m in messages for t in m.tokens.tokens)
    started = (await collect(rig.stub.Generate(pb.GenerateRequest(prompt="a"))))[0].started
    assert started.max_tokens == 60


async def test_a_feature_is_read_from_the_weights(rig: Rig) -> None:
    request = pb.GetFeatureRequest(source="fake/0-res", index=7)
    found = await rig.stub.GetFeature(request)
    assert [len(part) for part in (found.promoted, found.suppressed, found.neighbors)] == [10] * 3
    assert found.promoted[0] == pb.TokenEffect(token_id=7, text="7", logit=1.5)
    assert found.suppressed[0].logit == -0.5
    assert found.neighbors[0] == pb.FeatureNeighbor(index=8, cosine=0.25)
    request.limit = 100
    assert len((await rig.stub.GetFeature(request)).neighbors) == 100


async def refused_feature(rig: Rig, **fields: Any) -> grpc.aio.AioRpcError:
    request = pb.GetFeatureRequest(**{"source": "fake/0-res", **fields})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rig.stub.GetFeature(request)
    return caught.value


async def test_a_feature_that_cannot_be_read_is_refused(rig: Rig) -> None:
    error = await refused_feature(rig, source="fake/9-res")
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert "fake/0-res" in error.details()
    error = await refused_feature(rig, index=13)
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    for fields, bad in (
        ({"index": 128}, ["index"]),
        ({"limit": 0}, ["limit"]),
        ({"index": 2**32 - 1, "limit": 101}, ["index", "limit"]),
    ):
        error = await refused_feature(rig, **fields)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert list(violations(error)) == bad


async def test_features_are_read_one_at_a_time_without_blocking_the_event_loop(rig: Rig) -> None:
    reader = rig.service._servicer.ready.reader  # type: ignore[union-attr]
    request = pb.GetFeatureRequest(source="fake/0-res", index=1)
    many = [asyncio.ensure_future(rig.stub.GetFeature(request)) for _ in range(20)]
    await rig.load()
    assert not all(reading.done() for reading in many), "the event loop was blocked"
    await asyncio.gather(*many)
    assert reader.most_at_once == 1  # type: ignore[attr-defined]


async def test_a_refusal_by_a_full_queue_says_when_to_retry(rig: Rig) -> None:
    long = pb.GenerateRequest(prompt="a", max_tokens=300)
    running = [rig.stub.Generate(long) for _ in range(3)]
    for call in running:
        await call.read()
    assert (await rig.load()) == pb.Load(running=2, queued=1)
    error = await refusal(rig.stub.Generate(long))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    detail = error_details_pb2.RetryInfo()
    assert rpc_status.from_call(error).details[0].Unpack(detail)
    assert detail.retry_delay.seconds > 0
    for call in running:
        call.cancel()


async def test_a_waiting_request_is_told_its_position_and_then_served(rig: Rig) -> None:
    long = pb.GenerateRequest(prompt="a", max_tokens=300)
    running = [rig.stub.Generate(long) for _ in range(2)]
    for call in running:
        await call.read()
    waiting = rig.stub.Generate(pb.GenerateRequest(prompt="b", max_tokens=2))
    assert (await waiting.read()).queued.position == 0
    running[0].cancel()
    rest = await collect(waiting)
    assert rest[0].WhichOneof("event") == "started"
    assert rest[-1].finished.generated_tokens == 2
    running[1].cancel()


async def test_a_cancelled_call_frees_its_slot(rig: Rig) -> None:
    call = rig.stub.Generate(pb.GenerateRequest(prompt="a", max_tokens=300))
    await call.read()
    assert (await rig.load()).running == 1
    call.cancel()
    await rig.until(lambda load: load.running == 0)


async def test_a_deadline_frees_its_slot(rig: Rig) -> None:
    call = rig.stub.Generate(pb.GenerateRequest(prompt="a", max_tokens=300), timeout=0.2)
    error = await refusal(call)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await rig.until(lambda load: load.running == 0)


async def test_bad_requests_do_not_affect_other_streams(rig: Rig) -> None:
    good = asyncio.create_task(
        collect(rig.stub.Generate(pb.GenerateRequest(prompt="a", max_tokens=60)))
    )
    for _ in range(20):
        await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="")))
    messages = await good
    assert messages[-1].finished.generated_tokens == 60


async def test_health_and_reflection(rig: Rig) -> None:
    health = health_pb2_grpc.HealthStub(rig.channel)
    for name in ("", NAME):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(rig.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    [answer] = [a async for a in reflection.ServerReflectionInfo(iter([asked]))]
    assert NAME in {s.name for s in answer.list_services_response.service}


async def test_unavailable_while_loading_and_while_draining() -> None:
    service = Service(Settings(port=0, drain_seconds=30), pytest.fail, load=fake_load)
    await service.listen()
    rig = Rig(service)
    health = health_pb2_grpc.HealthStub(rig.channel)
    error = await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="a")))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert "loading" in error.details()
    error = await refused_feature(rig)
    assert (error.code(), "loading" in error.details()) == (grpc.StatusCode.UNAVAILABLE, True)
    answer = await health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    await service.load()
    call = rig.stub.Generate(pb.GenerateRequest(prompt="a", max_tokens=60, pace=25))
    await call.read()
    draining = asyncio.create_task(service.drain())
    await rig.until_draining()
    error = await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="a")))
    assert "shutting down" in error.details()
    messages = await collect(call)
    assert messages[-1].finished.generated_tokens == 60, "a running stream may end"
    await draining
    await rig.channel.close()


async def test_draining_cancels_streams_that_do_not_end_in_time() -> None:
    service = Service(Settings(port=0, drain_seconds=0), pytest.fail, load=fake_load)
    await service.listen()
    await service.load()
    rig = Rig(service)
    call = rig.stub.Generate(pb.GenerateRequest(prompt="a", max_tokens=300))
    await call.read()
    draining = asyncio.create_task(service.drain())
    messages = await collect(call)
    assert messages[-1].finished.reason == pb.FINISH_REASON_CANCELLED
    await draining
    await rig.channel.close()


async def test_a_port_in_use_is_refused(rig: Rig) -> None:
    second = Service(Settings(port=rig.service.port), pytest.fail, load=fake_load)
    with pytest.raises(PortInUse, match=str(rig.service.port)):
        await second.listen()
