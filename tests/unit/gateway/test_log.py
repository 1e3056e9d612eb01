"""The room log: in every case, all viewers read the same frames in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axon_gateway.rooms.budget import Budget
from axon_gateway.rooms.epochs import Offset
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
        log.begin_generation()
    assert len(log._starts) == len(log._age) == 1


def test_near_viewers_get_single_frames_and_lagging_ones_batches() -> None:
    log = filled(100)
    assert [json.loads(m)["type"] for m in log.read(95).messages] == ["token"] * 5
    [batch] = log.read(0).messages
    assert json.loads(batch)["type"] == "batch"
    assert json.loads(batch)["seq"] == 100


def test_a_batch_is_limited_in_bytes_and_in_frames() -> None:
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


def test_the_oldest_generation_is_dropped_first_and_completely() -> None:
    log = RoomLog(1000)
    for _ in range(3):
        log.begin_generation()
        for _ in range(10):
            log.append({"type": "token", "seq": 0, "text": "x" * 5})
    assert log.size <= 1000
    assert log.first in (11, 21)
    assert [frame["seq"] for frame in read_all(log, 0)] == list(range(log.first, 31))


def test_a_generation_larger_than_the_log_keeps_its_newest_frames() -> None:
    log = RoomLog(1000)
    log.begin_generation()
    for _ in range(200):
        log.append({"type": "token", "seq": 0})
    assert log.size <= 1000
    assert read_all(log, 0)[-1]["seq"] == 200


def generation(log: RoomLog, tokens: int, size: int = 60) -> None:
    log.begin_generation()
    log.append({"type": "started", "seq": 0})
    log.append({"type": "prompt", "seq": 0})
    for _ in range(tokens):
        log.append({"type": "token", "seq": 0, "text": "x" * size})


def test_a_late_reader_of_a_shortened_generation_gets_its_beginning() -> None:
    log = RoomLog(4000)
    generation(log, 200)
    for after in (0, 1):
        frames = read_all(log, after)
        assert [frame["seq"] for frame in frames[: 2 - after]] == [1, 2][after:]
        assert [frame["seq"] for frame in frames[2 - after :]] == list(range(log.first, 203))
    assert read_all(log, 2)[0]["seq"] == log.first > 100
    assert [json.loads(frame) for frame in log.all()] == read_all(log, 0)
    assert log.size <= 4000


@pytest.mark.parametrize(("size", "kept"), [(100, 3), (700, 2), (1200, 1)])
def test_the_beginning_has_the_prompts_of_the_branches_that_fit(size: int, kept: int) -> None:
    log = RoomLog(4000)
    log.begin_generation()
    log.append({"type": "started", "seq": 0})
    for branch in range(3):
        log.append({"type": "prompt", "seq": 0, "branch": branch, "text": "x" * size})
    for _ in range(200):
        log.append({"type": "token", "seq": 0})
    frames = read_all(log, 0)
    assert [frame["seq"] for frame in frames[: kept + 1]] == list(range(1, kept + 2))
    assert frames[kept + 1]["seq"] == log.first > 100
    assert log.size <= 4000


def test_a_late_reader_starts_at_the_first_whole_generation() -> None:
    log = RoomLog(4000)
    generation(log, 200)
    generation(log, 3)
    # The rest of the first generation is for its viewers, not for those who join later.
    whole = log.last - 4
    assert [frame["seq"] for frame in read_all(log, 0)] == list(range(whole, log.last + 1))
    assert [json.loads(frame)["seq"] for frame in log.all()] == list(range(whole, log.last + 1))
    assert read_all(log, whole - 3)[0]["seq"] in (whole - 2, whole)


def copied(log: RoomLog, max_bytes: int = BIG) -> RoomLog:
    copy = RoomLog(max_bytes)
    for entry in log.entries(0, BIG):
        copy.load_entry(entry)
    return copy


def test_a_copy_reads_like_its_original() -> None:
    log = RoomLog(3000, epoch=7)
    for _ in range(3):
        generation(log, 10)
    copy = copied(log)
    assert read_all(copy, 0) == read_all(log, 0)
    assert copy.entries(0, BIG) == log.entries(0, BIG)
    assert copy.append_entry(log.entries(log.last - 1, BIG)[0]), "the copy has this frame already"
    assert copy.last == log.last
    late = RoomLog(3000)
    for entry in log.entries(20, BIG):
        late.load_entry(entry)
    assert late.first == max(21, log.first)


def test_a_copy_of_a_shortened_log_has_the_generations_beginning() -> None:
    log = RoomLog(4000, epoch=7)
    generation(log, 200)
    assert read_all(copied(log), 0) == read_all(log, 0)
    assert copied(log).entries(0, BIG) == log.entries(0, BIG)


def written(log: RoomLog, epoch: int, count: int) -> None:
    log.epochs.begin(epoch, log.last + 1)
    for _ in range(count):
        log.append({"type": "token", "seq": 0, "epoch": epoch})


def test_a_copy_accepts_only_frames_that_continue_it() -> None:
    log = RoomLog(BIG, epoch=1)
    written(log, 1, 10)
    behind, copy, ahead = copied(log), copied(log), copied(log)
    written(copy, 1, 3)  # `log` takes these frames below
    for entry in copy.entries(10, BIG):
        assert log.append_entry(entry)
    written(ahead, 1, 5)  # `log` never gets the last two
    written(log, 2, 4)
    new = log.entries(13, BIG)
    assert {(entry.epoch, entry.since) for entry in new} == {(2, 14)}
    assert all(copy.append_entry(entry) for entry in new)
    assert read_all(copy, 0) == read_all(log, 0)
    assert not ahead.append_entry(new[2]), "the frame 14 in `ahead` is another one"
    assert not behind.append_entry(new[0]), "`behind` lacks frames 11 to 13"
    # An entry of an earlier epoch adds nothing.
    assert copy.append_entry(ahead.entries(13, BIG)[0])
    assert copy.last == log.last == 17


def test_a_reader_resumes_only_in_a_log_that_it_has_read() -> None:
    log = RoomLog(BIG, epoch=5)
    written(log, 5, 10)
    assert log.resume(Offset(5, 8)) == 7
    assert log.resume(Offset(5, 11)) == 10
    assert log.resume(Offset(5, 12)) == 0, "the reader has read frame 11, which this log never had"
    assert log.resume(Offset(4, 8)) == 0
    assert log.resume(Offset(5, 0)) == 0
    written(log, 6, 10)
    assert log.resume(Offset(5, 11)) == 10
    assert log.resume(Offset(5, 12)) == 0, "the reader's frame 11 was another one"
    assert log.resume(Offset(6, 21)) == 20
    # A position without an epoch is trusted, but not beyond the end of the log.
    assert log.resume(Offset(None, 8)) == 7
    assert log.resume(Offset(None, 10**9)) == 20
    assert log.resume(Offset(None, 0)) == 0
    for epoch in range(7, 40):
        written(log, epoch, 1)
    assert log.resume(Offset(5, 3)) == 0, "the log no longer remembers this epoch"


def test_the_oldest_generation_of_all_logs_is_dropped_first() -> None:
    one = RoomLog(BIG)
    ended(one, 30)
    most = int(4.5 * one.size)
    budget = Budget(most)
    logs = [RoomLog(BIG, budget) for _ in range(3)]
    for log in (logs[0], logs[1], logs[2], logs[0], logs[1]):
        ended(log, 30)
    # Four generations fit, so only the first one of all was dropped.
    assert [len(log._starts) for log in logs] == [1, 2, 1]
    assert budget.bytes == sum(log.size for log in logs) <= most
    # A running generation is not dropped. It loses its middle once all others are dropped.
    generation(logs[2], 400)
    assert [len(log._starts) for log in logs] == [0, 0, 1]
    assert budget.bytes == sum(log.size for log in logs) <= most
    assert [frame["type"] for frame in read_all(logs[2], 0)[:2]] == ["started", "prompt"]
    # The log keeps the number of its newest frame, though its frames were dropped.
    assert logs[0].last == 66
    logs[2].close()
    assert budget.bytes == logs[0].size + logs[1].size


def ended(log: RoomLog, tokens: int) -> None:
    generation(log, tokens)
    log.append({"type": "finished", "seq": 0})
    assert log.ended


def test_a_frame_for_many_readers_is_encoded_for_the_wire_once() -> None:
    log = filled(3)
    assert log.read(2).wire is log.read(2).wire
    log.append({"type": "token", "seq": 0, "n": "x" * 200})
    wire = log.read(3).wire
    assert wire[:2] == b"\x81\x7e"
    assert json.loads(wire[4:])["n"] == "x" * 200
    assert int.from_bytes(wire[2:4], "big") == len(wire) - 4


def test_a_reader_that_is_too_slow_continues_with_the_oldest_frame_kept() -> None:
    log = RoomLog(300)
    for _ in range(50):
        log.append({"type": "token", "seq": 0})
    assert read_all(log, 3)[0]["seq"] == log.first > 4


class Viewers(RuleBasedStateMachine):
    """Viewers join, lag and resume while frames and generations come and old ones are dropped.

    The invariant: frame n has the value 10 n for every reader, at any time, in any batch.
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
        self.log.begin_generation()

    @rule(after=st.integers(0, 200))
    def join(self, after: int) -> None:
        self.cursors.append(min(after, self.log.last))

    def follows(self, cursor: int) -> int:
        """The frame that a viewer gets next: the following one, or if that was dropped, the start
        of the oldest whole generation, or else the oldest frame kept."""
        if cursor + 1 >= self.log.first:
            return cursor + 1
        kept = range(self.log.first, self.written + 1)
        return next((start for start in self.starts if start in kept), self.log.first)

    @precondition(lambda self: self.cursors)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        """One chunk continues where the viewer was; only dropped frames may be missing."""
        number = data.draw(st.integers(0, len(self.cursors) - 1))
        cursor = self.cursors[number]
        chunk = self.log.read(cursor)
        self.check(unpack(chunk.messages), self.follows(cursor), chunk.last)
        assert bool(chunk.messages) == (cursor < self.written)
        self.cursors[number] = chunk.last

    @precondition(lambda self: self.cursors)
    @rule(data=st.data())
    def catch_up(self, data: st.DataObject) -> None:
        """Reading all chunks leads to the newest frame."""
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
