"""Harmful clients: floods, compression bombs, broken HTTP, readers that stall."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import compression_utils, web
from axon_gateway.config import Settings

from ...patience import PATIENCE, eventually
from . import harness
from .fake_inference import FakeInference, Script
from .harness import RawSocket, Running

#: A client's frames without content, masked with zeros.
PING, PONG, TEXT, FIRST, MORE = (
    bytes([first, 0x80, 0, 0, 0, 0]) for first in (0x89, 0x8A, 0x81, 0x01, 0x00)
)
ASK = harness.masked(b'{"type":"ping"}')


async def answered(client: RawSocket, seconds: float = PATIENCE) -> bool:
    """Whether the answer to `ASK` comes within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while '"pong"' not in await client.text():
                pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    ("before", "frame"),
    [(b"", PING), (b"", PONG), (b"", b"\x8a\x00"), (FIRST, MORE)],
    ids=["pings", "pongs", "unmasked", "fragments"],
)
async def test_a_flood_is_read_no_faster_than_the_rate_limit(
    gateway: Running, before: bytes, frame: bytes
) -> None:
    """A message behind 20,000 frames is not read before the limit allows that many."""
    end = b"\x80\x80\0\0\0\0" if before else b""
    flooding = await RawSocket.connect(gateway.url)
    flooding.send(before + frame * 20_000 + end + ASK)
    assert not await answered(flooding, 1.5)
    # Other clients are not affected.
    other = await gateway.connect()
    await other.send(prompt="x")
    assert (await other.until("finished"))[-1]["status"] == "done"
    flooding.close()


async def test_fragments_and_pings_of_a_normal_client_are_served(gateway: Running) -> None:
    client = await RawSocket.connect(gateway.url)
    middle = harness.masked(b" " * 300, first=0x00) + PING
    end = harness.masked(b'{"type":"ping"}', first=0x80)
    client.send(FIRST + middle * 200 + end)
    assert await answered(client)
    client.close()


async def test_frames_sent_with_the_handshake_count_too(gateway: Running) -> None:
    """Some clients send frames before the handshake is answered."""
    eager = await RawSocket.connect(gateway.url, at_once=PONG * 2_500 + ASK)
    assert not await answered(eager, 1.5)
    eager.close()
    eager = await RawSocket.connect(gateway.url, at_once=PONG * 20 + ASK)
    assert await answered(eager)
    eager.close()


async def test_many_handshakes_at_once_do_not_block_the_event_loop(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn of the loop handles only a few handshakes, however many wait."""
    turn, turns, loop = 0, Counter[int](), asyncio.get_running_loop()

    def tick() -> None:
        nonlocal turn, ticking
        turn += 1
        ticking = loop.call_soon(tick)

    prepare = web.WebSocketResponse.prepare

    async def counted(self: web.WebSocketResponse, request: web.BaseRequest) -> Any:
        turns[turn] += 1
        return await prepare(self, request)

    monkeypatch.setattr(web.WebSocketResponse, "prepare", counted)
    ticking = loop.call_soon(tick)
    clients = await asyncio.gather(*(RawSocket.connect(gateway.url) for _ in range(60)))
    ticking.cancel()
    assert turns.total() == 60
    assert max(turns.values()) <= 4
    for client in clients:
        client.close()


async def test_sockets_are_not_compressed(gateway: Running) -> None:
    """Inflated, a message could be a thousand times as large as the bytes that were counted."""
    client = await RawSocket.connect(
        gateway.url, headers="Sec-WebSocket-Extensions: permessage-deflate\r\n"
    )
    assert b"permessage-deflate" not in client.answer
    client.send(harness.masked(b"x", first=0xC1))
    assert await client.close_code() == 1002
    client.close()


@pytest.fixture
def inflated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all data that was given to a decompressor."""
    sizes: list[int] = []
    inflate = compression_utils.ZLibDecompressor.decompress_sync

    def watched(self: Any, data: Any, max_length: int = 0) -> bytes:
        sizes.append(len(data))
        return inflate(self, data, max_length)

    monkeypatch.setattr(compression_utils.ZLibDecompressor, "decompress_sync", watched)
    return sizes


@pytest.mark.parametrize("path", ["/api/generate", "/api/nothing", "/"])
async def test_compressed_bodies_are_refused_and_never_inflated(
    gateway: Running, inflated: list[int], path: str
) -> None:
    bomb = zlib.compress(bytes(30 << 20), 9)
    for encoding in ("gzip", "DEFLATE", "br", "zstd", "gzip, gzip"):
        for body in (bomb, b"not compressed at all"):
            headers = {"Content-Encoding": encoding}
            url = f"{gateway.url}{path}"
            async with gateway.http.post(url, data=body, headers=headers) as answer:
                assert answer.status == 415
                assert (await answer.json())["error"] == "unsupported_encoding"
    assert not inflated


async def test_a_body_that_says_it_is_not_compressed_is_read(gateway: Running) -> None:
    headers = {"Content-Encoding": "identity"}
    url, body = f"{gateway.url}/api/generate", b'{"prompt": "x"}'
    async with gateway.http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200
        await answer.read()


async def test_a_connection_with_endless_headers_is_closed(settings: Settings) -> None:
    settings = dataclasses.replace(settings, idle_timeout=0.5)
    async with harness.running(settings) as gateway:
        reader, writer = await harness.connection(gateway.url)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.readuntil(b"}") != b""
        # The next request's headers come byte by byte, so that the connection looks alive.
        dripping = asyncio.create_task(_drip(writer))
        # A reset is a close, too: bytes have come after it.
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE):
                assert await reader.read() == b""
        dripping.cancel()
        writer.close()


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def impatient(settings: Settings) -> AsyncIterator[Running]:
    async with harness.running(
        dataclasses.replace(settings, write_timeout=0.4, client_generations=1)
    ) as gateway:
        yield gateway


