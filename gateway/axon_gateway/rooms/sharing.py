"""What a room needs from the keeper of its log. With Redis that is `redis_sharing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from axon_gateway.errors import Refusal
from axon_gateway.frames import Frame
from axon_gateway.requests import View

if TYPE_CHECKING:
    from axon_gateway.rooms.room import Room
    from axon_gateway.rooms.rooms import Rooms


class Sharing(Protocol):
    """Keeps the logs of rooms, tells other gateways of them, and finds theirs."""

    async def load(self, id_: str, rooms: Rooms) -> Room | None:
        """A copy of another gateway's room, made by `rooms.add`; None if there is no such room."""

    async def publish(self, room: Room) -> None:
        """Lets other gateways find the room. Without Redis it stays here alone."""

    async def claim(self, room: Room) -> None:
        """Returns once this gateway may write into the log. Refusal if another one does."""

    def release(self, room: Room) -> None:
        """The generation for which the log was claimed is over; its late labels may follow."""

    async def append(self, room: Room, frame: Frame, begins: bool) -> None:
        """Brings a frame into the log, soon. ConnectionError if this gateway may not write."""

    async def stop(self, room: Room) -> None:
        """Ends the generation that another gateway runs in the room. Refusal if there is none."""

    def changed(self, room: Room) -> None:
        """Who is in the room, or whether it is open, has changed."""

    def opened(self, room: Room) -> None:
        """The presenter has opened the room to all, or closed it again."""

    def showed(self, room: Room) -> None:
        """The presenter looks elsewhere."""

    def forget(self, room: Room) -> None:
        """The room has expired here."""


class Alone:
    """Keeps rooms in this process alone."""

    async def load(self, id_: str, rooms: Rooms) -> Room | None:
        """No other gateway has rooms."""
        return None

    async def publish(self, room: Room) -> None:
        """All clients are here already."""

    async def claim(self, room: Room) -> None:
        """No other gateway writes."""

    def release(self, room: Room) -> None:
        """No other gateway waits for it."""

    async def append(self, room: Room, frame: Frame, begins: bool) -> None:
        """Numbers the frame and keeps it."""
        room.write(frame, begins)

    async def stop(self, room: Room) -> None:
        """No other gateway generates."""
        raise Refusal("not_running", "no generation is running in this room")

    def changed(self, room: Room) -> None:
        """There is no other gateway to tell."""

    def opened(self, room: Room) -> None:
        """There is no other gateway to tell."""

    def showed(self, room: Room) -> None:
        """There is no other gateway to tell."""

    def forget(self, room: Room) -> None:
        """There is no other gateway to tell."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a gateway knows of a room beside its log, as far as the other gateways tell."""

    open: bool
    #: Sockets in the room at other gateways, and whether a presenter's is among them.
    viewers: int
    presenting: bool
    #: Where the presenter looks; None if that was never told.
    view: View | None
