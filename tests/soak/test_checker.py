"""The soak's checker finds each kind of fault, and finds none where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from .checker import Frame, Ledger, Reader


def log(tokens: int = 4, first: int = 1, end: str = "finished", **more: Any) -> list[Frame]:
    """The frames of one generation."""
    kinds = ["queued", "started", "prompt", *["token"] * tokens, end]
    frames: list[Frame] = [
        {"type": kind, "seq": first + number, "time": 1.0, **more}
        for number, kind in enumerate(kinds)
    ]
    for step, frame in enumerate(f for f in frames if f["type"] == "token"):
        frame |= {"step": step, "token": f" t{step}"}
    if end == "error":
        frames[-1]["error"] = "gateway_lost"
    return frames


def reader(frames: list[Frame], ledger: Ledger | None = None, name: str = "v") -> Reader:
    """A reader that was given all these frames."""
    one = Reader(name, "room", ledger or Ledger())
    for frame in frames:
        one.take(frame)
    return one


def faults(one: Reader) -> dict[str, int]:
    one.end()
    return {kind: count for kind, count in one.faults.items() if count}


def test_correct_logs_have_no_faults() -> None:
    ledger = Ledger()
    frames = [{"type": "room", "seq": 0, "epoch": "a"}, *log(), *log(first=9, end="error")]
    frames.insert(5, {"type": "error", "seq": 4, "error": "busy"})  # no part of the log
    one, late = reader(frames, ledger), reader(frames, ledger, "late")
    one.compare(late)
    assert faults(one) == faults(late) == {}
    assert (one.frames, one.restarts, one.resume()) == (16, 0, "a:17")
    assert (ledger.begun, dict(ledger.ends)) == (2, {"finished": 1, "gateway_lost": 1})


def test_without_an_epoch_a_reader_resumes_by_number() -> None:
    assert reader(log()).resume() == "9"


def test_a_lost_frame() -> None:
    frames = log()
    del frames[4]
    assert faults(reader(frames)) == {"lost": 1, "steps": 1}


def test_a_doubled_frame() -> None:
    frames = log()
    frames.insert(5, frames[4])
    assert faults(reader(frames)) == {"doubled": 1}


def test_reordered_frames() -> None:
    frames = log()
    frames[4], frames[5] = frames[5], frames[4]
    found = faults(reader(frames))
    assert found["reordered"] == 1
    assert "lost" not in found


def test_a_frame_that_differs_between_viewers() -> None:
    ledger = Ledger()
    reader(log(), ledger)
    other = log()
    other[4]["token"] = "another"
    assert faults(reader(other, ledger)) == {"divergent": 1}


def test_a_late_frame_of_a_former_writer_replaces_another() -> None:
    """Both logs are in order; only a comparison shows that they differ."""
    ledger = Ledger()
    reader(log(), ledger)
    other = log()
    other[-1] = {"type": "labels", "seq": 8, "time": 1.0}
    assert faults(reader(other, ledger)) == {"divergent": 1, "unended": 1}


def test_a_new_epoch_lets_a_reader_start_over() -> None:
    frames = log(epoch="a")[:6]
    again = [{"type": "room", "seq": 0, "epoch": "b"}, *log(2)]
    one = reader([*frames, *again])
    assert (faults(one), one.restarts, one.resume()) == ({}, 1, "b:7")
    one.compare(reader(again))
    assert faults(one) == {}


def test_a_log_may_go_on_in_a_new_epoch() -> None:
    one = reader([*log(epoch="a"), *log(first=9, epoch="b")])
    assert (faults(one), one.restarts) == ({}, 0)


def test_starting_over_without_a_new_epoch() -> None:
    assert faults(reader([*log(), *log()])) == {"doubled": 8}


def test_starting_over_in_the_middle_of_a_generation() -> None:
    found = faults(reader([*log(epoch="a"), *log(epoch="b")[4:]]))
    assert found["lost"] == 1
    assert found["unstarted"] > 0


@pytest.mark.parametrize(("without", "fault"), [("started", "unstarted"), ("finished", "unended")])
def test_a_generation_without_its_beginning_or_end(without: str, fault: str) -> None:
    frames = [frame for frame in log() if frame["type"] != without]
    for number, frame in enumerate(frames, 1):
        frame["seq"] = number
    assert fault in faults(reader(frames))


def test_a_generation_that_begins_while_one_runs() -> None:
    assert faults(reader([*log()[:-1], *log(first=8)])) == {"unended": 1}


def test_a_skipped_step() -> None:
    frames = log()
    frames[5]["step"] = 7
    assert "steps" in faults(reader(frames))


@pytest.mark.parametrize("held", [slice(0, 7), slice(3, None)])
def test_a_reader_that_holds_less_than_a_late_one(held: slice) -> None:
    one = Reader("v", "room", Ledger())
    for frame in [*log(), *log(first=9)][:16][held]:
        one.take(frame)
    one.compare(reader([*log(), *log(first=9)]))
    assert one.faults["behind"] == 1


def test_the_oldest_generations_may_have_left_the_log() -> None:
    one = reader([*log(), *log(first=9)])
    one.compare(reader(log(first=9)))
    assert faults(one) == {}


def test_complaints_name_the_viewer_the_room_and_the_fault() -> None:
    frames = log()
    del frames[4]
    assert (
        reader(frames, name="viewer 7").words[0] == "viewer 7 in room: frame 5 is missing before 6"
    )
