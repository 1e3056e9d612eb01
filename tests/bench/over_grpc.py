"""A real server in a separate process, and a client on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Self

import grpc
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.ports import free_port

from .fanout import Process
from .ours import FEATURES
from .subject import Subject

_START_SECONDS = 180


class Server(Process):
    """An inference service during a `with` block: `python` with these arguments.

    It serves on the port in its variable AXON_GRPC_PORT.
    """

    def __init__(self, *arguments: str, **environment: str) -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        environment |= {"AXON_GRPC_PORT": str(port), "AXON_LOG_LEVEL": "WARNING"}
        super().__init__(*arguments, **environment)
        #: The token ids of each stream in the last run, including the prompt.
        self.ids: list[list[int]] = []

    @classmethod
    def of(cls, subject: Subject, slots: int) -> Self:
        """`python -m axon_inference`."""
        made = {"AXON_MODEL": str(subject.model), "AXON_SOURCES": str(subject.sae)}
        return cls("-m", "axon_inference", AXON_SLOTS=str(slots), **made)

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def rate(self, prompts: Sequence[str], new: int) -> float:
        """Tokens/s that reach a client; all prompts start at once, each in its own stream."""
        return len(prompts) * new / self.seconds(prompts, new)

    def seconds(self, prompts: Sequence[str], new: int) -> float:
        """How long the same takes."""
        return asyncio.run(self._measure(prompts, new))

    async def _measure(self, prompts: Sequence[str], new: int) -> float:
        async with grpc.aio.insecure_channel(self.address) as channel:
            await channel.channel_ready()
            stub: Any = stubs.InferenceServiceStub(channel)
            began = time.perf_counter()
            self.ids = await asyncio.gather(*(_stream(stub, text, new) for text in prompts))
            return time.perf_counter() - began

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with grpc.insecure_channel(self.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < deadline and self.popen.poll() is None:
                asked = health_pb2.HealthCheckRequest()
                answer = health.Check(asked, wait_for_ready=True, timeout=_START_SECONDS)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                time.sleep(0.2)
        raise RuntimeError("the inference service did not become ready")


async def _stream(stub: Any, prompt: str, new: int) -> list[int]:
    request = pb.GenerateRequest(
        prompt=prompt,
        max_tokens=new,
        sampling=pb.SamplingOptions(temperature=0),
        features=pb.FeatureOptions(top_k=FEATURES),
    )
    ids: list[int] = []
    async for message in stub.Generate(request):
        ids += [token.token_id for token in message.tokens.tokens]
        if message.HasField("finished") and message.finished.generated_tokens != new:
            raise RuntimeError("a stream ended early")
    return ids
