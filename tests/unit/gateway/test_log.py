"""The room log: whatever happens around it, every viewer reads the same frames in order."""

from __future__ import annotations

import json
from typing import Any

from axon_gateway.rooms.log import RoomLog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

BIG = 10**9


def unpack(messages: list[bytes]) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    for message in messages:
        frame = json.loads(message)
        frames += frame["frames"] if frame["type"] == "batch" else [frame]
    return frames


def filled(count: int, max_bytes: int = BIG) -> RoomLog:
    log = RoomLog(max_bytes)
    for number in range(1, count + 1):
        log.append({"type": "token", "seq": 0, "n": number})
    return log


def read_all(log: RoomLog, after: int) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    while (chunk := log.read(after)).messages:
        frames += unpack(chunk.messages)
        after = chunk.last
    return frames


def test_an_empty_log_has_nothing_to_read() -> None:
    chunk = RoomLog(BIG).read(0)
    assert (chunk.messages, chunk.last) == ([], 0)


def test_generations_refused_before_their_first_frame_leave_nothing() -> None:
    log = filled(3)
    for _ in range(1000):
        log.begin()
    assert len(log._starts) == 1


def test_near_viewers_get_single_frames_and_lagging_ones_batches() -> None:
    log = filled(100)
    assert [json.loads(m)["type"] for m in log.read(95).messages] == ["token"] * 5
    [batch] = log.read(0).messages
    assert json.loads(batch)["type"] == "batch"
    assert json.loads(batch)["seq"] == 100


def test_a_batch_is_bounded_in_bytes_and_in_frames() -> None:
    log = RoomLog(BIG)
    for _ in range(100):
        log.append({"type": "token", "seq": 0, "text": "x" * 10_000})
    assert len(log.read(0).messages[0]) < 64 * 1024 + 11_000
    many = filled(5000)
    assert len(unpack(many.read(0).messages)) == 512
    assert [frame["seq"] for frame in read_all(many, 0)] == list(range(1, 5001))


def test_each_frame_is_encoded_once() -> None:
    log = filled(10)
    first, second = log.read(0).messages, log.read(0).messages
    assert all(a is b for a, b in zip(first, second, strict=True))


def test_the_oldest_generation_leaves_first_and_whole() -> None:
    log = RoomLog(1000)
    for _ in range(3):
        log.begin()
        for _ in range(10):
            log.append({"type": "token", "seq": 0, "text": "x" * 5})
    assert log.size <= 1000
    assert log.first in (11, 21)
    assert [frame["seq"] for frame in read_all(log, 0)] == list(range(log.first, 31))


def test_a_generation_larger_than_the_log_keeps_its_newest_frames() -> None:
    log = RoomLog(1000)
    log.begin()
    for _ in range(200):
        log.append({"type": "token", "seq": 0})
    assert log.size <= 1000
    assert read_all(log, 0)[-1]["seq"] == 200


def generation(log: RoomLog, tokens: int, size: int = 60) -> None:
    log.begin()
    log.append({"type": "started", "seq": 0})
    log.append({"type": "prompt", "seq": 0})
    for _ in range(tokens):
        log.append({"type": "token", "seq": 0, "text": "x" * size})


def test_a_late_reader_of_an_outgrown_generation_learns_how_it_began() -> None:
    log = RoomLog(4000)
    generation(log, 200)
    for after in (0, 1):
        frames = read_all(log, after)
        assert [frame["seq"] for frame in frames[: 2 - after]] == [1, 2][after:]
        assert [frame["seq"] for frame in frames[2 - after :]] == list(range(log.first, 203))
    assert read_all(log, 2)[0]["seq"] == log.first > 100
    assert [json.loads(frame) for frame in log.all()] == read_all(log, 0)
    assert log.size <= 4000


def test_a_late_reader_starts_at_the_first_whole_generation() -> None:
    log = RoomLog(4000)
    generation(log, 200)
    generation(log, 3)
    # What is left of the first one is there for those who watch it, not for those who come.
    whole = log.last - 4
    assert [frame["seq"] for frame in read_all(log, 0)] == list(range(whole, log.last + 1))
    assert [json.loads(frame)["seq"] for frame in log.all()] == list(range(whole, log.last + 1))
    assert read_all(log, whole - 3)[0]["seq"] in (whole - 2, whole)


