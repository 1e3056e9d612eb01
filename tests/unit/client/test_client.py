"""Both clients against a scripted service over real gRPC."""

from __future__ import annotations

import asyncio
import builtins
import threading
import time
from typing import Any

import axon
import grpc
import pytest
from axon.types import Event

from tests.integration.gateway.fake_inference import (
    SOURCES,
    Failure,
    FakeInference,
    Script,
    features_at,
)
from tests.patience import eventually

LONG = Script(tokens=tuple(f" t{i}" for i in range(500)), delay=0.01)


async def events_of(kind: str, inference: FakeInference, **arguments: Any) -> list[Event]:
    """All events of one generation, by either client."""
    if kind == "async":
        async with axon.AsyncClient(inference.address) as client:
            return [event async for event in client.generate("The capital", **arguments)]

    def blocking() -> list[Event]:
        with axon.Client(inference.address) as client:
            return list(client.generate("The capital", **arguments))

    # The service runs in this thread's loop, which must not be blocked.
    return await asyncio.to_thread(blocking)


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
async def test_events_are_plain_dataclasses_in_order(kind: str, inference: FakeInference) -> None:
    inference.script.queue = (1,)
    queued, started, prompt, *steps, finished = await events_of(kind, inference, seed=5)
    assert queued == axon.Queued(position=1)
    assert isinstance(started, axon.Started)
    assert (started.sources, started.params.seed) == (SOURCES, 5)
    assert started.params.temperature == 0.8
    assert isinstance(prompt, axon.Tokens)
    assert [token.text for token in prompt.tokens] == ["<bos>", "The", " capital"]
    tokens = [token for step in steps if isinstance(step, axon.Tokens) for token in step.tokens]
    assert "".join(token.text for token in tokens) == " of France is Paris"
    assert all(token.generated and token.logprob == -0.5 for token in tokens)
    ids, activations = zip(*features_at(3, 1), strict=True)
    assert tokens[0].source_features[1] == axon.SourceFeatures(
        source=SOURCES[1],
        ids=ids,
        activations=activations,
        l0=2,
        reconstruction_error=pytest.approx(0.01),
    )
    assert isinstance(finished, axon.Finished)
    assert (finished.reason, finished.timings.prefill_ns) == ("length", 2)


@both
async def test_zero_is_sent_and_none_is_not(kind: str, inference: FakeInference) -> None:
    await events_of(kind, inference, temperature=0, feat_k=None, stop="x", sources=[SOURCES[1]])
    [request] = inference.seen.requests
    assert request.sampling.HasField("temperature")
    assert not request.features.HasField("top_k")
    assert not request.HasField("max_tokens")
    assert (list(request.sampling.stop), list(request.features.sources)) == (["x"], [SOURCES[1]])


@both
@pytest.mark.parametrize(
    ("knobs", "field"),
    [
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 2**32}, "max_tokens"),
        ({"top_k": 1.5}, "sampling.top_k"),
        ({"temperature": "hot"}, "sampling.temperature"),
        ({"stop": [1]}, "sampling.stop"),
        ({"sources": 5}, "features.sources"),
        ({"stop": "\ud800"}, "sampling.stop"),
    ],
)
async def test_a_value_that_cannot_be_sent_is_named(
    kind: str, inference: FakeInference, knobs: dict[str, Any], field: str
) -> None:
    with pytest.raises(axon.AxonError) as failed:
        await events_of(kind, inference, **knobs)
    assert failed.value.code == "INVALID_ARGUMENT"
    assert [violation.field for violation in failed.value.violations] == [field]


@both
async def test_an_unknown_knob_is_a_type_error(kind: str, inference: FakeInference) -> None:
    with pytest.raises(TypeError, match="temprature"):
        await events_of(kind, inference, temprature=1)


@both
async def test_a_refusal_carries_its_details(kind: str, inference: FakeInference) -> None:
    inference.script.refusal = Failure(
        grpc.StatusCode.INVALID_ARGUMENT, "must be 0 to 10", "sampling.temperature", "OUT_OF_RANGE"
    )
    with pytest.raises(axon.AxonError) as failed:
        await events_of(kind, inference)
    violation = axon.FieldViolation("sampling.temperature", "must be 0 to 10", "OUT_OF_RANGE")
    assert failed.value.violations == (violation,)
    inference.script.refusal = Failure(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue is full", retry_seconds=2
    )
    with pytest.raises(axon.AxonError, match="the queue is full") as failed:
        await events_of(kind, inference)
    assert failed.value.retry_after == 2


