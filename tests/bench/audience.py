"""The load client of the fan-out measurement: many viewers in a separate process.

`fanout.Audience` starts it. It reads one JSON command a line and answers each with one line. It
uses raw sockets, since a client library would take more CPU time than the gateway itself.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

_BATCH = b'{"type":"batch"'
_FRAMES = b'"frames":['
_ROOM = b'{"type":"room"'
_TOKEN = b'{"type":"token"'
_FINISHED = b'{"type":"finished"'
_QUESTION = b'{"type":"question"'
_TALLY = b'{"type":"tally"'
_OUTCOME = b'{"type":"outcome"'
#: Seconds that a generation may take longer than expected, and the slowest expected rate of
#: deliveries a second.
_GRACE = 60.0
_SLOWEST = 10_000


@dataclass
class Transcript:
    """The frames that every viewer must get. The first viewer adds a frame; all others compare."""

    frames: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    #: All frames, each followed by a comma as in a batch, and the offsets where they begin.
    joined: bytearray = field(default_factory=bytearray)
    starts: list[int] = field(default_factory=list)

    def put(self, frame: bytes) -> None:
        """Adds the next frame."""
        self.frames.append(frame)
        self.times.append(orjson.loads(frame)["time"])
        self.starts.append(len(self.joined))
        self.joined += frame + b","


class Viewer(asyncio.Protocol):
    """One socket: parses WebSocket frames and compares each message with the transcript."""

    def __init__(self, hall: Hall, request: bytes) -> None:
        self._hall = hall
        self._request = request
        self._buffer = b""
        self.upgraded = asyncio.Event()
        self.housed = asyncio.Event()
        self.transport: Any = None
        self.next = 0
        #: How many frames differed from the next one of the transcript.
        self.wrong = 0
        self.room: dict[str, Any] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        buffer = self._buffer + data if self._buffer else data
        at = 0
        if not self.upgraded.is_set():
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            at = end + 4
            self.upgraded.set()
        while (split := split_frame(buffer, at)) is not None:
            opcode, start, at = split
            if opcode == 1:
                self._message(buffer[start:at], now)
            elif opcode == 9:
                self.transport.write(b"\x8a\x80\x00\x00\x00\x00")
        self._buffer = buffer[at:]

    def connection_lost(self, error: Exception | None) -> None:
        self._hall.left(self)

    def send(self, message: dict[str, Any]) -> None:
        """Sends a client's frame, masked with zeros."""
        payload = json.dumps(message).encode()
        length = len(payload)
        size = b"%c" % (0x80 | length) if length < 126 else b"\xfe" + struct.pack("!H", length)
        self.transport.write(b"\x81%b\x00\x00\x00\x00%b" % (size, payload))

    def _message(self, payload: bytes, now: float) -> None:
        if self._hall.counted:
            self.next += 1
            if self.next == self._hall.counted:
                self._hall.done()
        elif payload.startswith(_ROOM):
            self.room |= orjson.loads(payload)
            self.housed.set()
        elif payload.startswith(_QUESTION):
            self._hall.question = orjson.loads(payload)["question"]
            self._hall.done()
        elif payload.startswith(_TALLY):
            if self._hall.whole in payload:
                self._hall.tallied.append(now)
                self._hall.done()
        elif payload.startswith(_OUTCOME):
            self._hall.done()
        elif payload.startswith(_BATCH):
            self._hall.batches += 1
            self._batch(payload, now)
        else:
            self._frame(payload, now)

    def _batch(self, payload: bytes, now: float) -> None:
        """Compares frames that others have got already as one block; parses only new frames."""
        transcript = self._hall.transcript
        at = payload.index(_FRAMES) + len(_FRAMES)
        if self.next < len(transcript.starts):
            start = transcript.starts[self.next]
            end = start + len(payload) - len("]}") - at
            same = transcript.joined[start:end] == payload[at:-2]
            if same and transcript.joined[end : end + 1] == b",":
                last = bisect_right(transcript.starts, end) - 1
                first, self.next = self.next, last + 1
                self._hall.seen.append((now, first, last + 1))
                # Late labels may follow `finished`, so it need not be the last frame.
                if any(f.startswith(_FINISHED) for f in transcript.frames[first : last + 1]):
                    self._hall.done()
                return
        for frame in orjson.loads(payload)["frames"]:
            self._frame(orjson.dumps(frame), now)

    def _frame(self, frame: bytes, now: float) -> None:
        transcript = self._hall.transcript
        if self.next == len(transcript.frames):
            transcript.put(frame)
        if frame == transcript.frames[self.next]:
            self._hall.seen.append((now, self.next, self.next + 1))
        else:
            self.wrong += 1
        self.next += 1
        if frame.startswith(_FINISHED):
            self._hall.done()


