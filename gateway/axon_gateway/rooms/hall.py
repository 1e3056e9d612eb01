"""What the hall does together: the open question with its votes, and the line of who waits to run.

It is presence, and no part of the log: only a question's outcome is. Every gateway keeps the votes
and the places of its own sockets. `replication` brings them together in Redis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from axon_gateway import frames
from axon_gateway.errors import Refusal
from axon_gateway.frames import Frame, Shown
from axon_gateway.requests import WORD, Question

#: People who wait in a room's line, voters on one question, and different words that are counted.
MOST_WAITING = 32
MOST_VOTERS = 20_000
MOST_WORDS = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """An open question, and the id under which it is voted on."""

    id: str
    question: Question


@dataclass(frozen=True, slots=True)
class Place:
    """Somebody's place in the line; `gateway` holds the request."""

    id: str
    name: str
    gateway: str = ""
    #: The line's order: microseconds since 1970.
    since: int = 0


class Hall:
    """The hall of one room, as this gateway knows it."""

    def __init__(self) -> None:
        self.asked: Asked | None = None
        #: Votes by choice, of all gateways.
        self.counts: Mapping[str, int] = {}
        self.line: tuple[Place, ...] = ()
        #: The choices of voters at this gateway, and those that Redis does not have yet.
        self.votes: dict[str, str] = {}
        self.unsent: dict[str, str] = {}
        #: Whether votes have come that are to be counted here.
        self.stale = False
        #: Counts what was changed here. What Redis was asked before that is out of date.
        self.changes = 0
        self._guests = 0
        #: What viewers are shown; another object whenever it is to be sent again.
        self.question_shown: Shown | None = None
        self.tally_shown: Shown | None = None
        self.line_shown: tuple[Place, ...] = ()
        self._shown: tuple[Asked | None, Mapping[str, int]] = (None, {})

    def open(self, asked: Asked) -> None:
        """A question is asked. Refusal if another one is open."""
        if self.asked is not None and self.asked != asked:
            raise question_open()
        self._ask(asked)
        self.changes += 1

    def check_open(self, question: str) -> Asked:
        """The open question. Refusal if it is not this one."""
        if self.asked is None or self.asked.id != question:
            raise question_closed()
        return self.asked

    def cast(self, voter: str, question: str, choice: str) -> None:
        """Takes a vote at this gateway; it replaces the voter's earlier one."""
        self.check_open(question)
        if voter not in self.votes and len(self.votes) >= MOST_VOTERS:
            raise Refusal("too_many_votes", f"{MOST_VOTERS} people have voted already")
        if self.votes.get(voter) != choice:
            self.votes[voter] = self.unsent[voter] = choice

    def take_unsent(self) -> dict[str, str]:
        """The votes that are on their way now."""
        unsent, self.unsent = self.unsent, {}
        return unsent

    def count(self) -> None:
        """Counts the votes at this gateway, where there is no other."""
        self.unsent.clear()
        self.stale = False
        counts = Counter(self.votes.values())
        words = [choice for choice, _ in counts.most_common() if choice.startswith(WORD)]
        for choice in words[MOST_WORDS:]:
            counts[WORD] += counts.pop(choice)
        self.counts = dict(counts)

    def close(self) -> Mapping[str, int]:
        """The vote has ended; returns the votes by choice, as far as they are known here."""
        counts = self.counts
        self._ask(None)
        self.changes += 1
        return counts

    def name(self, place: Place) -> Place:
        """The next place of a line that no other gateway has. Refusal if the line is full."""
        if len(self.line) >= MOST_WAITING:
            raise line_full()
        if place.name:
            return place
        self._guests += 1
        return replace(place, name=f"guest {self._guests}")

    def join(self, place: Place) -> None:
        """A place has come into the line."""
        if place.id not in {one.id for one in self.line}:
            self.line = (*self.line, place)
        self.changes += 1

    def leave(self, id_: str) -> None:
        """A place has gone."""
        self.line = tuple(place for place in self.line if place.id != id_)
        self.changes += 1

    def update(
        self, asked: Asked | None, counts: Mapping[str, int], line: tuple[Place, ...]
    ) -> None:
        """Takes over what all gateways know."""
        self._ask(asked)
        self.counts, self.line = counts, line

    def _ask(self, asked: Asked | None) -> None:
        if asked != self.asked:
            self.asked, self.counts = asked, {}
            self.votes.clear()
            self.unsent.clear()

    def alone(self, here: Collection[str]) -> None:
        """There is no other gateway any more: counts the votes, and keeps the places, `here`."""
        self.count()
        self.line = tuple(place for place in self.line if place.id in here)
        self.changes += 1

    def show(self) -> bool:
        """Shows viewers what has changed; whether anything has."""
        if self.stale:
            self.count()
        asked, counts = self._shown
        changed = False
        if self.asked != asked:
            question = None if self.asked is None else told(self.asked)
            self.question_shown, changed = Shown(frames.question(question)), True
        if self.asked is None:
            self.tally_shown = None
        elif self.asked != asked or self.counts != counts:
            self.tally_shown, changed = Shown(tally(self.asked, self.counts)), True
        self._shown = self.asked, dict(self.counts)
        if self.line != self.line_shown:
            self.line_shown, changed = self.line, True
        return changed


def told(asked: Asked) -> Frame:
    """A question with its id, as clients get it."""
    return {"id": asked.id, **asked.question.body()}


def tally(asked: Asked, counts: Mapping[str, int]) -> Frame:
    """The frame that tells the votes so far."""
    return frames.tally(asked.id, *_counted(asked, counts))


def outcome(asked: Asked, counts: Mapping[str, int], answer: str | None) -> Frame:
    """The frame of the log that tells how a vote has ended."""
    return frames.outcome(told(asked), *_counted(asked, counts), answer=answer)


def _counted(
    asked: Asked, counts: Mapping[str, int]
) -> tuple[list[int], list[tuple[str, int]], int]:
    """Votes for each option, for each typed word, and of all."""
    options = [counts.get(str(i), 0) for i in range(len(asked.question.options))]
    words = [(c.removeprefix(WORD), n) for c, n in counts.items() if c.startswith(WORD)]
    total = sum(counts.values())
    return (
        options,
        sorted(((w, n) for w, n in words if w), key=lambda one: (-one[1], one[0])),
        total,
    )


def question_open() -> Refusal:
    """What the presenter is told who asks a second question."""
    return Refusal("question_open", "a question is open already; close it first")


def question_closed() -> Refusal:
    """What a client is told who votes on, or closes, what is not open."""
    return Refusal("question_closed", "this question is not open (any more)", "question")


def line_full() -> Refusal:
    """What a client is told for whom the line has no place."""
    message = f"{MOST_WAITING} people wait already in this room's line"
    return Refusal("line_full", message, None, 10.0)
