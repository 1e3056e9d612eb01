"""The line of those who asked to generate while somebody else's generation ran."""

from __future__ import annotations

import secrets
from collections.abc import Set
from typing import TYPE_CHECKING

from axon_gateway.errors import Refusal
from axon_gateway.requests import Generate
from axon_gateway.rooms.hall import Place
from axon_gateway.rooms.rounds import Delay
from axon_gateway.rooms.viewer import Viewer

if TYPE_CHECKING:
    from axon_gateway.rooms.room import Room

#: Seconds between the end of a generation and the next one of the line, so that all see the end.
_REST = 2.0


class Line:
    """The requests of those in a room's line who are at this gateway.

    The gateway of the first one in line begins it, once nothing runs. Who leaves the room leaves
    the line.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._requests: dict[str, tuple[Generate, Viewer]] = {}
        #: The places of the whole line as it was last.
        self._known: set[str] = set()
        self._turn = Delay((), _REST, 1.0, self._begin_next)

    @property
    def here(self) -> Set[str]:
        """The places whose requests are at this gateway."""
        return self._requests.keys()

    def join(self, request: Generate, viewer: Viewer) -> None:
        """Puts a request into the line; one of the same viewer that waits already is replaced."""
        if viewer.client is not None:
            viewer.client.check_may_generate()
        if viewer.place is not None:
            self._requests[viewer.place] = request, viewer
            return
        viewer.place = secrets.token_hex(6)
        self._requests[viewer.place] = request, viewer
        place = Place(viewer.place, request.name or viewer.name)
        self._room.work(self._join(place, viewer), viewer)

    async def _join(self, place: Place, viewer: Viewer) -> None:
        try:
            viewer.name = (await self._room.sharing.join_line(self._room, place)).name
        except BaseException:
            self._forget(place.id)
            raise
        if place.id not in self._requests:  # the viewer has left meanwhile
            await self._room.sharing.leave_line(self._room, place.id)

    def leave(self, viewer: Viewer, place: str | None = None) -> None:
        """The viewer leaves the line; or, if it is the presenter, takes another one out of it."""
        place = place or viewer.place
        if place is None:
            return
        if place != viewer.place and not viewer.presenter:
            message = "only the one who opened this room can take others out of the line"
            raise Refusal("not_presenter", message, "place")
        self.drop(place, viewer)

    def drop(self, place: str, viewer: Viewer) -> None:
        """Takes a place out of the line; `viewer` is told if that fails."""
        self._forget(place)
        self._room.work(self._room.sharing.leave_line(self._room, place), viewer)

    def drop_guests(self) -> None:
        """Nobody but the presenter may generate any more."""
        for place, (_, viewer) in tuple(self._requests.items()):
            if not viewer.presenter:
                self.drop(place, viewer)

    def changed(self) -> None:
        """The line has changed, maybe at another gateway."""
        line = {place.id for place in self._room.hall.line}
        for id_ in [id_ for id_ in self._requests if id_ in self._known and id_ not in line]:
            self._forget(id_)
        self._known = line
        self.next()

    def next(self) -> None:
        """Begins the first request of the line after a rest, if it is here and nothing runs."""
        if self._may_begin() is not None:
            self._turn.soon()

    def close(self) -> None:
        """Begins nothing more."""
        self._turn.cancel()

    def _may_begin(self) -> str | None:
        """The first place, if its request is here and may begin."""
        room = self._room
        if room.running or not room.log.ended or not room.hall.line:
            return None
        first = room.hall.line[0].id
        return first if first in self._requests else None

    def _begin_next(self) -> None:
        if (place := self._may_begin()) is None:
            return
        request, viewer = self._requests[place]
        try:
            self._room.begin(request, viewer)
        except Refusal as refusal:
            viewer.notify(refusal)
            self.drop(place, viewer)

    def _forget(self, place: str) -> None:
        found = self._requests.pop(place, None)
        if found is not None:
            found[1].place = None
