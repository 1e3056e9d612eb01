"""A real server in a separate process, and a client on loopback."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.ports import free_port

from .ours import FEATURES
from .subject import Subject

_START_SECONDS = 180


class Server:
    """A service in a process of its own during a `with` block; `command` starts it.

    It serves on the port in its variable AXON_GRPC_PORT.
    """

    def __init__(self, command: Sequence[str], settings: Mapping[str, str]) -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self._command = command
        self._env = {**os.environ, **settings, "AXON_GRPC_PORT": str(port)}
        #: The token ids of each stream in the last run, including the prompt.
        self.ids: list[list[int]] = []

    @classmethod
    def of(cls, subject: Subject, slots: int) -> Self:
        """`python -m axon_inference`."""
        settings = {
            "AXON_MODEL": str(subject.model),
            "AXON_SOURCES": str(subject.sae),
            "AXON_SLOTS": str(slots),
            "AXON_LOG_LEVEL": "WARNING",
        }
        return cls([sys.executable, "-m", "axon_inference"], settings)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, env=self._env)
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(30)

    def rate(self, prompts: Sequence[str], new: int) -> float:
        """Tokens/s that reach a client; all prompts start at once, each in its own stream."""
        return asyncio.run(self._measure(prompts, new))

    async def _measure(self, prompts: Sequence[str], new: int) -> float:
        async with grpc.aio.insecure_channel(self.address) as channel:
            await channel.channel_ready()
            stub: Any = stubs.InferenceServiceStub(channel)
            began = time.perf_counter()
            self.ids = await asyncio.gather(*(_stream(stub, text, new) for text in prompts))
            return len(prompts) * new / (time.perf_counter() - began)

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with grpc.insecure_channel(self.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < deadline and self._process.poll() is None:
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
