"""One room: a log, one generation at a time, any number of viewers who read at their own pace.

A viewer is a cursor in the room's log and owns no queue of frames.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable

from axon.v1 import inference_pb2 as pb

from axon_gateway import frames
from axon_gateway.errors import Refusal, our_failure
from axon_gateway.frames import Frame
from axon_gateway.generation import Emit, Generation
from axon_gateway.log import RoomLog

_log = logging.getLogger(__name__)

#: Errors that wait for one viewer; a client that provokes more without reading loses the oldest.
_MAX_NOTICES = 32
#: Seconds between two announcements of the number of viewers, and viewers per second more.
_ANNOUNCE_EVERY = 0.25
_ANNOUNCE_RATE = 500
#: Seconds that labels may come in after their generation.
_LATE_LABELS = 10.0

#: Makes a generation that emits into a room.
StartGeneration = Callable[[pb.GenerateRequest, Emit], Generation]


class Viewer:
    """One socket's place in a room: `cursor` is the last frame of the log it was given."""

    def __init__(self, room: Room, presenter: bool, cursor: int, token: str | None) -> None:
        self.presenter = presenter
        self.cursor = cursor
        self._room = room
        #: Shown once, to the one who opened the room.
        self._token = token
        self._notices: deque[Frame] = deque(maxlen=_MAX_NOTICES)
        self._seen = -1
        self._told: tuple[int, bool] | None = None
        self._waiting: asyncio.Future[None] | None = None

    def notify(self, refusal: Refusal) -> None:
        """Puts an error into this viewer's stream alone."""
        self._notices.append(frames.error(refusal))
        self.wake()

    def wake(self) -> None:
        """There is something new to read."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def read(self) -> list[bytes]:
        """The next messages for the socket; waits until there are any."""
        while not (messages := self._take()):
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return messages

    def _take(self) -> list[bytes]:
        messages = []
        if self._seen != self._room.announcement:
            self._seen = self._room.announcement
            if self._told != (told := (self._room.viewers, self._room.open)):
                self._told = told
                messages.append(frames.encode(self._room_frame(), self.cursor))
        while self._notices:
            messages.append(frames.encode(self._notices.popleft(), self.cursor))
        chunk = self._room.log.read(self.cursor)
        self.cursor = chunk.last
        return messages + chunk.messages

    def _room_frame(self) -> Frame:
        role = "presenter" if self.presenter else "viewer"
        viewers = self._room.viewers
        token, self._token = self._token, None
        return frames.room(self._room.id, role, viewers, self._room.open, token)


class Room:
    """A log, its viewers and at most one running generation."""

    def __init__(self, id_: str, log: RoomLog, start: StartGeneration) -> None:
        self.id = id_
        self.log = log
        #: Whether everybody in the room may generate.
        self.open = False
        #: Counts up when viewers have to be told about the room anew.
        self.announcement = 0
        self._start = start
        self._token = secrets.token_urlsafe(16)
        self._viewers: set[Viewer] = set()
        self._announcing: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._stopped = False
        #: Generations whose last labels are still coming in.
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def viewers(self) -> int:
        """Sockets in the room."""
        return len(self._viewers)

    @property
    def running(self) -> bool:
        """Whether a generation is under way."""
        return self._running is not None

    def enter(self, token: str | None, after: int, opener: bool = False) -> Viewer:
        """A viewer that reads on after frame `after`; the room's token makes it a presenter."""
        proven = token is not None and secrets.compare_digest(token.encode(), self._token.encode())
        # A number from the future (of a room by the same name, say) would hide what comes next.
        cursor = min(max(after, 0), self.log.last)
        viewer = Viewer(self, opener or proven, cursor, self._token if opener else None)
        self._viewers.add(viewer)
        self._announce()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """The viewer's socket is gone."""
        self._viewers.discard(viewer)
        self._announce()

    def generate(self, request: pb.GenerateRequest, viewer: Viewer) -> None:
        """Starts a generation for `viewer`, who alone is told if it is refused."""
        self._check_presenter(viewer)
        if self._running is not None:
            raise Refusal("busy", "a generation is running in this room; stop it first")
        self._stopped = False
        self.log.begin()
        task = asyncio.create_task(self._run(self._start(request, self._append), viewer))
        self._running = task
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def stop(self, viewer: Viewer) -> None:
        """Ends the running generation at a viewer's request."""
        self._check_presenter(viewer)
        if self._running is None:
            raise Refusal("not_running", "no generation is running in this room")
        self.abandon()

    def abandon(self) -> None:
        """Ends the running generation, if there is one."""
        if self._running is not None and not self._stopped:
            self._stopped = True
            # Not at once: a task cancelled before its first step never runs, and could tell nobody.
            asyncio.get_running_loop().call_soon(self._running.cancel)

    async def close(self) -> None:
        """Ends everything."""
        if self._announcing is not None:
            self._announcing.cancel()
        for task in list(self._ending):
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _check_presenter(self, viewer: Viewer) -> None:
        if not (viewer.presenter or self.open):
            raise Refusal("not_presenter", "only the one who opened this room generates in it")

    async def _append(self, frame: Frame) -> None:
        self.log.append(frame)
        for viewer in self._viewers:
            viewer.wake()

    async def _run(self, generation: Generation, viewer: Viewer) -> None:
        try:
            await self._run_to_end(generation, viewer)
        finally:
            self._running = None
        try:
            await generation.settle(_LATE_LABELS)
        finally:
            generation.close()

    async def _run_to_end(self, generation: Generation, viewer: Viewer) -> None:
        try:
            await generation.run()
        except Refusal as refusal:
            viewer.notify(refusal)
        except asyncio.CancelledError:
            if not self._stopped:
                generation.close()
                raise
            await generation.stop()
        except Exception:
            _log.exception("room %s: the generation failed", self.id)
            viewer.notify(our_failure())

    def _announce(self) -> None:
        """Has everybody told about the room soon, however many come and go meanwhile.

        A crowd that enters would otherwise cost the square of its size in frames.
        """
        if self._announcing is None:
            delay = max(_ANNOUNCE_EVERY, len(self._viewers) / _ANNOUNCE_RATE)
            loop = asyncio.get_running_loop()
            self._announcing = loop.call_later(delay, self._announce_now)

    def _announce_now(self) -> None:
        self._announcing = None
        self.announcement += 1
        for viewer in self._viewers:
            viewer.wake()
