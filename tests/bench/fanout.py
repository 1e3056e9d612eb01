"""One generation and thousands of viewers: a gateway process, and a load client process.

The gateway is the real one, with a real Redis that holds its labels; tokens come over real gRPC
from a scripted service in this process, which costs next to nothing. Every frame carries the time
it was made, and the load client takes that from the time at which it has the frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import grpc
import grpc.aio
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.integration.gateway import harness
from tests.patience import wait_for_port
from tests.ports import free_port

from .instant import FEATURES, MET, SOURCE, WIDTH
from .subject import ROOT

_SERVICE = "axon.v1.InferenceService"
#: All features have labels, as long as Neuronpedia's usually are.
_LABEL = "words and phrases about {} in descriptions of places"


class Script(stubs.InferenceServiceServicer):
    """Sends `max_tokens` tokens with labelled features; the prompt is the number per second."""

    def __init__(self) -> None:
        self.open = 0
        self.most_open = 0

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        """A generation."""
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            async for response in self._play(float(request.prompt), request.max_tokens):
                yield response
        finally:
            self.open -= 1

    async def _play(self, rate: float, events: int) -> AsyncIterator[pb.GenerateResponse]:
        yield pb.GenerateResponse(
            started=pb.Started(model="bench", sources=[SOURCE], max_tokens=events, prompt_tokens=1)
        )
        yield pb.GenerateResponse(tokens=pb.Tokens(tokens=[_token(0, pb.TOKEN_ORIGIN_PROMPT)]))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(1, events + 1):
            if rate:
                await asyncio.sleep(began + number / rate - loop.time())
            token = _token(number, pb.TOKEN_ORIGIN_GENERATED)
            yield pb.GenerateResponse(tokens=pb.Tokens(tokens=[token]))
        finished = pb.Finished(reason=pb.FINISH_REASON_LENGTH, generated_tokens=events)
        yield pb.GenerateResponse(finished=finished)

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.GetModelResponse:
        """One source, in layer 8."""
        source = pb.Source(id=SOURCE, hook_name="blocks.8.hook_resid_pre", layer=8, width=WIDTH)
        return pb.GetModelResponse(model="bench", sources=[source])


def _token(position: int, origin: pb.TokenOrigin.ValueType) -> pb.Token:
    choose = random.Random(position)
    found = pb.SourceFeatures(
        source=0,
        ids=choose.sample(range(MET), FEATURES),
        activations=sorted((choose.uniform(0.5, 30) for _ in range(FEATURES)), reverse=True),
    )
    generated = origin == pb.TOKEN_ORIGIN_GENERATED
    return pb.Token(
        position=position,
        token_id=position,
        text=f" word{position}",
        origin=origin,
        logprob=-choose.random() if generated else None,
        source_features=[found],
    )


@contextlib.contextmanager
def scripted() -> Iterator[tuple[Script, str]]:
    """The scripted service, in a separate thread, and its address."""
    script, ready, ends = Script(), threading.Event(), threading.Event()
    port = 0

    async def serve() -> None:
        nonlocal port
        server = grpc.aio.server()
        stubs.add_InferenceServiceServicer_to_server(script, server)
        states = health.aio.HealthServicer()
        await states.set(_SERVICE, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(states, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        ready.set()
        await asyncio.to_thread(ends.wait)
        await server.stop(None)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield script, f"127.0.0.1:{port}"
    finally:
        ends.set()
        thread.join()


class Process:
    """A Python process that ends with the block."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._command = [sys.executable, *arguments]
        self._environment = {**os.environ, **environment}

    def __enter__(self) -> Self:
        self.popen = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        self.popen.terminate()
        self.popen.wait(20)

    def line(self) -> str:
        """Its next line of output."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command} ended early")
        return str(line)

    @property
    def resident(self) -> float:
        """Resident memory in MiB."""
        pages = int(Path(f"/proc/{self.popen.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    @property
    def cpu(self) -> float:
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Audience(Process):
    """The load client, as a process that takes commands."""

    def __init__(self, url: str, *, compress: bool = False) -> None:
        super().__init__("-m", "tests.bench.audience", url, *(["compress"] if compress else []))

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Sends a command to the load client; returns the answer."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self.popen.stdin.flush()
        answer: dict[str, Any] = json.loads(self.line())
        return answer


class Stage:
    """A gateway with its Redis during a `with` block.

    `inference` is the address of the service behind it; by default it is a scripted one.
    """

    def __init__(self, inference: str | None = None) -> None:
        self._inference = inference

    def __enter__(self) -> Self:
        # Each process needs a little more than two thousand sockets.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._stack = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        harness.write_labels(folder, SOURCE, {i: _LABEL.format(i) for i in range(MET)})
        redis = self._stack.enter_context(harness.redis_server())
        if (address := self._inference) is None:
            self.script, address = self._stack.enter_context(scripted())
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        gateway = Process(
            "-m",
            "axon_gateway",
            AXON_PORT=str(port),
            AXON_INFERENCE=address,
            AXON_REDIS_URL=redis.url,
            AXON_LABELS=str(folder),
            AXON_LOG_LEVEL="warning",
        )
        self.gateway = self._stack.enter_context(gateway)
        wait_for_port(port)

    def audience(self) -> Audience:
        """A load client for this gateway."""
        return self._stack.enter_context(Audience(self.url))


@contextlib.contextmanager
def plain(frames: list[bytes]) -> Iterator[str]:
    """Serves `frames` by the plain `send_json` loop; gives its URL."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frames.jsonl"
        file.write_bytes(b"\n".join(frames))
        with Process("-m", "tests.bench.plain", str(file)) as server:
            yield f"http://127.0.0.1:{int(server.line())}"
