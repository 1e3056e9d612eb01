"""Generation through nginx: WebSocket, NDJSON, gRPC."""

from __future__ import annotations

import time

import aiohttp
import axon
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from .stack import Stack, text, until

pytestmark = pytest.mark.timeout(600)

PROMPT = "The capital of France is"
ASK = {"type": "generate", "prompt": PROMPT, "max_tokens": 8, "temperature": 0}


async def test_the_socket_streams_tokens_with_labels(stack: Stack) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{stack.url}/ws") as socket:
        await until(socket, "room")
        for _ in range(2):  # by the second generation all labels are known
            await socket.send_json(ASK)
            frames = await until(socket, "finished")
    assert "Paris" in text(frames)
    (token,) = [frame for frame in frames if frame["type"] == "token"][:1]
    labels = [feature["label"] for feature in token["features"]]
    assert len(labels) > 10
    assert sum(label is not None for label in labels) > len(labels) / 2


async def test_ndjson_comes_a_line_at_a_time(stack: Stack) -> None:
    body = {"prompt": "Once upon a time", "max_tokens": 200, "temperature": 0}
    arrivals = []
    url = f"{stack.url}/api/generate"
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        assert answer.content_type == "application/x-ndjson"
        async for _ in answer.content:
            arrivals.append(time.monotonic())
    assert len(arrivals) > 100
    # If a proxy buffered them, all lines would arrive at the end.
    assert arrivals[len(arrivals) // 2] - arrivals[0] > 0.2 * (arrivals[-1] - arrivals[0])


def test_grpc_streams_from_the_host(stack: Stack) -> None:
    with axon.Client(stack.grpc) as client:
        tokens = [
            token
            for event in client.generate(PROMPT, max_tokens=4, temperature=0)
            if isinstance(event, axon.Tokens)
            for token in event.tokens
        ]
    assert " Paris" in [token.text for token in tokens]
    assert any(found.ids for token in tokens for found in token.source_features)


def test_grpc_has_reflection_and_health(stack: Stack) -> None:
    with grpc.insecure_channel(stack.grpc) as channel:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=20)
        names = {service.name for service in answer.list_services_response.service}
        assert "axon.v1.InferenceService" in names
        health = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="axon.v1.InferenceService"), timeout=20
        )
        assert health.status == health_pb2.HealthCheckResponse.SERVING


def test_a_wrong_request_is_refused_with_its_field(stack: Stack) -> None:
    """The details are in gRPC trailers, which a proxy may drop."""
    with axon.Client(stack.grpc) as client, pytest.raises(axon.AxonError) as refused:
        list(client.generate(PROMPT, max_tokens=4, temperature=-1))
    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.violations[0].field == "sampling.temperature"