class Soloist(Viewer):
    """The only viewer of its own room; counts tokens and compares nothing."""

    tokens = 0

    def _message(self, payload: bytes, now: float) -> None:
        self.tokens += payload.count(_TOKEN)
        if _FINISHED in payload:
            self._hall.done()


def split_frame(buffer: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the payload of the WebSocket frame at `at`; None if incomplete."""
    if len(buffer) < at + 2:
        return None
    length, start = buffer[at + 1] & 0x7F, at + 2
    if length == 126:
        start += 2
        length = int.from_bytes(buffer[at + 2 : start], "big")
    elif length == 127:
        start += 8
        length = int.from_bytes(buffer[at + 2 : start], "big")
    if len(buffer) < start + length or len(buffer) < start:
        return None
    return buffer[at] & 0x0F, start, start + length


class Hall:
    """All viewers, and what they got of the current generation."""

    def __init__(self, url: str, compress: bool) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if compress else ""
        #: For the plain loop: the number of messages for each viewer. 0 for our gateway.
        self.counted = 0
        self.transcript = Transcript()
        #: For each receipt by a viewer: the time, the first frame, and the one after the last.
        self.seen: list[tuple[float, int, int]] = []
        self.batches = 0
        #: The open question, what a tally says that has all votes, and when each viewer got one.
        self.question: Any = None
        self.whole = b""
        self.tallied: list[float] = []
        self.viewers: list[Viewer] = []
        self._stalled: list[socket.socket] = []
        self._waiting = 0
        self._event = asyncio.Event()
        self._gone = 0

    def done(self) -> None:
        """Called when a viewer has got the end of the generation."""
        self._waiting -= 1
        if self._waiting <= 0:
            self._event.set()

    def left(self, viewer: Viewer) -> None:
        """Called when a viewer's socket was closed; that counts as lost and ends the waiting."""
        self._gone += 1
        self._event.set()

    def request(self, path: str) -> bytes:
        return (
            f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{self._extension}"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()

    async def connect(self, count: int) -> dict[str, Any]:
        """The presenter opens a room, and viewers join it until there are `count` with it."""
        presenter = await self._enter("/ws")
        await presenter.housed.wait()
        await self._crowd(f"/ws?room={presenter.room['room']}", count)
        return {"room": presenter.room["room"], "viewers": len(self.viewers)}

    async def count(self, viewers: int, messages: int) -> dict[str, Any]:
        """Seconds until every viewer has got `messages` messages from the plain loop."""
        self.counted = messages
        await self._crowd("/ws", viewers)
        self._expect(viewers)
        began = time.perf_counter()
        self.viewers[0].send({"go": True})
        await self._event.wait()
        return {"seconds": time.perf_counter() - began}

    async def alone(self, viewers: int, events: int) -> dict[str, Any]:
        """Seconds until each of the viewers has got all tokens of a generation of its own."""
        await self._crowd("/ws", viewers, Soloist)
        self._expect(viewers)
        began = time.perf_counter()
        for viewer in self.viewers:
            viewer.tokens = 0
            viewer.send({"type": "generate", "prompt": "The dog ran", "max_tokens": events})
        await self._event.wait()
        seconds = time.perf_counter() - began
        if any(viewer.tokens != events for viewer in self.viewers):
            raise RuntimeError("tokens were lost")
        return {"seconds": seconds}

    async def frames(self) -> list[str]:
        """The token frames of the last generation, as they came."""
        frames = [frame.decode() for frame in self.transcript.frames]
        return [frame for frame in frames if frame.startswith('{"type":"token"')]

    async def play(self, events: int, rate: float) -> dict[str, Any]:
        """A generation of `events` tokens, `rate` a second (0: as fast as they come)."""
        self.transcript, self.seen, self.batches = Transcript(), [], 0
        for viewer in self.viewers:
            viewer.next = viewer.wrong = 0
        self._expect(len(self.viewers))
        began = time.perf_counter()
        self.viewers[0].send({"type": "generate", "prompt": f"{rate:g}", "max_tokens": events})
        expected = events / rate if rate else events * len(self.viewers) / _SLOWEST
        await asyncio.wait_for(self._event.wait(), _GRACE + expected)
        seconds = time.perf_counter() - began
        frames = len(self.transcript.frames)
        lost = sum(viewer.wrong + abs(frames - viewer.next) for viewer in self.viewers)
        kinds = [orjson.loads(frame)["type"] for frame in self.transcript.frames]
        times = self.transcript.times
        found = sorted(now - times[n] for now, first, end in self.seen for n in range(first, end))
        return {
            # Viewers may agree and still all miss tokens, so the tokens are counted too.
            "lost": lost + abs(kinds.count("token") - events) * len(self.viewers) + self._gone,
            "deliveries": len(found),
            "batches": self.batches,
            "bytes": sum(map(len, self.transcript.frames)) / frames,
            "seconds": seconds,
            "p50_ms": 1e3 * found[len(found) // 2],
            "p99_ms": 1e3 * found[len(found) * 99 // 100],
            "max_ms": 1e3 * found[-1],
        }

    async def vote(self, seconds: float) -> dict[str, Any]:
        """All viewers vote within `seconds`: the times from the last vote to the tally of all."""
        options = [{"text": f"word {number}"} for number in range(8)]
        ask = {"type": "question", "kind": "guess", "text": "?", "options": options, "position": 1}
        count = len(self.viewers)
        self.whole, self.tallied = b'"votes":%d,' % count, []
        await self._told(ask)
        asked = self.question["id"]
        self._expect(count)
        began = time.perf_counter()
        for number, viewer in enumerate(self.viewers):
            viewer.send({"type": "vote", "question": asked, "option": number % len(options)})
            wait = began + seconds * (number + 1) / count - time.perf_counter()
            await asyncio.sleep(max(wait, 0))
        last = time.time()
        await asyncio.wait_for(self._event.wait(), _GRACE)
        found = sorted(now - last for now in self.tallied)
        # The outcome, and then that nothing is asked any more.
        await self._told({"type": "close", "question": asked}, frames=2)
        return {
            "lost": count - len(found) + self._gone,
            "p50_ms": 1e3 * found[len(found) // 2],
            "p99_ms": 1e3 * found[len(found) * 99 // 100],
            "max_ms": 1e3 * found[-1],
        }

    async def _told(self, message: dict[str, Any], frames: int = 1) -> None:
        """The presenter sends a message, and all viewers get what follows from it."""
        self._expect(frames * len(self.viewers))
        self.viewers[0].send(message)
        await asyncio.wait_for(self._event.wait(), _GRACE)

    async def stall(self, count: int, room: str) -> dict[str, Any]:
        """Adds `count` viewers that never read, after closing earlier ones; 0 only closes them."""
        for plug in self._stalled:
            plug.close()
        self._stalled = []
        for _ in range(count):
            plug = socket.socket()
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plug.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(plug, (self._host, self._port))
            await loop.sock_sendall(plug, self.request(f"/ws?room={room}"))
            self._stalled.append(plug)
        await asyncio.sleep(1)
        return {"stalled": len(self._stalled)}

    async def _crowd(self, path: str, count: int, kind: type[Viewer] = Viewer) -> None:
        while (missing := count - len(self.viewers)) > 0:
            await asyncio.gather(*(self._enter(path, kind) for _ in range(min(50, missing))))

    async def _enter(self, path: str, kind: type[Viewer] = Viewer) -> Viewer:
        loop = asyncio.get_running_loop()
        viewer = kind(self, self.request(path))
        await loop.create_connection(lambda: viewer, self._host, self._port)
        self.viewers.append(viewer)
        await viewer.upgraded.wait()
        return viewer

    def _expect(self, count: int) -> None:
        self._waiting = count
        self._event.clear()


async def main(url: str, compress: bool) -> None:
    """Carries out commands until there are no more."""
    hall = Hall(url, compress)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        answer = await getattr(hall, command.pop("do"))(**command)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2:] == ["compress"]))
