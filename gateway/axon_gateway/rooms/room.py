"""One room: a log, one generation at a time, any number of viewers who read at their own pace."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from axon_gateway.clients import Client
from axon_gateway.errors import Refusal, not_running, our_failure
from axon_gateway.frames import Emit, Frame
from axon_gateway.generations.generation import Generation
from axon_gateway.requests import CloseQuestion, Edit, Generate, Question, View, Vote
from axon_gateway.rooms.epochs import START, Offset
from axon_gateway.rooms.hall import Asked, Hall, Place, outcome, question_open
from axon_gateway.rooms.line import Line
from axon_gateway.rooms.log import Entry, RoomLog
from axon_gateway.rooms.rounds import Delay, Rounds
from axon_gateway.rooms.sharing import Presence
from axon_gateway.rooms.viewer import Viewer
from axon_gateway.tasks import Tasks, cancel

if TYPE_CHECKING:
    from axon_gateway.rooms.rooms import Rooms

_log = logging.getLogger(__name__)

#: Seconds between two announcements of the number of viewers; in large rooms, viewers / rate.
_ANNOUNCE_EVERY = 0.25
_ANNOUNCE_RATE = 500
#: The same for where the presenter looks: each is a write to every socket.
_VIEW_EVERY = 0.2
_VIEW_RATE = 5000
#: Seconds between two tallies of a vote, and between two changes of the line.
_HALL_EVERY = 0.2
#: Seconds that labels may come in after their generation.
_LATE_LABELS = 60.0
#: Edits that wait for their turn, and after which time to try again if these are too many.
_MOST_EDITS = 64
_RETRY_EDIT = 1.0


def fingerprint(token: str) -> str:
    """The hash of a presenter's token, which is kept in its place."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