async def test_a_generation_is_cancelled_if_its_client_reads_nothing(
    impatient: Running, inference: FakeInference
) -> None:
    inference.script = Script(tokens=("x" * 8000,) * 4000, delay=0.0005)
    _, writer = await harness.narrow_connection(impatient.url)
    body = b'{"prompt": "x"}'
    head = b"POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % len(body) + body)
    await eventually(lambda: inference.seen.running == 1)
    # The gateway's buffer fills up, and then no byte can be written.
    await eventually(lambda: inference.seen.running == 0)
    assert inference.seen.cancelled == 1
    await eventually(lambda: not impatient.gateway.limits._generations)
    inference.script = Script()
    url = f"{impatient.url}/api/generate"
    async with impatient.http.post(url, json={"prompt": "x"}) as answer:
        assert answer.status == 200
        await answer.read()
    writer.close()


async def test_a_slow_reader_is_not_cut_off_while_it_reads(
    settings: Settings, inference: FakeInference
) -> None:
    """It takes several times `write_timeout`, after which a reader that stalls is cut off."""
    inference.script = Script(tokens=("x" * 8000,) * 800)
    async with harness.running(dataclasses.replace(settings, write_timeout=1.0)) as gateway:
        reader, writer = await harness.narrow_connection(gateway.url, buffer=128 * 1024)
        body = b'{"prompt": "x"}'
        head = b"POST /api/generate HTTP/1.0\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        received, began = bytearray(), time.monotonic()
        while data := await reader.read(128 * 1024):
            received += data
            await asyncio.sleep(0.1)
        writer.close()
    assert time.monotonic() - began > 4
    assert received.count(b'"type":"token"') == 800
    assert b'"finished"' in received


async def unread_recordings(gateway: Running) -> tuple[str, list[asyncio.StreamWriter]]:
    """The URL of a large recording, and eight connections (the limit) that stall after one line."""
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    await presenter.send(prompt="x")
    await presenter.until("finished")
    path = f"/api/rooms/{room}/recording.jsonl"
    stalled = []
    for _ in range(8):
        reader, writer = await harness.narrow_connection(gateway.url)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b" 200 " in await reader.readline()
        stalled.append(writer)
    return f"{gateway.url}{path}", stalled


async def test_a_recording_that_is_not_read_is_cut_off(
    impatient: Running, inference: FakeInference
) -> None:
    inference.script = Script(tokens=("x" * 8000,) * 1200)
    url, stalled = await unread_recordings(impatient)
    async with impatient.http.get(url) as answer:
        # It had to wait until one of the others was cut off.
        assert answer.status == 200
        assert b'"type":"end"' in await answer.read()
    for writer in stalled:
        writer.close()


async def test_the_number_of_recordings_at_once_is_limited(
    settings: Settings, inference: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axon_gateway.limits._RECORDING_PATIENCE", 0.2)
    inference.script = Script(tokens=("x" * 8000,) * 1200)
    async with harness.running(settings) as gateway:
        url, stalled = await unread_recordings(gateway)
        async with gateway.http.get(url) as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "too_many_recordings")
            assert answer.headers["Retry-After"]
        stalled[-1].transport.abort()

        async def there_is_room() -> bool:
            async with gateway.http.get(url) as answer:
                return answer.status == 200

        await eventually(there_is_room)
        for writer in stalled:
            writer.transport.abort()


BROKEN = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\n\r\n",
    b"NONSENSE\r\n\r\n",
    b"GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nExpect: \x80\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/generate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
async def test_broken_http_is_refused_with_a_code_and_no_traceback(
    gateway: Running, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    reader, writer = await harness.connection(gateway.url)
    writer.write(data)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert json.loads(body)["error"] == "invalid_http"
    assert not [record for record in caplog.records if record.exc_info]
    assert all(record.levelno <= logging.INFO for record in caplog.records)


async def test_a_client_that_disconnects_during_a_stream_causes_no_traceback(
    settings: Settings, inference: FakeInference, caplog: pytest.LogCaptureFixture
) -> None:
    inference.script = Script(tokens=("x" * 8000,) * 2000)
    async with harness.running(settings) as gateway:
        for _ in range(5):
            reader, writer = await harness.connection(gateway.url)
            body = b'{"prompt": "x"}'
            head = b"POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(body) + body)
            await reader.readuntil(b'"token"')
            writer.transport.abort()
        await eventually(lambda: inference.seen.running == 0)
    assert not [record for record in caplog.records if record.exc_info]
