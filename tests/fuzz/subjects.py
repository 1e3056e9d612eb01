"""What is fuzzed: a gateway in a separate process, and a model server in this process."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import grpc.aio
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as pb_grpc

from ..patience import PATIENCE, starved, wait_for_port
from ..ports import free_port

ROOT = Path(__file__).resolve().parents[2]
#: Seconds within which the gateway must always answer other clients, without those in which it
#: waited for a core.
LONGEST_STALL = 5.0
#: Requests that the model server runs at once.
SLOTS = 16
_HOST = "127.0.0.1"

T = TypeVar("T")


class Gateway:
    """`python -m axon_gateway` with its log in a file."""

    def __init__(self, folder: Path, **variables: object) -> None:
        self.port = free_port()
        self.log = folder / "gateway.log"
        settings = {"AXON_PORT": self.port, **variables}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "axon_gateway"],
                env={**os.environ, **{name: str(value) for name, value in settings.items()}},
                cwd=ROOT,
                stderr=log,
            )
        self._read = 0
        self._numbers = iter(range(10**9))

    @property
    def starved(self) -> float:
        """Seconds in which it waited for a core."""
        return starved(self._process.pid)

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection((_HOST, self.port), PATIENCE)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to raw bytes, sent on a new connection."""
        with self.connect() as plug:
            plug.sendall(request)
            return answer(plug)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    def generate(self) -> None:
        """Checks that a normal generation is complete."""
        body = json.dumps({"prompt": "The capital"}).encode()
        head = f"POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        status, found = self.ask(head.encode() + b"Connection: close\r\n\r\n" + body)
        assert status == 200, found
        frames = [json.loads(line) for line in found.splitlines()]
        told = [frame["token"] for frame in frames if frame["type"] == "token"]
        assert [token.rpartition(":")[2] for token in told] == ["0", "1", "2", "3"], frames
        assert frames[-1]["type"] in ("finished", "labels")

    def new_log(self) -> str:
        """The log since the last call, up to a request that is made now."""
        mark = f"/api/mark-{next(self._numbers)}"
        assert self.get(mark)[0] == 404
        line_of_mark = re.compile(rb"^.*" + mark.encode() + rb" .*\n", re.MULTILINE)
        deadline = time.monotonic() + PATIENCE
        while True:
            with self.log.open("rb") as log:
                log.seek(self._read)
                logged = log.read()
            if found := line_of_mark.search(logged):
                self._read += found.end()
                return logged[: found.start()].decode(errors="replace")
            assert time.monotonic() < deadline, "a request is not in the log"
            time.sleep(0.01)

    def check(self) -> None:
        """Checks that the gateway runs, generates, and has logged no exception."""
        assert self._process.poll() is None, f"the gateway ended: {self.log.read_text()[-3000:]}"
        self.generate()
        text = self.new_log()
        assert "Traceback" not in text, text[-3000:]

    def end(self) -> None:
        """Kills it."""
        self._process.kill()
        self._process.wait()


def answer(plug: socket.socket) -> tuple[int, bytes]:
    """Status and body of the answer on a connection; (0, b"") if it is closed without one."""
    response = http.client.HTTPResponse(plug)
    try:
        response.begin()
        return response.status, response.read()
    except (http.client.BadStatusLine, ConnectionError):
        return 0, b""
    except http.client.IncompleteRead as error:
        return response.status, error.partial


@contextlib.contextmanager
def never_stalled(gateway: Gateway) -> Iterator[None]:
    """Checks that the gateway answers others within LONGEST_STALL during the block."""
    worst, over = [0.0], threading.Event()

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic() - gateway.starved
            try:
                well = gateway.get("/healthz")[0] == 200
            except OSError:
                well = False
            took = time.monotonic() - gateway.starved - began
            worst[0] = max(worst[0], took if well else PATIENCE)
            over.wait(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()
    assert worst[0] < LONGEST_STALL, f"others waited {worst[0]:.1f} s for an answer"


@contextlib.contextmanager
def fake_inference() -> Iterator[str]:
    """The target of an inference service without a model; it sends four tokens at once."""
    port = free_port()
    module = "tests.integration.gateway.fake_inference"
    process = subprocess.Popen([sys.executable, "-m", module, str(port), "4", "0"], cwd=ROOT)
    try:
        wait_for_port(port)
        yield f"{_HOST}:{port}"
    finally:
        process.kill()
        process.wait()


class ModelServer:
    """The inference service with a real, tiny model, and its client, in a thread."""

    def __init__(self, model: Path, source: Path) -> None:
        self.fatal: list[str] = []
        self.records: list[logging.LogRecord] = []
        self._settings = {
            "model": str(model),
            "sources": (str(source),),
            "slots": SLOTS,
            "map": "off",
        }
        self._handler = logging.Handler()
        self._handler.emit = self.records.append  # type: ignore[method-assign]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> ModelServer:
        self._thread.start()
        logging.getLogger().addHandler(self._handler)
        self._do(self._start())
        self.control = self._generate()
        return self

    def __exit__(self, *error: object) -> None:
        self._do(self._stop())
        logging.getLogger().removeHandler(self._handler)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def all_at_once(self, requests: list[pb.GenerateRequest]) -> list[Any]:
        """The responses to each request, or the RpcError that ended it."""
        return self._do(self._gather(self._stub.Generate, requests))

    def raw(self, calls: list[tuple[str, bytes]]) -> list[Any]:
        """The same for raw bytes that are sent to a method."""

        def call(given: tuple[str, bytes], timeout: float) -> Any:
            method, data = given
            return self._channel.unary_stream(f"/axon.v1.InferenceService/{method}")(
                data, timeout=timeout
            )

        return self._do(self._gather(call, calls))

    def check(self) -> None:
        """Checks that the engine runs, generates as before, and has logged no exception."""
        assert not self.fatal, self.fatal
        assert self._generate() == self.control
        # gRPC has one poller for all event loops of a process, and complains of other tests' closed
        # loops.
        told = [
            (record.getMessage(), record.exc_text or record.exc_info)
            for record in self.records
            if record.exc_info and "PollerCompletionQueue" not in record.getMessage()
        ]
        self.records.clear()
        assert not told, told

    def _generate(self) -> str:
        request = pb.GenerateRequest(prompt="the capital of", max_tokens=6)
        request.sampling.temperature = 0
        [found] = self.all_at_once([request])
        assert isinstance(found, list), found
        tokens = [token for response in found for token in response.tokens.tokens]
        return "".join(t.text for t in tokens if t.origin == pb.TOKEN_ORIGIN_GENERATED)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> None:
        from axon_inference.config import Settings
        from axon_inference.serving.service import Service

        settings = Settings(device="cpu", port=0, drain_seconds=0, **self._settings)  # type: ignore[arg-type]
        self._service = Service(settings, on_fatal=self.fatal.append)
        await self._service.listen()
        await self._service.load()
        self._channel = grpc.aio.insecure_channel(f"{_HOST}:{self._service.port}")
        self._stub: Any = pb_grpc.InferenceServiceStub(self._channel)

    async def _stop(self) -> None:
        await self._channel.close()
        await self._service.drain()

    async def _gather(self, call: Callable[..., Any], requests: list[Any]) -> list[Any]:
        return await asyncio.gather(
            *(_collected(call(request, timeout=6 * PATIENCE)) for request in requests)
        )


async def _collected(call: Any) -> Any:
    try:
        return [response async for response in call]
    except grpc.RpcError as error:
        return error


#: A line of the plain log: time, level, logger, message without control characters.
LOG_LINE = re.compile(r"\d\d:\d\d:\d\d [A-Z]+ +[\w.]+: [^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
