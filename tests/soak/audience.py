"""Viewers and presenters over WebSocket. They reconnect as the page does."""

from __future__ import annotations

import asyncio
import math
import random
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import orjson

from .checker import Frame, Ledger, Reader

#: Seconds between two attempts to reconnect; the page begins with half a second.
_AGAIN = (0.2, 0.6)
#: The same for lazy viewers, which may miss the start of the next generation.
_LATER = (3.0, 5.0)
#: Seconds that a presenter waits for an answer before it asks again.
_PATIENCE = 5.0
#: Seconds that a presenter waits between two generations.
_READS = (0.1, 0.5)
#: Seconds without a frame after which a presenter asks for another generation.
_STALE = 10.0


@dataclass
class Measures:
    """Measurements of all viewers and presenters together."""

    delivered: int = 0
    reconnects: int = 0
    #: Seconds from a frame's creation to its receipt, for frames created while the socket was open.
    lags: array[float] = field(default_factory=lambda: array("f"))
    #: Refusals by code.
    refusals: Counter[str] = field(default_factory=Counter)
    #: Called with a viewer and each frame that it gets.
    on_frame: list[Callable[[Viewer, Frame], None]] = field(default_factory=list)


class Viewer:
    """One socket in a room, reopened whenever it breaks."""

    def __init__(self, name: str, urls: list[str], http: aiohttp.ClientSession, measures: Measures):
        self.name = name
        #: Whether it waits for some seconds before it reconnects.
        self.lazy = False
        #: Whether it always reconnects to the same gateway, or to both by turns.
        self.faithful = False
        self.reader: Reader | None = None
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        #: The gateway it is connected to, or was last.
        self.url = urls[0]
        self._urls = urls
        self._http = http
        self._measures = measures
        self.opened = 0.0
        #: Refusals it got that are no part of the log.
        self.refused = 0
        #: Set while the viewer is in its room.
        self.inside = asyncio.Event()

    async def watch(self) -> None:
        """Reads for ever and reconnects whenever the connection breaks, as the page does."""
        while True:
            await self._visit()
            self.inside.clear()
            self._measures.reconnects += 1
            await asyncio.sleep(random.uniform(*(_LATER if self.lazy else _AGAIN)))
            if not self.faithful:
                self._urls.reverse()
                self.url = self._urls[0]

    async def _visit(self) -> None:
        try:
            async with self._http.ws_connect(f"{self.url}/ws", params=self._query()) as socket:
                self.socket, self.opened = socket, time.time()
                await self._come_in()
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self._receive(orjson.loads(message.data))
        except (aiohttp.ClientError, OSError):
            pass  # the gateway is down
        finally:
            self.socket = None

    async def _come_in(self) -> None:
        """Sends what has to be sent as soon as the socket is open."""

    def _query(self) -> dict[str, str]:
        assert self.reader is not None
        return {"room": self.reader.room, "from": self.reader.resume()}

    def _receive(self, message: Frame) -> None:
        for frame in message["frames"] if message["type"] == "batch" else [message]:
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        if self.reader is None:
            return
        for note in self._measures.on_frame:
            note(self, frame)
        if frame["type"] == "room":
            self.inside.set()
        if self.reader.take(frame):
            self._measures.delivered += 1
            if frame["time"] > self.opened:
                self._measures.lags.append(time.time() - frame["time"])
        elif frame["type"] == "error":
            self.refused += 1
            self._measures.refusals[frame["error"]] += 1


class Presenter(Viewer):
    """Opens a room by generating, and keeps generating in it."""

    def __init__(
        self,
        name: str,
        urls: list[str],
        http: aiohttp.ClientSession,
        measures: Measures,
        ledger: Ledger,
    ):
        super().__init__(name, urls, http, measures)
        self.has_room = asyncio.Event()
        self._ledger = ledger
        self._secret: str | None = None
        self._heard = 0.0
        self._early: list[Frame] = []

    async def present(self, until: asyncio.Event) -> None:
        """Generates until told to stop; returns when the last generation has ended."""
        while not until.is_set():
            await asyncio.sleep(random.uniform(*_READS))
            if self.reader is None or self.socket is None:
                continue
            if self.reader.running and time.monotonic() < self._heard + _STALE:
                continue
            before = self.reader.frames, self.refused
            await self._ask()
            reader = self.reader
            await reached(lambda: before != (reader.frames, self.refused), _PATIENCE)  # noqa: B023
        await reached(lambda: self.reader is None or not self.reader.running)

    async def _come_in(self) -> None:
        if self.reader is None:
            await self._ask()

    async def _ask(self) -> None:
        if self.socket is not None and not self.socket.closed:
            try:
                await self.socket.send_json({"type": "generate", "prompt": "The capital"})
            except (ConnectionError, aiohttp.ClientError):
                return  # `watch` notices it too, and reconnects

    def _query(self) -> dict[str, str]:
        if self.reader is None:
            return {}
        secret = {} if self._secret is None else {"token": self._secret}
        return {**super()._query(), **secret}

    def _take(self, frame: Frame) -> None:
        self._heard = time.monotonic()
        if self.reader is None:
            self._early.append(frame)
            if frame["type"] != "room" or not frame.get("room"):
                return
            self.reader = Reader(self.name, frame["room"], self._ledger)
            self.has_room.set()
        if frame["type"] == "room" and self._secret is None:
            self._secret = frame.get("presenter_token")
        early, self._early = self._early, []
        for one in early or [frame]:
            super()._take(one)


async def reached(condition: Callable[[], bool], seconds: float = math.inf) -> bool:
    """Waits up to `seconds` for `condition`; returns whether it became true."""
    deadline = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client without a limit on its sockets."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session
