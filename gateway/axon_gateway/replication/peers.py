"""Which gateways live, judged by whether their counts change and not by clocks."""

from __future__ import annotations

from collections.abc import Mapping

#: A gateway is dead once so many looks in a row have found its count unchanged. Only looks that
#: Redis answered count. So no gateway seems dead because Redis, or this gateway, has paused.
_LOOKS = 4


class Peers:
    """The other gateways. Each raises a count of its own in Redis as long as it lives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._looks = 0
        self._counts: Mapping[str, int] = {}
        #: The other gateways that live, and the dead ones whose counts Redis still has.
        self.alive: set[str] = set()
        self.dead: set[str] = set()
        #: For each gateway ever asked about or seen: its count, and the look that found it first.
        self._seen: dict[str, tuple[int | None, int]] = {}

    def update(self, counts: Mapping[str, int]) -> None:
        """Redis has answered with the count of each gateway."""
        self._looks += 1
        self._counts = counts
        for name in {*counts, *self._seen}:
            self._note(name)
        others = counts.keys() - {self._name}
        self.dead = {name for name in others if self.is_dead(name)}
        self.alive = others - self.dead

    def is_dead(self, name: str) -> bool:
        """Whether the gateway's count has not changed for `_LOOKS` looks."""
        self._note(name)
        return name != self._name and self._looks - self._seen[name][1] >= _LOOKS

    def _note(self, name: str) -> None:
        count = self._counts.get(name)
        if name not in self._seen or self._seen[name][0] != count:
            self._seen[name] = (count, self._looks)