def test_a_copy_reads_as_its_original() -> None:
    log, copy = RoomLog(3000), RoomLog(3000)
    for _ in range(3):
        generation(log, 10)
    for entry in log.entries(0, BIG):
        assert copy.copy(entry)
    assert read_all(copy, 0) == read_all(log, 0)
    assert not copy.copy(log.entries(log.last - 1, BIG)[0]), "it has this one already"
    late = RoomLog(3000)
    assert all(late.copy(entry) for entry in log.entries(20, BIG))
    assert late.first == max(21, log.first)


def test_what_all_read_is_put_on_the_wire_once() -> None:
    log = filled(3)
    assert log.read(2).wire is log.read(2).wire
    log.append({"type": "token", "seq": 0, "n": "x" * 200})
    wire = log.read(3).wire
    assert wire[:2] == b"\x81\x7e"
    assert json.loads(wire[4:])["n"] == "x" * 200
    assert int.from_bytes(wire[2:4], "big") == len(wire) - 4


def test_a_reader_left_behind_goes_on_with_the_oldest_frame_kept() -> None:
    log = RoomLog(300)
    for _ in range(50):
        log.append({"type": "token", "seq": 0})
    assert read_all(log, 3)[0]["seq"] == log.first > 4


class Viewers(RuleBasedStateMachine):
    """Viewers join, lag and resume while frames and generations come and old ones leave.

    The model: frame n carries the value 10 n, whoever reads it, whenever, in whatever batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log = RoomLog(2_000)
        self.written = 0
        self.cursors: list[int] = []
        self.starts: list[int] = []

    @rule(size=st.integers(0, 120))
    def append(self, size: int) -> None:
        self.written += 1
        frame = {"type": "token", "seq": 0, "value": 10 * self.written, "text": "x" * size}
        assert self.log.append(frame) == self.written

    @rule(count=st.integers(10, 60))
    def append_many(self, count: int) -> None:
        for _ in range(count):
            self.append(0)

    @rule()
    def begin(self) -> None:
        self.starts.append(self.written + 1)
        self.log.begin()

    @rule(after=st.integers(0, 200))
    def join(self, after: int) -> None:
        self.cursors.append(min(after, self.log.last))

    def follows(self, cursor: int) -> int:
        """The frame that a viewer gets next: its next one, or where those go on who lost it."""
        if cursor + 1 >= self.log.first:
            return cursor + 1
        kept = range(self.log.first, self.written + 1)
        return next((start for start in self.starts if start in kept), self.log.first)

    @precondition(lambda self: self.cursors)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        """One chunk: it goes on where the viewer was, without a gap but for what has left."""
        number = data.draw(st.integers(0, len(self.cursors) - 1))
        cursor = self.cursors[number]
        chunk = self.log.read(cursor)
        self.check(unpack(chunk.messages), self.follows(cursor), chunk.last)
        assert bool(chunk.messages) == (cursor < self.written)
        self.cursors[number] = chunk.last

    @precondition(lambda self: self.cursors)
    @rule(data=st.data())
    def catch_up(self, data: st.DataObject) -> None:
        """Chunk after chunk leads to the newest frame."""
        number = data.draw(st.integers(0, len(self.cursors) - 1))
        start = self.follows(self.cursors[number])
        self.check(read_all(self.log, self.cursors[number]), start, self.written)
        self.cursors[number] = self.written

    def check(self, frames: list[dict[str, Any]], first: int, last: int) -> None:
        assert [frame["seq"] for frame in frames] == list(range(first, last + 1))
        assert all(frame["value"] == 10 * frame["seq"] for frame in frames)

    @invariant()
    def bounded(self) -> None:
        assert self.log.last == self.written
        assert self.log.size <= 2_000 or self.log.first == self.log.last


TestViewers = Viewers.TestCase
TestViewers.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
