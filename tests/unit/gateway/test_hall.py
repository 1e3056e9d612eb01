"""The hall of a room: questions and votes, and the line, without sockets and without Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from axon.v1 import inference_pb2 as pb
from axon_gateway import requests
from axon_gateway.clients import Client
from axon_gateway.errors import Refusal
from axon_gateway.frames import Frame
from axon_gateway.requests import CloseQuestion, Generate, Question, Vote
from axon_gateway.rooms import hall
from axon_gateway.rooms.hall import Asked, Hall, Place, tally
from axon_gateway.rooms.room import Room
from axon_gateway.rooms.viewer import Viewer

from .test_rooms import FakeGeneration, Stage, read

GUESS: dict[str, Any] = {
    "type": "question",
    "kind": "guess",
    "text": "What comes next?",
    "options": [{"text": " Paris"}, {"text": " Rome"}],
    "position": 7,
}
EDIT = {"source": "fake/0-res", "feature": 7, "scale": 0}
TURN = {
    "type": "question",
    "kind": "turn",
    "text": "",
    "options": [{"text": "silence capitals", "edit": EDIT}],
}


def parsed(message: dict[str, Any]) -> Any:
    return requests.parse(json.dumps(message), 64 * 1024)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({**GUESS, "kind": "poll"}, "kind"),
        ({**GUESS, "options": [{"text": "x"}] * 9}, "options"),
        ({**GUESS, "options": [{"text": "x" * 101}]}, "options[0].text"),
        ({**GUESS, "options": [{"text": "x", "edit": EDIT}]}, "options[0].edit"),
        ({**GUESS, "text": "x" * 201}, "text"),
        ({**GUESS, "position": None}, "position"),
        ({**TURN, "options": []}, "options"),
        ({**TURN, "options": [{"text": "x"}]}, "options[0].edit"),
        ({**TURN, "options": [{"text": "x", "edit": {**EDIT, "scale": None}}]}, "options[0]"),
        ({"type": "vote", "question": "q"}, "option"),
        ({"type": "vote", "question": "q", "option": 0, "word": "x"}, "option"),
        ({"type": "vote", "question": "q", "option": 8}, "option"),
        ({"type": "vote", "question": "q", "word": "x" * 33}, "word"),
        ({"type": "vote", "question": "q", "word": " \t"}, "word"),
        ({"type": "vote", "question": "x" * 65, "option": 0}, "question"),
        ({"type": "close", "question": "q", "answer": 3}, "answer"),
        ({"type": "leave", "place": 3}, "place"),
        ({"type": "generate", "prompt": "x", "name": "x" * 33}, "name"),
    ],
)
def test_a_bad_message_is_refused_by_the_name_of_its_field(
    message: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refusal) as refused:
        parsed(message)
    assert (refused.value.field or "").startswith(field)


def test_a_name_is_one_visible_line() -> None:
    found = parsed({"prompt": "x", "name": " Ada\n\u202e Lovelace\x00 "})
    assert found.name == "Ada Lovelace"


@pytest.mark.parametrize("message", [GUESS, TURN])
def test_a_question_is_read_again_as_it_was_sent(message: dict[str, Any]) -> None:
    question = parsed(message)
    assert isinstance(question, Question)
    assert requests.hall_question(question.body()) == question


def test_the_same_word_counts_once_however_it_is_typed() -> None:
    question = parsed(GUESS)
    words = ["Lyon", " lyon ", "LYON"]
    assert {Vote("q", None, word).choice(question) for word in words} == {"w:lyon"}
    assert Vote("q", None, "paris").choice(question) == Vote("q", 0, None).choice(question) == "0"


def test_an_option_that_is_not_there_and_a_word_for_a_turn_are_refused() -> None:
    for vote, field in ((Vote("q", 1, None), "option"), (Vote("q", None, "x"), "word")):
        with pytest.raises(Refusal) as refused:
            vote.choice(parsed(TURN))
        assert refused.value.field == field


def test_words_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hall, "MOST_WORDS", 2)
    found, asked = Hall(), Asked("q", parsed(GUESS))
    found.open(asked)
    for voter, word in enumerate(["a", "a", "b", "c", "d"]):
        found.cast(str(voter), "q", f"w:{word}")
    found.count()
    told = tally(asked, found.counts)
    assert told["words"] == [{"word": "a", "votes": 2}, {"word": "b", "votes": 1}]
    assert told["votes"] == 5


def test_voters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hall, "MOST_VOTERS", 1)
    found = Hall()
    found.open(Asked("q", parsed(GUESS)))
    found.cast("one", "q", "0")
    found.cast("one", "q", "1")
    with pytest.raises(Refusal) as refused:
        found.cast("two", "q", "0")
    assert refused.value.code == "too_many_votes"


@pytest_asyncio.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr("axon_gateway.rooms.line._REST", 0.01)
    monkeypatch.setattr("axon_gateway.rooms.room._HALL_EVERY", 0.01)
    stage = Stage()
    yield stage
    await stage.rooms.close()


async def until(viewer: Viewer, kind: str, **content: Any) -> Frame:
    """The next frame of a kind with this content."""
    while True:
        for frame in await read(viewer):
            if frame["type"] == kind and content.items() <= frame.items():
                return frame


async def entered(stage: Stage, room: Room, voter: str = "") -> Viewer:
    _, viewer = await stage.rooms.enter(room.id, None, client=Client("x", voter=voter))
    return viewer


async def test_a_vote_from_its_question_to_its_outcome(stage: Stage) -> None:
    room, presenter = stage.rooms.open()
    room.ask(parsed(GUESS), presenter)
    told = (await until(presenter, "question"))["question"]
    assert {**told, "type": "question"} == {**GUESS, "id": told["id"], "branch": 0}
    phone, again = await entered(stage, room, "phone"), await entered(stage, room, "phone")
    other = await entered(stage, room)
    assert (await until(other, "question"))["question"] == told
    room.vote(Vote(told["id"], 0, None), phone)
    await until(other, "tally", options=[1, 0], votes=1)
    # The same browser on another socket changes its vote; another one adds its own.
    room.vote(Vote(told["id"], 1, None), again)
    room.vote(Vote(told["id"], None, "Lyon"), other)
    tallied = await until(phone, "tally", votes=2)
    assert tallied["options"] == [0, 1]
    assert tallied["words"] == [{"word": "lyon", "votes": 1}]
    with pytest.raises(Refusal) as refused:
        room.close_question(CloseQuestion(told["id"], None), phone)
    assert refused.value.code == "not_presenter"
    room.close_question(CloseQuestion(told["id"], " Paris"), presenter)
    ended = await until(phone, "outcome", answer=" Paris", options=[0, 1], votes=2)
    assert ended["question"] == told
    assert ended["seq"] == room.log.last == 1
    assert (await until(other, "question"))["question"] is None
    with pytest.raises(Refusal) as refused:
        room.vote(Vote(told["id"], 0, None), phone)
    assert refused.value.code == "question_closed"


async def test_one_question_at_a_time_and_only_of_the_presenter(stage: Stage) -> None:
    room, presenter = stage.rooms.open()
    room.ask(parsed(TURN), presenter)
    await until(presenter, "question")
    viewer = await entered(stage, room)
    for who, code in ((presenter, "question_open"), (viewer, "not_presenter")):
        with pytest.raises(Refusal) as refused:
            room.ask(parsed(GUESS), who)
        assert refused.value.code == code


async def test_tallies_are_fewer_than_votes(stage: Stage) -> None:
    room, presenter = stage.rooms.open()
    room.ask(parsed(GUESS), presenter)
    told = (await until(presenter, "question"))["question"]
    tallies = 0
    for number in range(50):
        viewer = await entered(stage, room)
        room.vote(Vote(told["id"], number % 2, None), viewer)
    while True:
        frames = [frame for frame in await read(presenter) if frame["type"] == "tally"]
        tallies += len(frames)
        if frames and frames[-1]["votes"] == 50:
            break
    assert tallies <= 2


def asked(name: str = "") -> Generate:
    return Generate(pb.GenerateRequest(prompt="x"), name=name)


async def running(stage: Stage) -> tuple[Room, Viewer, FakeGeneration]:
    """An open room in which something runs."""
    room, presenter = stage.rooms.open()
    room.mark_published()
    room.set_open(presenter, True)
    room.generate(asked(), presenter)
    await asyncio.sleep(0)
    await stage.generations[-1].token()
    return room, presenter, stage.generations[-1]


async def end(generation: FakeGeneration) -> None:
    await generation.emit({"type": "finished", "seq": 0, "status": "done"})
    generation.end.set()


async def test_who_asks_while_one_runs_waits_in_line_and_begins_in_turn(stage: Stage) -> None:
    room, presenter, first = await running(stage)
    ada, guest = await entered(stage, room), await entered(stage, room)
    room.generate(asked("Ada"), ada)
    room.generate(asked(), guest)
    line = await until(guest, "line", mine=guest.place)
    assert [place["name"] for place in line["places"]] == ["Ada", "guest 1"]
    assert [place["id"] for place in line["places"]] == [ada.place, guest.place]
    room.generate(asked("Ada again"), ada)  # replaces the request, keeps the place
    assert len(room.hall.line) == 2
    await end(first)
    await until(presenter, "line", places=[{"id": guest.place, "name": "guest 1"}])
    assert len(stage.generations) == 2
    assert room.running
    await end(stage.generations[-1])
    await until(presenter, "line", places=[])
    assert len(stage.generations) == 3


async def test_one_leaves_the_line_by_asking_by_leaving_the_room_and_by_the_presenter(
    stage: Stage,
) -> None:
    room, presenter, first = await running(stage)
    people = [await entered(stage, room) for _ in range(4)]
    for viewer in people:
        room.generate(asked(), viewer)
    await until(presenter, "line")
    room.line.leave(people[0])
    stage.rooms.leave(room, people[1])
    with pytest.raises(Refusal) as refused:
        room.line.leave(people[2], people[3].place)
    assert refused.value.code == "not_presenter"
    room.line.leave(presenter, people[2].place)
    await until(presenter, "line", places=[{"id": people[3].place, "name": "guest 4"}])
    room.set_open(presenter, False)
    await until(presenter, "line", places=[])
    assert not room.line.here
    await end(first)
    assert len(stage.generations) == 1


async def test_the_line_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hall, "MOST_WAITING", 1)
    room, _, _ = await running(stage)
    for code in (None, "line_full"):
        viewer = await entered(stage, room)
        room.generate(asked(), viewer)
        if code is None:
            await until(viewer, "line", mine=viewer.place)
        else:
            await until(viewer, "error", error=code)
            assert viewer.place is None


async def test_a_refused_request_gives_its_turn_to_the_next(stage: Stage) -> None:
    room, presenter, first = await running(stage)
    barred, next_ = await entered(stage, room), await entered(stage, room)
    room.generate(asked(), barred)
    room.generate(asked(), next_)
    await until(presenter, "line")
    start = stage.rooms.start

    def refuse(request: Any, emit: Any, client: Client | None) -> Any:
        if client is barred.client:
            raise Refusal("too_many_generations", "later")
        return start(request, emit, client)

    stage.rooms.start = refuse
    await end(first)
    await until(barred, "error", error="too_many_generations")
    await until(presenter, "line", places=[])
    assert len(stage.generations) == 2


async def test_a_closed_room_has_no_line(stage: Stage) -> None:
    room, presenter, _ = await running(stage)
    room.set_open(presenter, False)
    with pytest.raises(Refusal) as refused:
        room.generate(asked(), presenter)
    assert refused.value.code == "busy"


def test_a_place_that_came_back_from_redis_is_not_doubled() -> None:
    found = Hall()
    place = Place("a", "Ada", "here", 1)
    found.join(place)
    found.update(None, {}, (place,))
    found.join(place)
    assert found.line == (place,)
    found.alone(())
    assert found.line == ()
