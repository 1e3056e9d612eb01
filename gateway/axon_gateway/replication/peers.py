"""Which gateways live, judged by whether their counts change and not by clocks."""

from __future__ import annotations

from collections.abc import Mapping

#: A gateway is dead once so many looks in a row have found its count unchanged. Only looks that
#: Redis answered count. So no gateway seems dead because Redis, or this gateway, has paused.
_LOOKS = 4
#: Looks after which a gateway is forgotten that Redis does not list and nobody asks about.
_FORGOTTEN = 100


class Peers:
    """The other gateways. Each raises a count of its own in Redis as long as it lives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._looks = 0
        self._counts: Mapping[str, int] = {}
        #: The other gateways that live, and the dead ones whose counts Redis still has.
        self.alive: set[str] = set()
        self.dead: set[str] = set()
        #: For each gateway asked about or listed: its count, and the look that found it first.
        self._since: dict[str, tuple[int | None, int]] = {}
        #: The look in which it was asked about or listed last.
        self._mentioned: dict[str, int] = {}

    def update(self, counts: Mapping[str, int]) -> None:
        """Redis has answered with the count of each gateway."""
        self._looks += 1
        self._counts = counts
        for name in {*counts, *self._since}:
            self._note(name)
        others = counts.keys() - {self._name}
        self.dead = {name for name in others if self.is_dead(name)}
        self.alive = others - self.dead
        for name in [n for n, look in self._mentioned.items() if self._looks - look > _FORGOTTEN]:
            del self._mentioned[name], self._since[name]

    def is_dead(self, name: str) -> bool:
        """Whether the gateway's count has not changed for `_LOOKS` looks."""
        self._mentioned[name] = self._looks
        self._note(name)
        return name != self._name and self._looks - self._since[name][1] >= _LOOKS

    def _note(self, name: str) -> None:
        count = self._counts.get(name)
        if name not in self._since or self._since[name][0] != count:
            self._since[name] = (count, self._looks)
