"""Monitoring the inference service: one log line for each generation, and /metrics."""

from __future__ import annotations

import asyncio
import logging
import socket
import urllib.request
from typing import Any

import grpc
import pytest
from axon.v1 import inference_pb2 as pb
from axon_inference.serving.service import PortInUse
from prometheus_client.parser import text_string_to_metric_families

from ..patience import PATIENCE, eventually
from ..ports import free_port
from .rig import Rig, serving


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of each generation's log line."""
    records = [r for r in caplog.records if r.name == "axon_inference.serving.account"]
    return [record.__dict__["fields"] for record in records]


async def generate(rig: Rig, request_id: str = "", **request: Any) -> None:
    metadata = (("x-request-id", request_id),) if request_id else ()
    call = rig.stub.Generate(pb.GenerateRequest(**request), metadata=metadata)
    async for _ in call:
        pass


async def test_a_generation_is_logged_in_one_line_with_the_callers_id(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await generate(rig, "from-the-gateway", prompt="abc", max_tokens=4)
    await generate(rig, "not fit/for a log", prompt="abc", max_tokens=4)
    first, second = lines(caplog)
    assert (first["request_id"], first["outcome"]) == ("from-the-gateway", "length")
    # BOS counts as a token of the prompt.
    assert (first["prompt_tokens"], first["generated_tokens"]) == (4, 4)
    assert 0 <= first["queue_ms"] < first["duration_ms"]
    assert len(second["request_id"]) == 16
    assert "abc" not in caplog.text


async def test_the_line_says_how_it_ended(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(grpc.aio.AioRpcError):
        await generate(rig, prompt="")
    call = rig.stub.Generate(pb.GenerateRequest(prompt="abc", max_tokens=300))
    await call.read()
    call.cancel()
    await eventually(lambda: len(lines(caplog)) == 2)
    assert [line["outcome"] for line in lines(caplog)] == ["invalid", "cancelled"]


async def scrape(port: int) -> dict[str, float]:
    """Every sample, by its name and the values of its labels."""

    def get() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    families = text_string_to_metric_families(await asyncio.to_thread(get))
    return {
        ":".join([sample.name.removeprefix("axon_inference_"), *sample.labels.values()]): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


async def test_prometheus_sees_the_queue() -> None:
    port = free_port()
    async with serving(metrics_port=port, slots=1, max_queue=3) as service:
        rig = Rig(service)
        idle = await scrape(port)
        assert (idle["slots"], idle["running"], idle["queue_length"]) == (1, 0, 0)
        request = pb.GenerateRequest(prompt="abc", max_tokens=300)
        calls = [rig.stub.Generate(request)]
        await calls[0].read()
        calls += [rig.stub.Generate(request) for _ in range(2)]
        await rig.until(lambda load: load.queued == 2)
        busy = await scrape(port)
        assert (busy["running"], busy["queue_length"]) == (1, 2)
        for call in calls[1:]:
            call.cancel()
        while await calls[0].read() is not grpc.aio.EOF:
            pass
        await rig.until(lambda load: load.queued == 0)
        done = await scrape(port)
        assert (done["tokens_total:prompt"], done["tokens_total:generated"]) == (4, 300)
        assert (done["generations_total:length"], done["generations_total:cancelled"]) == (1, 2)
        assert done["queue_seconds_count"] == 1
        assert done["process_resident_memory_bytes"] > 1e6
        await rig.channel.close()


async def test_a_metrics_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"{port}.*Set AXON_METRICS_PORT"):
            async with serving(metrics_port=port):
                pass
