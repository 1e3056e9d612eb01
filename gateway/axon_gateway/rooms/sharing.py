"""What a room tells and asks its copies in other gateways; with Redis, `redis_sharing` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from axon_gateway.errors import Refusal
from axon_gateway.requests import View

if TYPE_CHECKING:
    from axon_gateway.rooms.room import Room


class Sharing(Protocol):
    """The room's other copies, in the gateways that serve viewers of it."""

    def changed(self, room: Room) -> None:
        """The log has grown, or what others should know of the room is different."""

    def opened(self, room: Room) -> None:
        """The presenter has opened it to all, or closed it again."""

    def showed(self, room: Room) -> None:
        """The presenter looks elsewhere."""

    async def claim(self, room: Room) -> None:
        """Returns when this gateway may write into the log. Refusal if another one does."""

    async def stop(self, room: Room) -> None:
        """Ends the generation that another gateway runs in the room. Refusal if there is none."""


class Alone:
    """No other gateway."""

    def changed(self, room: Room) -> None:
        """Nobody wants to know."""

    def opened(self, room: Room) -> None:
        """Nobody wants to know."""

    def showed(self, room: Room) -> None:
        """Nobody wants to know."""

    async def claim(self, room: Room) -> None:
        """Nobody else writes."""

    async def stop(self, room: Room) -> None:
        """Nobody else runs one."""
        raise Refusal("not_running", "no generation is running in this room")


@dataclass(frozen=True, slots=True)
class Known:
    """What a gateway knows of a room beside its log, as far as the other gateways tell."""

    open: bool
    #: Sockets in the room at other gateways, and whether a presenter's is among them.
    viewers: int
    presenting: bool
    #: Where the presenter looks; None if that was never told.
    view: View | None