class Room:
    """A log, its viewers and at most one running generation.

    `token_hash` is the fingerprint of the token that makes a presenter, `address` the address that
    opened the room. Before its first generation, or until it is shared, a room costs no more than
    the socket of its viewer: it is not counted, and no other gateway knows it.
    """

    def __init__(
        self, id_: str, log: RoomLog, rooms: Rooms, token_hash: str, address: str = ""
    ) -> None:
        self.id = id_
        self.log = log
        self.token_hash = token_hash
        self.address = address
        #: Others can find it.
        self.published = False
        #: It has expired at this gateway.
        self.expired = False
        #: Whether everybody in the room may generate.
        self.open = False
        #: Raised whenever viewers have to be told about the room anew.
        self.announcement = 0
        self._rooms = rooms
        self.sharing = rooms.sharing
        self._viewers: set[Viewer] = set()
        self._rounds = Rounds(self._viewers)
        #: How many of them are presenters.
        self._presenters = 0
        #: Viewers of the room at other gateways, and whether a presenter is among them.
        self._remote_viewers = 0
        self._remote_presenter = False
        #: Where the presenter looks, as viewers see it: the newest only, and not too often.
        self.view: View | None = None
        self._next_view: View | None = None
        self._showing = Delay(self._viewers, _VIEW_EVERY, _VIEW_RATE, self._show)
        self.hall = Hall()
        self.line = Line(self)
        self._showing_hall = Delay((), _HALL_EVERY, 1.0, self._show_hall)
        self._announcing = Delay(self._viewers, _ANNOUNCE_EVERY, _ANNOUNCE_RATE, self._announce)
        self._running: asyncio.Task[None] | None = None
        self._generation: Generation | None = None
        #: One edit at a time, so that the last one to come is the one in force.
        self._editing = asyncio.Lock()
        self._edits = 0
        self._acquiring = False
        self._stopped = False
        #: Generations, some of which only wait for late labels, and requests to other gateways.
        self._tasks = Tasks()

    @property
    def local_viewers(self) -> int:
        """Sockets in the room at this gateway."""
        return len(self._viewers)

    @property
    def viewers(self) -> int:
        """Sockets in the room at all gateways."""
        return len(self._viewers) + self._remote_viewers

    @property
    def local_presenter(self) -> bool:
        """Whether a presenter's socket is at this gateway."""
        return self._presenters > 0

    @property
    def presenting(self) -> bool:
        """Whether a presenter's socket is at any gateway."""
        return self.local_presenter or self._remote_presenter

    @property
    def newest_view(self) -> View | None:
        """Where the presenter looks, even if viewers do not see it yet."""
        return self._next_view

    @property
    def running(self) -> bool:
        """Whether a generation is under way at this gateway."""
        return self._running is not None

    def lags(self) -> list[int]:
        """For each socket here, how many frames it still lacks."""
        return [max(self.log.last - viewer.cursor, 0) for viewer in self._viewers]

    def enter(
        self,
        token: str | None,
        offset: Offset = START,
        client: Client | None = None,
        new_token: str | None = None,
    ) -> Viewer:
        """A viewer that reads on from `offset`; the room's token makes it a presenter.

        `new_token` is the token of a room just opened, to be sent to the one who opened it.
        """
        shown = token if new_token is None else new_token
        proven = shown is not None and secrets.compare_digest(fingerprint(shown), self.token_hash)
        viewer = Viewer(self, proven, self.log.resume(offset), new_token, client)
        self._viewers.add(viewer)
        self._presenters += viewer.presenter
        self._announcing.soon()
        self.sharing.publish_presence(self)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """The viewer's socket is gone."""
        self._viewers.discard(viewer)
        self.line.leave(viewer)
        self._presenters -= viewer.presenter
        self._announcing.soon()
        self.sharing.publish_presence(self)

    def set_open(self, viewer: Viewer, is_open: bool) -> None:
        """Lets everybody generate, or the presenter alone."""
        self._check_opened(viewer, "open it to all")
        self._set_state(is_open, self._remote_viewers, self._remote_presenter)
        self.sharing.publish_presence(self, is_open=is_open)

    def set_view(self, viewer: Viewer, view: View) -> None:
        """Shows viewers where the presenter looks."""
        self._check_opened(viewer, "show a view")
        self._next_view = view
        self._showing.soon()
        self.sharing.publish_presence(self, view=view)

    def update_presence(self, presence: Presence) -> None:
        """Takes over what other gateways have published."""
        self._set_state(presence.open, presence.viewers, presence.presenting)
        if presence.view is not None and presence.view != self._next_view:
            self._next_view = presence.view
            self._showing.soon()

    def hall_changed(self) -> None:
        """The hall's question, votes or line have changed: viewers see it soon."""
        self.line.changed()
        self._showing_hall.soon()

    def _show_hall(self) -> None:
        if self.hall.show():
            self._rounds.now()

    def _set_state(self, is_open: bool, remote_viewers: int, remote_presenter: bool) -> None:
        state = (is_open, remote_viewers, remote_presenter)
        if self.open and not is_open:
            self.line.drop_guests()
        if state != (self.open, self._remote_viewers, self._remote_presenter):
            self.open, self._remote_viewers, self._remote_presenter = state
            self._announcing.soon()

    def _show(self) -> None:
        self.view = self._next_view
        self._rounds.now()

    def share(self, viewer: Viewer) -> None:
        """Lets others find the room, before anything was generated in it."""
        self._check_presenter(viewer)
        self._rooms.admit(self)
        self.work(self._share(), viewer)

    async def _share(self) -> None:
        await self.sharing.publish(self)
        self.mark_published()

    def ask(self, question: Question, viewer: Viewer) -> None:
        """Asks the hall, and lets others find the room."""
        self._check_opened(viewer, "ask the hall")
        if self.hall.asked is not None:
            raise question_open()
        self._rooms.admit(self)
        self.work(self._ask(Asked(secrets.token_hex(6), question)), viewer)

    async def _ask(self, asked: Asked) -> None:
        await self._share()
        await self.sharing.open_question(self, asked)

    def vote(self, vote: Vote, viewer: Viewer) -> None:
        """Takes a viewer's vote; it replaces an earlier one."""
        asked = self.hall.check_open(vote.question)
        self.hall.cast(viewer.voter, vote.question, vote.choice(asked.question))
        self.sharing.cast(self)

    def close_question(self, command: CloseQuestion, viewer: Viewer) -> None:
        """Ends a vote; its outcome comes into the log."""
        self._check_opened(viewer, "end a vote")
        asked = self.hall.check_open(command.question)
        self.work(self._close_question(asked, command.answer), viewer)

    async def _close_question(self, asked: Asked, answer: str | None) -> None:
        counts = await self.sharing.close_question(self, asked)
        await self.sharing.record(self, outcome(asked, counts, answer))

    # The same without other gateways.

    def open_here(self, asked: Asked) -> None:
        """Asks the hall. Refusal if a question is open."""
        self.hall.open(asked)
        self.hall_changed()

    def count_here(self) -> None:
        """Counts the votes soon."""
        self.hall.stale = True
        self._showing_hall.soon()

    def close_here(self, asked: Asked) -> Mapping[str, int]:
        """Ends a vote; returns the votes by choice. Refusal if it has ended."""
        self.hall.check_open(asked.id)
        self.hall.count()
        counts = self.hall.close()
        self.hall_changed()
        return counts

    def join_here(self, place: Place) -> Place:
        """Adds a place to the line. Refusal if that is full."""
        place = self.hall.name(place)
        self.hall.join(place)
        self.hall_changed()
        return place

    def leave_here(self, place: str) -> None:
        """Takes a place out of the line."""
        self.hall.leave(place)
        self.hall_changed()

    def generate(self, request: Generate, viewer: Viewer) -> None:
        """Starts a generation for `viewer`, who alone is told if it is refused. If one runs in an
        open room, the request is put into its line."""
        self._check_presenter(viewer)
        if self.open and (self.running or not self.log.ended or self.hall.line):
            self.line.join(request, viewer)
        else:
            self.begin(request, viewer)

    def begin(self, request: Generate, viewer: Viewer) -> None:
        """Starts a generation now. Refusal if that cannot be."""
        self._check_presenter(viewer)
        if self._running is not None:
            raise Refusal("busy", "a generation is running in this room; stop it first")
        generation = self._rooms.start(request, self._emitter(), viewer.client)
        try:
            self._rooms.admit(self)
        except Refusal:
            generation.close()
            raise
        self._stopped = False
        self._generation = generation
        self._running = self._tasks.start(self._run(generation, request, viewer))

    def stop(self, viewer: Viewer) -> None:
        """Ends the running generation at a viewer's request."""
        self._check_presenter(viewer)
        if self._running is None:
            self.work(self.sharing.stop(self), viewer)
        else:
            self.cancel_generation()

    def edit(self, command: Edit, viewer: Viewer) -> None:
        """Gives a branch of the running generation other edits. All see the `edited` frame; if it
        is refused, `viewer` alone is told."""
        self._check_presenter(viewer)
        if viewer.client is not None:
            viewer.client.check_may_generate()
        self.work(self._edit(command), viewer)

    async def _edit(self, command: Edit) -> None:
        if self._generation is not None:
            await self.edit_here(command)
        else:
            async with self._next_edit():
                await self.sharing.edit(self, command)

    async def edit_here(self, command: Edit) -> None:
        """Edits the generation at this gateway; returns once that is in force. Raises Refusal."""
        async with self._next_edit():
            if self._generation is None:
                raise not_running()
            await self._generation.edit(command)

    @contextlib.asynccontextmanager
    async def _next_edit(self) -> AsyncIterator[None]:
        """A block for one edit, in the order in which they came. Refusal if too many wait."""
        if self._edits >= _MOST_EDITS:
            message = f"{_MOST_EDITS} edits wait in this room already"
            raise Refusal("too_fast", message, None, _RETRY_EDIT)
        self._edits += 1
        try:
            async with self._editing:
                yield
        finally:
            self._edits -= 1

    def cancel_generation(self) -> None:
        """Ends the running generation, if there is one here."""
        if self._running is not None and not self._stopped:
            self._stopped = True
            # Not at once: a task cancelled before its first step never runs, and tells nobody.
            asyncio.get_running_loop().call_soon(self._interrupt, self._running)

    def _interrupt(self, run: asyncio.Task[None]) -> None:
        # To acquire the lease is not interrupted: `_run_to_end` sees that the run was stopped.
        if not self._acquiring:
            run.cancel()

    def append(self, frame: Frame, begins: bool) -> None:
        """Adds a frame to the log of a room that no other gateway has."""
        if begins:
            self.log.begin_generation()
        self.log.append(frame)
        self._rounds.soon()
        self.line.next()

    def append_entries(self, entries: Iterable[Entry]) -> bool:
        """Adds the log's next frames to this copy.

        False if they are not the next ones: this copy is not the log's beginning.
        """
        epoch, fits = self.log.epoch, all(map(self.log.append_entry, entries))
        if self.log.epoch != epoch:
            self._announcing.soon()
        self._rounds.soon()
        self.line.next()
        return fits

    def begin_epoch(self, epoch: int, since: int) -> None:
        """Another epoch begins at frame `since`, which is the next one."""
        if epoch != self.log.epoch:
            self.log.epochs.begin(epoch, since)
            self._announcing.soon()

    def replace_log(self, log: RoomLog) -> None:
        """Makes all viewers here read another log, from its start."""
        self.log.close()
        self.log = log
        for viewer in self._viewers:
            viewer.cursor = 0
        self._announcing.now()
        self._rounds.soon()

    def mark_published(self) -> None:
        """Others can find the room from now on."""
        if not self.published:
            self.published = True
            # At once, since the page then shows the room's address, which may be passed on.
            self._announcing.now()

    def notify(self, refusal: Refusal) -> None:
        """Puts an error into the stream of each viewer here; it is no part of the log."""
        for viewer in self._viewers:
            viewer.notify(refusal)

    async def close(self) -> None:
        """Ends everything; viewers at other gateways see that the generation was stopped."""
        self._announcing.cancel()
        self._showing.cancel()
        self._showing_hall.cancel()
        self.line.close()
        self.cancel_generation()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=1)
        await cancel(self._tasks)

    def _check_opened(self, viewer: Viewer, what: str) -> None:
        if not viewer.presenter:
            raise Refusal("not_presenter", f"only the one who opened this room can {what}")

    def _check_presenter(self, viewer: Viewer) -> None:
        if not (viewer.presenter or self.open):
            raise Refusal("not_presenter", "only the one who opened this room can generate in it")

    def _emitter(self) -> Emit:
        """A function that takes a generation's frames; the first one begins it."""
        begins = True

        async def emit(frame: Frame) -> None:
            nonlocal begins
            first, begins = begins, False
            self.mark_published()
            await self.sharing.append(self, frame, first)

        return emit

    async def _run(self, generation: Generation, request: Generate, viewer: Viewer) -> None:
        try:
            try:
                await self._acquire_lease()
                if viewer.place is not None:
                    self.line.drop(viewer.place, viewer)
                await self._run_to_end(generation)
            except Refusal as refusal:
                self._refused(refusal, request, viewer)
            except Exception:
                _log.exception("room %s: the generation failed", self.id)
                viewer.notify(our_failure())
            finally:
                self._running = self._generation = None
                self.sharing.release_lease(self)
                self.line.next()
            await generation.settle(_LATE_LABELS)
        finally:
            generation.close()

    def _refused(self, refusal: Refusal, request: Generate, viewer: Viewer) -> None:
        """A generation did not begin. If another one runs in an open room, it waits in line."""
        if refusal.code == "busy" and self.open and viewer in self._viewers:
            self.line.join(request, viewer)
            return
        viewer.notify(refusal)
        self.line.leave(viewer)

    async def _acquire_lease(self) -> None:
        self._acquiring = True
        try:
            await self.sharing.acquire_lease(self)
        finally:
            self._acquiring = False

    async def _run_to_end(self, generation: Generation) -> None:
        """Runs to the end, or until it is stopped, or another gateway writes the log."""
        with contextlib.suppress(ConnectionError):
            try:
                if self._stopped:  # while the lease was being acquired
                    await generation.stop()
                else:
                    await generation.run()
            except asyncio.CancelledError:
                if not self._stopped:
                    raise
                await generation.stop()

    def work(self, work: Coroutine[Any, Any, None], viewer: Viewer) -> None:
        """Begins to work for a viewer, who alone is told if it is refused."""
        self._tasks.start(self._report_refusal(work, viewer))

    async def _report_refusal(self, work: Coroutine[Any, Any, None], viewer: Viewer) -> None:
        try:
            await work
        except Refusal as refusal:
            viewer.notify(refusal)
        except Exception:
            _log.exception("room %s: a request failed", self.id)
            viewer.notify(our_failure())

    def _announce(self) -> None:
        self.announcement += 1
        self._rounds.now()
