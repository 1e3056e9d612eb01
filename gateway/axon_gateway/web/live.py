"""`/ws`: the live socket. One task reads the client, one writes the room to it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from axon_gateway import frames, logs, requests
from axon_gateway.clients import Client, access_of, client_of
from axon_gateway.errors import Refusal
from axon_gateway.limits import Pace, too_fast
from axon_gateway.rooms.epochs import Offset
from axon_gateway.rooms.room import Room
from axon_gateway.rooms.viewer import Viewer
from axon_gateway.web.questions import Questions
from axon_gateway.web.state import GATEWAY, Gateway

#: aiohttp closes the socket if a message is larger. Our own limit is lower: a message above that is
#: refused by name, and the socket stays open.
_MAX_RECEIVED = 2 * 2**20
#: Unsent bytes after which a slow socket's writer waits.
_WRITE_BUFFER = 64 * 2**10
#: Unsent bytes up to which a socket is given more without asking.
_DIRECT = 16 * 2**10
#: Seconds between pings; a peer that is silent for half as long after one is given up.
_HEARTBEAT = 30.0
_OFFSET = re.compile(r"(?:(?P<epoch>[0-9]{1,18}):)?(?P<seq>[0-9]{1,15})", re.ASCII)
#: Seconds that a socket has to answer our close.
_CLOSE_TIMEOUT = 2.0


async def live(request: web.Request) -> web.WebSocketResponse:
    """Opens a room, or enters `?room=ID` from frame `from` on; `token` makes a presenter.

    With `?enter`, the tokens come in the first message: addresses are logged on their way.
    """
    gateway = request.app[GATEWAY]
    socket = web.WebSocketResponse(
        timeout=_CLOSE_TIMEOUT,
        heartbeat=_HEARTBEAT,
        # Compression would keep a window of 64 KiB and more for every viewer, and would compress
        # the same frame once for each.
        compress=False,
        max_msg_size=_MAX_RECEIVED,
        writer_limit=_WRITE_BUFFER,
        # We decode, so that a text frame that is not UTF-8 gets an error, not a closed socket.
        decode_text=False,
    )
    async with gateway.door:
        await asyncio.sleep(0)  # lets other tasks run first
        await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket  # the client has left already
    gateway.sockets[socket] = transport
    try:
        # Counted from here, once the socket is open, so that a refusal can be sent over it.
        with gateway.limits.socket(client_of(request, gateway.settings)) as client:
            shown = await _shown(gateway, request, socket)
            room, viewer = await _enter(gateway, request, client, shown)
            viewer.push = _direct(socket, transport, viewer)
            logs.in_room(room.id)
            await _serve(gateway, socket, room, viewer, client)
    except Refusal as refusal:
        await socket.send_frame(frames.encode(frames.error(refusal), 0), WSMsgType.TEXT)
        await socket.close(code=_close_code(refusal), message=refusal.code.encode())
    finally:
        del gateway.sockets[socket]
        # A closed transport still waits to send what it holds. A peer that never reads would keep
        # it open for ever.
        asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT, transport.abort)
    return socket


def _close_code(refusal: Refusal) -> WSCloseCode:
    """Tells programs that read no frames whether it makes sense to come back."""
    passes = refusal.retry_after is not None
    return WSCloseCode.TRY_AGAIN_LATER if passes else WSCloseCode.POLICY_VIOLATION


async def _shown(
    gateway: Gateway, request: web.Request, socket: web.WebSocketResponse
) -> requests.Enter:
    """The tokens of a client, from its first message or its request."""
    if "enter" not in request.query:
        return requests.Enter(access_of(request), request.query.get("token", ""))
    settings = gateway.settings
    try:
        message = await socket.receive(settings.body_timeout)
    except TimeoutError:
        refusal = f"the first message must arrive within {settings.body_timeout:g} s"
        raise Refusal("too_slow", refusal, retry_after=1.0) from None
    if message.type is not WSMsgType.TEXT:
        raise Refusal("invalid_json", "the first message must be JSON text")
    return requests.enter(message.data, settings.max_message_bytes)


async def _enter(
    gateway: Gateway, request: web.Request, client: Client, shown: requests.Enter
) -> tuple[Room, Viewer]:
    gateway.permissions.check_may_join(shown.access)
    client.may_generate = gateway.permissions.may_generate(shown.access)
    client.voter = shown.voter
    room = request.query.get("room")
    if not room:
        return gateway.rooms.open(client)
    offset = _offset(request.query.get("from", "1"))
    return await gateway.rooms.enter(room, shown.token, offset, client)


def _offset(text: str) -> Offset:
    """EPOCH:SEQ, or SEQ alone: the first frame that the client wants. Raises Refusal."""
    found = _OFFSET.fullmatch(text)
    if found is None:
        message = "from must be EPOCH:SEQ, or the number of a frame"
        raise Refusal("wrong_type", message, "from")
    epoch = found["epoch"]
    return Offset(None if epoch is None else int(epoch), int(found["seq"]))


def _direct(
    socket: web.WebSocketResponse, transport: asyncio.Transport, viewer: Viewer
) -> Callable[[], bool]:
    """A function that writes a viewer's frames to its transport, without a task or a buffer.

    All viewers that keep up share the same bytes. A socket that does not keep up is left to its
    writer, which waits until there is room.
    """

    def push() -> bool:
        if socket.closed or transport.is_closing():
            return True  # the client has left
        if transport.get_write_buffer_size() > _DIRECT:
            return False
        wire, everything = viewer.read_wire()
        if wire:
            transport.write(wire)
        return everything

    return push


async def _serve(
    gateway: Gateway,
    socket: web.WebSocketResponse,
    room: Room,
    viewer: Viewer,
    client: Client,
) -> None:
    writer = asyncio.create_task(_write(socket, viewer))
    pace = Pace(gateway.settings.client_messages)
    questions = Questions(gateway.explainer, viewer, client.address)
    try:
        async for message in socket:
            try:
                if wait := pace.wait():
                    viewer.notify(too_fast(gateway.settings.client_messages, wait))
                    # Nothing is read meanwhile: what comes next stays in the sender's own buffers.
                    await asyncio.sleep(wait)
                    continue
                _handle(gateway, room, viewer, questions, message)
            except Refusal as refusal:
                viewer.notify(refusal)
                # Lets the writer send it, so that each of a burst of bad messages gets an answer.
                await asyncio.sleep(0)
    finally:
        gateway.rooms.leave(room, viewer)
        questions.close()
        writer.cancel()
        await asyncio.wait([writer])


async def _write(socket: web.WebSocketResponse, viewer: Viewer) -> None:
    """Sends what the viewer reads. Waiting here for a slow socket delays nobody else."""
    with contextlib.suppress(ConnectionError):
        while True:
            for message in await viewer.read():
                await socket.send_frame(message, WSMsgType.TEXT)


def _handle(
    gateway: Gateway, room: Room, viewer: Viewer, questions: Questions, message: WSMessage
) -> None:
    if message.type is not WSMsgType.TEXT:
        raise Refusal("invalid_json", "messages must be JSON text, not binary")
    command = requests.parse(message.data, gateway.settings.max_message_bytes)
    match command:
        case requests.Stop():
            room.stop(viewer)
        case requests.Edit():
            room.edit(command, viewer)
        case requests.Explain():
            questions.ask(command)
        case requests.CancelExplain():
            questions.cancel(command.id)
        case requests.Open():
            room.set_open(viewer, command.open)
        case requests.Share():
            room.share(viewer)
        case requests.View():
            room.set_view(viewer, command)
        case requests.Question():
            room.ask(command, viewer)
        case requests.Vote():
            room.vote(command, viewer)
        case requests.CloseQuestion():
            room.close_question(command, viewer)
        case requests.LeaveLine():
            room.line.leave(viewer, command.place)
        case requests.Ping():
            viewer.send(frames.pong())
        case requests.Generate():
            viewer.plain = not command.typed
            room.generate(command, viewer)