@both
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),
        (grpc.StatusCode.UNKNOWN, "Stream removed"),
    ],
)
async def test_a_connection_that_broke_is_unavailable(
    kind: str, inference: FakeInference, code: grpc.StatusCode, message: str
) -> None:
    inference.script.failure = Failure(code, message)
    with pytest.raises(axon.AxonError, match=message) as failed:
        await events_of(kind, inference)
    assert failed.value.code == "UNAVAILABLE"


async def test_details_are_optional(
    inference: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    inference.script.refusal = Failure(grpc.StatusCode.INVALID_ARGUMENT, "no", "prompt")
    actual = builtins.__import__

    def without_googleapis(name: str, *rest: Any) -> Any:
        if name.startswith("google.rpc"):
            raise ImportError(name)
        return actual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_googleapis)
    with pytest.raises(axon.AxonError) as failed:
        await events_of("async", inference)
    assert (failed.value.message, failed.value.violations) == ("no", ())


@both
async def test_the_deadline_ends_a_generation_on_both_sides(
    kind: str, inference: FakeInference
) -> None:
    inference.script = LONG
    with pytest.raises(axon.AxonError) as failed:
        await events_of(kind, inference, timeout=0.3)
    assert failed.value.code == "DEADLINE_EXCEEDED"
    await until_idle(inference)


async def test_cancel_stops_the_iteration_and_the_service(inference: FakeInference) -> None:
    inference.script = LONG

    def blocking() -> int:
        with axon.Client(inference.address) as client:
            generation = client.generate("x")
            for count, _ in enumerate(generation):
                if count == 5:
                    generation.cancel()
            return count

    assert await asyncio.to_thread(blocking) < 20
    await until_idle(inference)
    async with axon.AsyncClient(inference.address) as client:
        generation = client.generate("x")
        count = 0
        async for _ in generation:
            count += 1
            if count == 5:
                generation.cancel()
        assert count < 20
        await until_idle(inference)


async def test_leaving_the_block_cancels(inference: FakeInference) -> None:
    inference.script = LONG
    async with axon.AsyncClient(inference.address) as client:
        async with client.generate("x") as generation:
            await anext(generation)
        await until_idle(inference)


