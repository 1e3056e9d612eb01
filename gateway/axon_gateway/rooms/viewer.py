"""A viewer: a cursor in a room's log, with no queue of frames of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from axon_gateway import frames
from axon_gateway.clients import Client
from axon_gateway.errors import Refusal
from axon_gateway.frames import Frame, Shown
from axon_gateway.requests import View
from axon_gateway.rooms.hall import Place
from axon_gateway.rooms.log import Chunk

if TYPE_CHECKING:
    from axon_gateway.rooms.room import Room

#: Errors that wait for one viewer; a client that provokes more without reading loses the oldest.
_MAX_NOTICES = 32
#: Frames of answers that wait for one viewer; who makes them waits then.
_MAX_ANSWERS = 64


class Viewer:
    """One socket's place in a room: `cursor` is the last frame of the log that it was given.

    `client` names who is behind the socket, for limits that count by client.
    """

    def __init__(
        self, room: Room, presenter: bool, cursor: int, token: str | None, client: Client | None
    ) -> None:
        self.presenter = presenter
        #: Reads one frame a message: a client of the earlier demo knows no batches.
        self.plain = False
        self.cursor = cursor
        self.client = client
        #: One vote each: the browser's own name for itself, else the socket.
        self.voter = (client.voter if client else "") or secrets.token_hex(12)
        #: Its place in the room's line, and the name under which it stands there.
        self.place: str | None = None
        self.name = ""
        #: Writes what there is to the socket without waiting; False if it cannot take all of it.
        self.push: Callable[[], bool] | None = None
        self._room = room
        #: Shown once, to the one who opened the room.
        self._token = token
        self._notices: deque[Frame] = deque(maxlen=_MAX_NOTICES)
        self._answers: deque[Frame] = deque()
        self._answers_read = asyncio.Event()
        #: The last announcement, room state and view that were sent.
        self._announcement = -1
        self._state: tuple[object, ...] | None = None
        self._view: View | None = None
        #: The same of the hall.
        self._question: Shown | None = None
        self._tally: Shown | None = None
        self._line: tuple[tuple[Place, ...], str | None] = ((), None)
        self._waiting: asyncio.Future[None] | None = None

    def notify(self, refusal: Refusal) -> None:
        """Puts an error into this viewer's stream alone."""
        self.send(frames.error(refusal))

    def send(self, frame: Frame) -> None:
        """Puts a frame that is no part of the log into this viewer's stream alone."""
        self._notices.append(frame)
        self.wake()

    async def answer(self, frame: Frame) -> None:
        """Like `send`, but none is lost: waits while this viewer has many to read."""
        while len(self._answers) >= _MAX_ANSWERS:
            self._answers_read.clear()
            await self._answers_read.wait()
        self._answers.append(frame)
        self.wake()

    def wake(self) -> None:
        """There is something new to read."""
        if self._waiting is None or self._waiting.done():
            return  # the writer is busy with this socket, and will read on
        if self.push is None or not self.push():
            self._waiting.set_result(None)

    async def read(self) -> list[bytes]:
        """The next messages for the socket; waits until there are any."""
        while not (messages := self._messages()):
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return messages

    def read_wire(self) -> tuple[bytes, bool]:
        """What there is as bytes of WebSocket frames, and whether that was all of it."""
        own, chunk = self._own_messages(), self._advance()
        wire = b"".join(map(frames.on_the_wire, chunk.frames)) if self.plain else chunk.wire
        if own:
            wire = b"".join([*map(frames.on_the_wire, own), wire])
        return wire, self.cursor >= self._room.log.last

    def _messages(self) -> list[bytes]:
        own, chunk = self._own_messages(), self._advance()
        return own + (chunk.frames if self.plain else chunk.messages)

    def _advance(self) -> Chunk:
        chunk = self._room.log.read(self.cursor)
        self.cursor = chunk.last
        return chunk

    def _own_messages(self) -> list[bytes]:
        """Messages for this viewer alone: the room's state, where its presenter looks, errors."""
        messages = []
        room = self._room
        if self._announcement != room.announcement:
            self._announcement = room.announcement
            state = (room.viewers, room.presenting, room.open, room.published, room.log.epoch)
            if self._state != state:
                self._state = state
                messages.append(frames.encode(self._room_frame(), self.cursor))
        view = room.view
        if view is not None and view is not self._view and not self.presenter:
            self._view = view
            shown = {"filters": view.filters, "sources": view.sources}
            frame = frames.view(view.pose, view.feature, view.token, **shown)
            messages.append(frames.encode(frame, self.cursor))
        messages += self._hall_messages()
        for waiting in (self._notices, self._answers):
            while waiting:
                messages.append(frames.encode(waiting.popleft(), self.cursor))
        self._answers_read.set()
        return messages

    def _hall_messages(self) -> list[bytes]:
        """The question, its tally and the line, as far as they have changed."""
        messages = []
        hall = self._room.hall
        if hall.question_shown is not self._question and hall.question_shown is not None:
            messages.append(hall.question_shown.encoded(self.cursor))
        if hall.tally_shown is not self._tally and hall.tally_shown is not None:
            messages.append(hall.tally_shown.encoded(self.cursor))
        self._question, self._tally = hall.question_shown, hall.tally_shown
        places = hall.line_shown
        mine = self.place if any(place.id == self.place for place in places) else None
        if (places, mine) != self._line:
            self._line = places, mine
            frame = frames.line(((place.id, place.name) for place in places), mine)
            messages.append(frames.encode(frame, self.cursor))
        return messages

    def _room_frame(self) -> Frame:
        role = "presenter" if self.presenter else "viewer"
        token, self._token = self._token, None
        room = self._room
        return frames.room(
            room.id,
            role,
            room.viewers,
            presenting=room.presenting,
            is_open=room.open,
            published=room.published,
            epoch=room.log.epoch,
            presenter_token=token,
        )
