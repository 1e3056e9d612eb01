"""The inference service in this process, with a fake model whose steps take a known time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as pb_grpc
from axon_inference.config import Settings
from axon_inference.engine.requests import Feature, Neighbor, Served, TokenEffect, Unreadable
from axon_inference.loading.ready import Loaded
from axon_inference.serving.service import Service
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ..patience import eventually
from ..unit.inference.fakes import ByteTokenizer, FakeExplainer, FakeRunner

#: How long a step of the fake model takes.
STEP_SECONDS = 0.005


class FakeReader:
    """A feature promotes its index as text; feature 13 cannot be read; each read takes 20 ms."""

    def __init__(self) -> None:
        self.at_once = self.most_at_once = 0

    def read(self, source: int, index: int, limit: int) -> Feature:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.02)
        self.at_once -= 1
        if index == 13:
            raise Unreadable("13 does not write to the residual stream")
        return Feature(
            promoted=(TokenEffect(index, str(index), 1.5),) * limit,
            suppressed=(TokenEffect(1, "x", -0.5),) * limit,
            neighbors=(Neighbor(index + 1, 0.25),) * limit,
        )


def fake_load(settings: Settings) -> Loaded:
    """Replaces `loading.load`: the fake model continues a text with the letters that follow."""

    def slow_successor(tokens: list[int]) -> int:
        time.sleep(STEP_SECONDS)
        return 33 + (tokens[-1] - 32) % 90

    served = Served(
        "fake",
        ("fake/0-res",),
        400,
        128,
        2,
        lambda text: list(text.encode()),
        above=(None,),
    )
    runner = FakeRunner(slow_successor, settings.slots)
    return Loaded(
        runner=runner,  # type: ignore[arg-type]
        explainer=FakeExplainer(runner),  # type: ignore[arg-type]
        reader=FakeReader(),  # type: ignore[arg-type]
        tokenizer=ByteTokenizer(),
        eos_ids=frozenset({0}),
        served=served,
        info=pb.ModelInfo(n_layers=1, d_model=8, vocab_size=128, device="cpu", dtype="float32"),
        slots=settings.slots,
        cache_bytes=1_000_000 * settings.slots,
        prefill_tokens=256,
        sources=[
            pb.Source(id="fake/0-res", hook_name="blocks.0.hook_resid_post", width=128),
        ],
    )


@asynccontextmanager
async def serving(
    on_fatal: Callable[[str], None] = pytest.fail, **settings: Any
) -> AsyncIterator[Service]:
    """A service with the fake model; by default two slots and a queue of one."""
    wanted = {"port": 0, "slots": 2, "max_queue": 1, "drain_seconds": 1, **settings}
    service = Service(Settings(**wanted), on_fatal=on_fatal, load=fake_load)
    await service.listen()
    await service.load()
    try:
        yield service
    finally:
        await service.drain()


class Rig:
    """A listening service and a stub to call it with."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{service.port}")
        self.stub: Any = pb_grpc.InferenceServiceStub(self.channel)

    async def load(self) -> pb.Load:
        """How many requests run and wait now."""
        return (await self.stub.GetModel(pb.GetModelRequest())).load

    async def until(self, reached: Callable[[pb.Load], bool]) -> None:
        """Waits until `reached` is true of the load."""

        async def is_reached() -> bool:
            return reached(await self.load())

        await eventually(is_reached)

    async def until_draining(self) -> None:
        """Waits until the service takes no new requests."""
        health = health_pb2_grpc.HealthStub(self.channel)
        serving = health_pb2.HealthCheckResponse.SERVING

        async def drains() -> bool:
            return (await health.Check(health_pb2.HealthCheckRequest())).status != serving

        await eventually(drains)

    async def until_explaining(self, count: int) -> None:
        """Waits until there are so many explanations."""
        engine = self.service._engine
        assert engine
        await eventually(lambda: engine.progress().explaining == count)
