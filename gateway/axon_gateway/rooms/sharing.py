"""What a room needs to be the same at several gateways: `replication` provides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from axon_gateway.frames import Frame
from axon_gateway.requests import Edit, View
from axon_gateway.rooms.hall import Asked, Place

if TYPE_CHECKING:
    from axon_gateway.rooms.room import Room
    from axon_gateway.rooms.rooms import Rooms


class Sharing(Protocol):
    """Keeps the logs of rooms, publishes them to other gateways, and follows theirs."""

    async def follow(self, id_: str, rooms: Rooms) -> Room | None:
        """A copy of another gateway's room, made by `rooms.add`; None if there is no such room."""

    async def publish(self, room: Room) -> None:
        """Lets other gateways find the room. Without Redis it stays here alone."""

    async def acquire_lease(self, room: Room) -> None:
        """Returns once this gateway may write into the log. Refusal if another one does."""

    def release_lease(self, room: Room) -> None:
        """The generation for which the lease was acquired is over; its late labels may follow."""

    async def append(self, room: Room, frame: Frame, begins: bool) -> None:
        """Brings a frame into the log, soon. ConnectionError if this gateway may not write."""

    async def stop(self, room: Room) -> None:
        """Ends the generation that another gateway runs in the room. Refusal if there is none."""

    async def edit(self, room: Room, command: Edit) -> None:
        """Edits the generation that another gateway runs in the room. Raises Refusal."""

    async def record(self, room: Room, frame: Frame) -> None:
        """Brings a frame into the log that is no generation's. Raises Refusal."""

    async def open_question(self, room: Room, asked: Asked) -> None:
        """Asks the hall at all gateways. Refusal if a question is open."""

    def cast(self, room: Room) -> None:
        """Brings new votes of `room.hall` to the others, and to viewers, soon."""

    async def close_question(self, room: Room, asked: Asked) -> Mapping[str, int]:
        """Ends a vote at all gateways; returns the votes by choice. Refusal if it has ended."""

    async def join_line(self, room: Room, place: Place) -> Place:
        """Adds a place to the line, and names it if it has no name. Refusal if there is no room."""

    async def leave_line(self, room: Room, place: str) -> None:
        """Takes a place out of the line, if it is there."""

    def publish_presence(
        self, room: Room, is_open: bool | None = None, view: View | None = None
    ) -> None:
        """Tells other gateways who is in the room, or that it has expired here.

        Also who may generate, and where the presenter looks, if these are given.
        """


@dataclass(frozen=True, slots=True)
class Presence:
    """What other gateways have published of a room beside its log."""

    open: bool
    #: Sockets in the room at other gateways, and whether a presenter's is among them.
    viewers: int
    presenting: bool
    #: Where the presenter looks; None if that was never published.
    view: View | None