async def test_a_cancelled_task_frees_the_slot(inference: FakeInference) -> None:
    inference.script = LONG
    async with axon.AsyncClient(inference.address) as client:

        async def consume() -> None:
            async for _ in client.generate("x"):
                pass

        task = asyncio.create_task(consume())
        await eventually(lambda: inference.seen.running == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until_idle(inference)


async def test_a_cancelled_task_ends_even_if_its_generation_was_cancelled_first(
    inference: FakeInference,
) -> None:
    inference.script = LONG
    async with axon.AsyncClient(inference.address) as client:
        generation = client.generate("x")

        async def consume() -> None:
            async for _ in generation:
                pass

        task = asyncio.create_task(consume())
        await eventually(lambda: inference.seen.running == 1)
        generation.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_cancel_while_connecting_starts_nothing(inference: FakeInference) -> None:
    await inference.stop()
    async with axon.AsyncClient(inference.address) as client:
        generation = client.generate("x")
        task = asyncio.create_task(anext(generation, None))
        await asyncio.sleep(0.1)
        generation.cancel()
        await inference.start(inference.port)
        assert await task is None
        assert inference.seen.requests == []


async def test_cancel_without_a_server_ends_without_an_error(inference: FakeInference) -> None:
    await inference.stop()
    async with axon.AsyncClient(inference.address, connect_timeout=0.3) as client:
        generation = client.generate("x")
        task = asyncio.create_task(anext(generation, None))
        await asyncio.sleep(0.1)
        generation.cancel()
        assert await task is None


async def test_closing_the_client_ends_running_generations_with_an_error(
    inference: FakeInference,
) -> None:
    """Not with CancelledError, since the iterating task was not cancelled."""
    inference.script = LONG
    client = axon.AsyncClient(inference.address)
    generation = client.generate("x")
    await anext(generation)
    waiting = asyncio.create_task(exhaust(generation))
    await asyncio.sleep(0.05)
    await client.close()
    with pytest.raises(axon.AxonError) as failed:
        await waiting
    assert failed.value.code == "CANCELLED"
    blocking = await asyncio.to_thread(axon.Client, inference.address)
    running = await asyncio.to_thread(blocking.generate, "x")
    done = asyncio.create_task(asyncio.to_thread(list, running))
    await eventually(lambda: inference.seen.running == 1)
    await asyncio.to_thread(blocking.close)
    with pytest.raises(axon.AxonError) as failed:
        await done
    assert failed.value.code == "CANCELLED"


async def exhaust(generation: axon.AsyncGeneration) -> None:
    async for _ in generation:
        pass


async def test_closing_soon_after_several_calls_raises_in_no_thread(
    inference: FakeInference,
) -> None:
    def work() -> None:
        for _ in range(20):
            with axon.Client(inference.address) as client:
                for _ in range(4):
                    client.model()

    broken: list[object] = []
    before, threading.excepthook = threading.excepthook, broken.append
    try:
        await asyncio.to_thread(work)
        await asyncio.sleep(0.5)
    finally:
        threading.excepthook = before
    assert broken == []


async def test_a_client_survives_a_restart_of_the_service(inference: FakeInference) -> None:
    async with axon.AsyncClient(inference.address) as client:
        assert (await client.model()).model == "fake"
        await inference.stop()
        await inference.start(inference.port)

        async def finishes() -> bool:
            try:
                events = [event async for event in client.generate("x")]
            except axon.AxonError as broken:
                # A call that is sent on the old connection may break off with it.
                if broken.code == "UNAVAILABLE":
                    return False
                raise
            return isinstance(events[-1], axon.Finished)

        await eventually(finishes)


@both
async def test_a_missing_server_is_reported_within_the_connect_timeout(
    kind: str, inference: FakeInference
) -> None:
    await inference.stop()
    began = time.monotonic()

    async def ask() -> None:
        if kind == "async":
            async with axon.AsyncClient(inference.address, connect_timeout=0.3) as client:
                await client.model()
        else:
            with axon.Client(inference.address, connect_timeout=0.3) as blocking:
                await asyncio.to_thread(blocking.model)

    with pytest.raises(axon.AxonError, match=inference.address) as failed:
        await ask()
    assert failed.value.code == "UNAVAILABLE"
    assert time.monotonic() - began < 8  # by default it is 10


@both
async def test_the_model_is_described(kind: str, inference: FakeInference) -> None:
    if kind == "async":
        async with axon.AsyncClient(inference.address) as client:
            model = await client.model()
    else:
        with axon.Client(inference.address) as blocking:
            model = await asyncio.to_thread(blocking.model)
    assert model.sources[0].hook_name == "blocks.0.hook_resid_post"
    assert (model.limits.slots, model.load.running, model.info.dtype) == (4, 1, "float32")
    assert (model.defaults.temperature, model.defaults.seed) == (0.8, None)


async def feature_of(kind: str, inference: FakeInference, *place: Any, **rest: Any) -> axon.Feature:
    """One feature, by either client."""
    if kind == "async":
        async with axon.AsyncClient(inference.address) as client:
            return await client.feature(*place, **rest)
    with axon.Client(inference.address) as blocking:
        return await asyncio.to_thread(blocking.feature, *place, **rest)


@both
async def test_a_feature_is_read(kind: str, inference: FakeInference) -> None:
    found = await feature_of(kind, inference, SOURCES[1], 7)
    assert found == axon.Feature(
        promoted=(axon.TokenEffect(5, " Paris", 1.5),),
        suppressed=(axon.TokenEffect(6, " x", -0.5),),
        neighbors=(axon.FeatureNeighbor(8, 0.25),),
        kin=(axon.Kin(SOURCES[0], 7, 0.5, mutual=True),),
        examples=(axon.FeatureExample(("The", " capital"), (0.0, 2.5)),),
    )
    await feature_of(kind, inference, SOURCES[1], 7, limit=3)
    first, second = inference.seen.features
    assert (first.source, first.index, first.HasField("limit")) == (SOURCES[1], 7, False)
    assert second.limit == 3


@both
async def test_a_refused_feature(kind: str, inference: FakeInference) -> None:
    inference.script.refusal = Failure(grpc.StatusCode.NOT_FOUND, "no such source")
    with pytest.raises(axon.AxonError, match="no such source") as failed:
        await feature_of(kind, inference, "x", 0)
    assert failed.value.code == "NOT_FOUND"
    with pytest.raises(axon.AxonError) as failed:
        await feature_of(kind, inference, "x", -1)
    assert [violation.field for violation in failed.value.violations] == ["index"]


async def until_idle(inference: FakeInference) -> None:
    await eventually(lambda: inference.seen.running == 0)
