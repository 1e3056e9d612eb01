"""One client's connection: how fast it may send, and how long it may take to read.

aiohttp handles all the bytes of one read at once (up to 256 KiB, with uvloop several times that),
and waits for ever for a client that reads nothing. Here aiohttp gets a client's bytes in small
slices, one in a turn of the event loop. The slices of a WebSocket count towards its rate. A client
that reads nothing of what it was sent is cut off.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import math
import sys
import termios
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from axon_gateway.config import Settings
from axon_gateway.errors import Refusal
from axon_gateway.limits import Pace
from axon_gateway.web.answers import answer
from axon_gateway.web.websocket import FrameCounter

_log = logging.getLogger(__name__)

#: Bytes of a connection that are handled in one turn of the event loop; fewer of a WebSocket, since
#: 512 bytes may already be nearly a hundred pings to answer.
_SLICE = 4096
_SOCKET_SLICE = 512
#: For each message that a socket may send, it may send so many frames; a large frame counts as one
#: for every so many bytes. Messages may come in fragments, with pings and pongs between them.
_FRAMES_PER_MESSAGE = 2
_BYTES_PER_FRAME = 4096
#: Seconds that the rest of a request's body is read and dropped once the answer is sent.
_LINGER = 2.0


class Runner(web.AppRunner):
    """Serves an application over `Connection`s."""

    def __init__(self, app: web.Application, settings: Settings, **options: Any) -> None:
        super().__init__(
            app,
            settings=settings,
            keepalive_timeout=settings.idle_timeout,
            lingering_time=_LINGER,
            # A compressed body could grow a thousandfold; `middleware.uncompressed` refuses it.
            auto_decompress=False,
            # A client that leaves ends its generation at once, not when the next token is written.
            handler_cancellation=True,
            **options,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(web.RequestHandler):
    """Reading pauses for two reasons, aiohttp's own and ours, and goes on when neither is left."""

    __slots__ = (
        "_backlog",
        "_counter",
        "_pace",
        "_settings",
        "_turn",
        "_unsent",
        "_watch",
        "_wire",
    )

    def __init__(self, manager: web.Server, *, settings: Settings, **options: Any) -> None:
        super().__init__(manager, **options)
        self._settings = settings
        #: Bytes that wait for their turn, and the timer of the next turn.
        self._backlog = bytearray()
        self._turn: asyncio.TimerHandle | None = None
        #: Of a WebSocket: counts its frames, and limits their rate.
        self._counter: FrameCounter | None = None
        self._pace: Pace | None = None
        #: The transport, which aiohttp forgets when it closes it; the timer of the next look at
        #: it; and the bytes unsent at the last look.
        self._wire: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._unsent = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins to watch whether the client reads."""
        super().connection_made(transport)
        self._wire = cast(asyncio.Transport, transport)
        self._look()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Drops the backlog and the timers."""
        super().connection_lost(exc)
        self._backlog.clear()
        for handle in (self._turn, self._watch):
            if handle is not None:
                handle.cancel()
        self._turn = self._watch = self._wire = None

    def _look(self) -> None:
        """Cuts off a client that had something to read and has read nothing since the last look."""
        wire = self._wire
        assert wire is not None
        waits = self.writing_paused or wire.is_closing()
        unsent = wire.get_write_buffer_size() + _in_kernel(wire) if waits else 0
        if unsent and unsent >= self._unsent:
            _log.debug("%s was cut off: it reads nothing of what it is sent", self.peername)
            wire.abort()
            return
        self._unsent = unsent or math.inf
        self._watch = self._loop.call_later(self._settings.write_timeout, self._look)

    def resume_writing(self) -> None:
        """The client has read, so the next look has nothing to compare with."""
        super().resume_writing()
        self._unsent = math.inf

    def data_received(self, data: bytes) -> None:
        """Takes in a slice at once, the rest in later turns of the loop."""
        if not data:
            super().data_received(data)  # from aiohttp itself, to go on with what its parser holds
            return
        self._backlog += data
        if self._turn is None:
            self._take()

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Becomes a WebSocket: from here on its frames count, those that came early included."""
        self._backlog[:0], self._message_tail = self._message_tail, b""
        self._counter = FrameCounter()
        self._pace = Pace(self._settings.client_messages * _FRAMES_PER_MESSAGE)
        super().set_parser(parser, data_received_cb)
        self._go_on()

    def _take(self) -> None:
        """Hands one slice to aiohttp, and works out when the next may follow."""
        self._turn = None
        wait = 0.0
        if self._backlog and not self._full():
            size = _SLICE if self._counter is None else _SOCKET_SLICE
            data = bytes(self._backlog[:size])
            del self._backlog[:size]
            if self._counter is not None and self._pace is not None:
                frames = self._counter.count(data)
                wait = self._pace.spend(max(frames, len(data) / _BYTES_PER_FRAME))
            super().data_received(data)
        self._go_on(wait)

    def _go_on(self, wait: float = 0.0) -> None:
        """Takes the next slice in `wait` seconds; reads on if there is nothing to wait for."""
        if self._turn is not None:
            return
        if wait or (self._backlog and not self._full()):
            self._turn = self._loop.call_later(wait, self._take)
        if self._backlog or wait:
            self._pause_transport_reading()
        elif not self._full():
            super()._resume_transport_reading()

    def _full(self) -> bool:
        """Whether aiohttp can take no more for now."""
        return self._reading_paused or self._buffer_paused

    def _resume_transport_reading(self) -> None:
        """aiohttp can take more; the backlog comes first."""
        self._go_on()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Tells a client that what it sent is not HTTP. That is not worth a traceback."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has left
        # `middleware.failures` handles what handlers raise, but not a header that is not text.
        if not isinstance(exc, HttpProcessingError | UnicodeError):
            return super().handle_error(request, status, exc, message)
        why = (message or "a header is not UTF-8").partition("\n")[0].rstrip(":")
        _log.debug("%s sent what is not HTTP: %s", request.remote, why)
        response = answer(Refusal("invalid_http", f"the request is not valid HTTP: {why}"))
        response.force_close()
        return response


def _in_kernel(wire: asyncio.Transport) -> int:
    """Bytes in the system's send buffer that the client has not confirmed.

    The system takes megabytes, and takes more only once a third of them is gone. With a slow client
    that may last longer than `write_timeout`, and these bytes alone show that the client reads.
    """
    try:
        kept = fcntl.ioctl(wire.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0  # it has been closed, or is a kind of socket that cannot tell
    return int.from_bytes(kept, sys.byteorder)
