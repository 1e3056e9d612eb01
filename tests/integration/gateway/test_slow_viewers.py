"""A viewer on bad Wi-Fi: it delays nobody, costs a bounded buffer, and misses nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import struct

from .fake_inference import FakeInference, Script
from .harness import Running

TOKENS = 400
#: Frames of about 8 KB: 3 MB in all, far more than the kernel's and our buffers hold.
BIG = Script(tokens=tuple(f" {n}" + "x" * 8000 for n in range(TOKENS)), delay=0.002)


class StalledViewer:
    """A raw WebSocket client that reads only when told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, gateway: Running, room: str) -> StalledViewer:
        host, port = gateway.url.removeprefix("http://").split(":")
        plug = socket.socket()
        # Small buffers on this side, so that the sender is held up soon: the kernel's own would
        # grow to several MB.
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.connect((host, int(port)))
        reader, writer = await asyncio.open_connection(sock=plug, limit=4096)
        handshake = (
            f"GET /ws?room={room} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        writer.write(handshake.encode())
        await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer)

    async def text(self) -> str:
        """The payload of the next text frame."""
        while True:
            first, length = await self._reader.readexactly(2)
            if length == 126:
                [length] = struct.unpack("!H", await self._reader.readexactly(2))
            elif length == 127:
                [length] = struct.unpack("!Q", await self._reader.readexactly(8))
            payload = await self._reader.readexactly(length)
            if first & 0x0F == 1:
                return payload.decode()

    def close(self) -> None:
        self._writer.close()


def unsent(gateway: Running) -> int:
    """Bytes waiting in the fullest socket's buffer."""
    transports = [ws._req.transport for ws in gateway.gateway.sockets if ws._req]
    return max(transport.get_write_buffer_size() for transport in transports if transport)


async def test_a_stalled_viewer_delays_nobody_and_catches_up(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = BIG
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    stalled = await StalledViewer.connect(gateway, room)
    await presenter.send(prompt="x")
    most = 0
    seen = []
    while not seen or seen[-1]["type"] != "finished":
        seen.append(await presenter.frame(seconds=2))
        most = max(most, unsent(gateway))
    assert sum(frame["type"] == "token" for frame in seen) == TOKENS
    assert 0 < most < 512 * 1024, "the stalled viewer cost too much, or was not stalled"

    caught_up: list[dict[str, object]] = []
    batches = 0
    while not caught_up or caught_up[-1]["type"] != "finished":
        frame = json.loads(await asyncio.wait_for(stalled.text(), 5))
        batches += frame["type"] == "batch"
        caught_up += frame["frames"] if frame["type"] == "batch" else [frame]
    stalled.close()
    logged = [frame for frame in seen if frame["type"] != "room"]
    assert [frame for frame in caught_up if frame["type"] != "room"] == logged
    assert batches > 0
