"""Rooms without sockets: viewers of different speeds, errors, announcements, limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import pytest_asyncio
from axon.v1 import inference_pb2 as pb
from axon_gateway.clients import Client
from axon_gateway.errors import Refusal
from axon_gateway.frames import Emit, Frame
from axon_gateway.requests import Edit, View
from axon_gateway.rooms.epochs import Offset
from axon_gateway.rooms.hall import Asked, Place
from axon_gateway.rooms.room import Room
from axon_gateway.rooms.rooms import Rooms
from axon_gateway.rooms.sharing import Presence
from axon_gateway.rooms.viewer import Viewer

from tests.patience import PATIENCE, eventually


class FakeGeneration:
    """Emits a frame whenever the test calls for one."""

    def __init__(self, request: pb.GenerateRequest, emit: Emit) -> None:
        self.emit = emit
        self.begun = False
        self.closed = False
        self.end = asyncio.Event()
        self.failure: Exception | None = None

    async def run(self) -> None:
        await self.end.wait()
        if self.failure:
            raise self.failure

    async def stop(self) -> None:
        await self.emit({"type": "finished", "seq": 0, "status": "stopped"})

    async def settle(self, seconds: float) -> None:
        return

    def close(self) -> None:
        self.closed = True

    async def token(self) -> None:
        self.begun = True
        await self.emit({"type": "token", "seq": 0})


class Alone:
    """Keeps rooms in this process alone."""

    async def follow(self, id_: str, rooms: Rooms) -> Room | None:
        return None

    async def publish(self, room: Room) -> None:
        return

    async def acquire_lease(self, room: Room) -> None:
        return

    def release_lease(self, room: Room) -> None:
        return

    async def append(self, room: Room, frame: Frame, begins: bool) -> None:
        room.append(frame, begins)

    async def stop(self, room: Room) -> None:
        raise Refusal("not_running", "no generation is running in this room")

    async def edit(self, room: Room, command: Edit) -> None:
        raise Refusal("not_running", "no generation is running in this room")

    async def record(self, room: Room, frame: Frame) -> None:
        room.append(frame, begins=False)

    async def open_question(self, room: Room, asked: Asked) -> None:
        room.open_here(asked)

    def cast(self, room: Room) -> None:
        room.count_here()

    async def close_question(self, room: Room, asked: Asked) -> Mapping[str, int]:
        return room.close_here(asked)

    async def join_line(self, room: Room, place: Place) -> Place:
        return room.join_here(place)

    async def leave_line(self, room: Room, place: str) -> None:
        room.leave_here(place)

    def publish_presence(
        self, room: Room, is_open: bool | None = None, view: View | None = None
    ) -> None:
        return


class Stage:
    """Rooms with fake generations."""

    def __init__(self, **bounds: Any) -> None:
        self.generations: list[FakeGeneration] = []
        bounds = {"limit": 10, "grace": 60.0, "idle": 60.0, **bounds}
        bounds = {"log_bytes": 10**6, "total_bytes": 10**7, "sharing": Alone(), **bounds}
        self.rooms = Rooms(self._start, **bounds)  # type: ignore[arg-type]

    def _start(
        self, request: pb.GenerateRequest, emit: Emit, client: Client | None
    ) -> FakeGeneration:
        self.generations.append(FakeGeneration(request, emit))
        return self.generations[-1]


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    await stage.rooms.close()


async def read(viewer: Viewer) -> list[Frame]:
    frames: list[Frame] = []
    for message in await asyncio.wait_for(viewer.read(), PATIENCE):
        frame = json.loads(message)
        frames += frame["frames"] if frame["type"] == "batch" else [frame]
    return frames


async def begin(stage: Stage) -> tuple[Any, Viewer, FakeGeneration]:
    room, viewer = stage.rooms.open()
    assert [frame["published"] for frame in await read(viewer)] == [False]
    room.mark_published()
    assert [frame["published"] for frame in await read(viewer)] == [True]
    room.generate(pb.GenerateRequest(prompt="x"), viewer)
    await asyncio.sleep(0)
    return room, viewer, stage.generations[-1]


async def test_a_slow_viewer_costs_only_a_cursor(stage: Stage) -> None:
    _, viewer, generation = await begin(stage)
    for _ in range(1000):
        await generation.token()
    assert viewer.cursor == 0
    frames = []
    while len(frames) < 1000:
        frames += await read(viewer)
    assert [frame["seq"] for frame in frames] == list(range(1, 1001))


async def test_a_client_of_the_earlier_demo_gets_one_frame_a_message(stage: Stage) -> None:
    _, viewer, generation = await begin(stage)
    viewer.plain = True
    for _ in range(1000):
        await generation.token()
    types: list[str] = []
    while len(types) < 1000:
        types += [json.loads(message)["type"] for message in await viewer.read()]
    assert types == ["token"] * 1000
    for _ in range(100):
        await generation.token()
    wire, everything = viewer.read_wire()
    assert everything
    assert b'"batch"' not in wire
    assert wire.count(b'"token"') == 100


async def test_a_read_waits_until_a_frame_comes(stage: Stage) -> None:
    _, viewer, generation = await begin(stage)
    reading = asyncio.create_task(read(viewer))
    await asyncio.sleep(0.01)
    assert not reading.done()
    await generation.token()
    assert [frame["type"] for frame in await reading] == ["token"]


async def test_frames_are_collected_after_a_slow_round(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axon_gateway.rooms.rounds._GATHER", 10)
    now = 0.0
    clock = SimpleNamespace(perf_counter=lambda: now)
    monkeypatch.setattr("axon_gateway.rooms.rounds.time", clock)
    call_later = Mock()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    _, viewer, generation = await begin(stage)
    call_later.reset_mock()
    rounds: list[int] = []

    def push() -> bool:
        nonlocal now
        viewer.read_wire()
        if viewer.cursor not in rounds:
            rounds.append(viewer.cursor)
        if len(rounds) == 1:
            now += 0.1  # as long as writing to thousands of sockets takes
        return True

    viewer.push = push
    reading = asyncio.create_task(viewer.read())
    await asyncio.sleep(0)
    await generation.token()
    await asyncio.sleep(0)
    assert rounds == [1]
    for _ in range(4):
        await generation.token()
        await asyncio.sleep(0)
    assert rounds == [1]
    rest, end_rest = call_later.call_args.args
    assert call_later.call_count == 1
    assert rest == pytest.approx(10 * 0.1)
    now += rest
    end_rest()
    assert rounds == [1, 5]
    # After a pause, the next frame is sent at once.
    await generation.token()
    await asyncio.sleep(0)
    assert rounds == [1, 5, 6]
    reading.cancel()


async def test_errors_go_to_their_viewer_only_and_are_limited(stage: Stage) -> None:
    room, viewer, _ = await begin(stage)
    _, other = await stage.rooms.enter(room.id, None)
    await read(other)
    for _ in range(1000):
        viewer.notify(Refusal("busy", "no"))
    assert len(await read(viewer)) == 32
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(other.read(), 0.05)


async def test_many_new_viewers_are_announced_once(stage: Stage) -> None:
    room, presenter, _ = await begin(stage)
    for _ in range(100):
        await stage.rooms.enter(room.id, None)
    [frame] = await read(presenter)
    assert (frame["type"], frame["viewers"]) == ("room", 101)


async def test_a_position_beyond_the_end_of_the_log_is_corrected(stage: Stage) -> None:
    room, _, generation = await begin(stage)
    await generation.token()
    _, viewer = await stage.rooms.enter(room.id, None, Offset(None, 10**9))
    await read(viewer)
    await generation.token()
    assert [frame["seq"] for frame in await read(viewer)] == [2]


async def test_a_failing_generation_is_an_internal_error_and_the_room_continues(
    stage: Stage,
) -> None:
    room, viewer, generation = await begin(stage)
    await generation.token()
    await read(viewer)
    generation.failure = ValueError("a bug")
    generation.end.set()
    assert [frame["error"] for frame in await read(viewer)] == ["internal"]
    assert generation.closed
    assert not room.running
    room.generate(pb.GenerateRequest(prompt="x"), viewer)


async def test_closing_ends_generations(stage: Stage) -> None:
    _, _, generation = await begin(stage)
    await stage.rooms.close()
    assert generation.closed


async def test_rooms_in_use_are_not_expired_to_make_space() -> None:
    stage = Stage(limit=2)
    for _ in range(2):
        await begin(stage)
    room, viewer = stage.rooms.open()
    with pytest.raises(Refusal) as refused:
        room.generate(pb.GenerateRequest(prompt="x"), viewer)
    assert refused.value.code == "too_many_rooms"
    await stage.rooms.close()


class Elsewhere(Alone):
    """Sharing that loads rooms, and acquires leases, only when the test allows it."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.granted = asyncio.Event()
        self.grants = True

    async def follow(self, id_: str, rooms: Rooms) -> Room:
        await self.there.wait()
        return rooms.add(id_, rooms.new_log(), "hash")

    async def acquire_lease(self, room: Room) -> None:
        if not self.grants:
            await self.granted.wait()


async def test_a_room_loaded_for_a_viewer_that_has_left_expires() -> None:
    elsewhere = Elsewhere()
    stage = Stage(grace=0.05, idle=0.05, sharing=elsewhere)
    entering = asyncio.create_task(stage.rooms.enter("abcdef", None))
    await asyncio.sleep(0)
    entering.cancel()
    elsewhere.there.set()
    while stage.rooms.get("abcdef") is None:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await eventually(lambda: stage.rooms.get("abcdef") is None)


async def test_a_room_that_expires_as_it_is_loaded_is_loaded_again() -> None:
    elsewhere = Elsewhere()
    elsewhere.there.set()
    stage = Stage(limit=1, sharing=elsewhere)
    entering = asyncio.create_task(stage.rooms.enter("abcdef", None))
    while stage.rooms.get("abcdef") is None:  # noqa: ASYNC110
        await asyncio.sleep(0)
    other, viewer = stage.rooms.open()
    stage.rooms.admit(other)  # makes space, since nobody has entered yet
    assert stage.rooms.get("abcdef") is None
    stage.rooms.leave(other, viewer)
    room, _ = await entering
    assert not room.expired
    assert stage.rooms.get("abcdef") is room
    await stage.rooms.close()


async def test_closing_ends_the_loading_of_rooms() -> None:
    elsewhere = Elsewhere()
    stage = Stage(sharing=elsewhere)
    entering = asyncio.create_task(stage.rooms.enter("abcdef", None))
    await asyncio.sleep(0)
    await stage.rooms.close()
    elsewhere.there.set()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert stage.rooms.get("abcdef") is None


async def test_a_refused_generation_does_not_keep_its_room() -> None:
    stage = Stage()

    def refuse(*_: Any) -> FakeGeneration:
        raise Refusal("no_access", "no")

    stage.rooms.start = refuse  # type: ignore[assignment]
    room, viewer = stage.rooms.open()
    with pytest.raises(Refusal):
        room.generate(pb.GenerateRequest(prompt="x"), viewer)
    assert len(stage.rooms) == 0
    await stage.rooms.close()


async def test_a_generation_without_space_for_its_room_gives_its_permit_back() -> None:
    stage = Stage(limit=1)
    await begin(stage)
    room, viewer = stage.rooms.open()
    with pytest.raises(Refusal):
        room.generate(pb.GenerateRequest(prompt="x"), viewer)
    assert all(generation.closed for generation in stage.generations[1:])
    await stage.rooms.close()


async def test_a_cancelled_request_for_the_lease_gives_its_permit_back() -> None:
    elsewhere = Elsewhere()
    elsewhere.grants = False
    stage = Stage(sharing=elsewhere)
    _, _, generation = await begin(stage)
    await asyncio.sleep(0)
    await stage.rooms.close()
    assert generation.closed


async def test_a_stop_while_the_lease_is_acquired_ends_the_generation() -> None:
    elsewhere = Elsewhere()
    elsewhere.grants = False
    stage = Stage(sharing=elsewhere)
    room, viewer, generation = await begin(stage)
    room.stop(viewer)
    await asyncio.sleep(0.01)
    elsewhere.granted.set()
    while "finished" not in [frame["type"] for frame in await read(viewer)]:
        pass
    await asyncio.sleep(0)
    assert generation.closed
    await stage.rooms.close()


async def test_a_viewer_that_comes_and_goes_leaves_one_timer() -> None:
    """A second timer of a room would find the room gone after the first one removed it."""
    stage = Stage(grace=0.02, idle=0.1)
    room, viewer, generation = await begin(stage)
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
    # A viewer at another gateway keeps the room alive, so its timer is set again and again.
    room.update_presence(Presence(open=False, viewers=1, presenting=False, view=None))
    stage.rooms.leave(room, viewer)
    for _ in range(5):
        await asyncio.sleep(0.05)
        _, again = await stage.rooms.enter(room.id, None)
        stage.rooms.leave(room, again)
    assert stage.rooms.get(room.id) is room
    assert not generation.closed
    room.update_presence(Presence(open=False, viewers=0, presenting=False, view=None))
    await eventually(lambda: stage.rooms.get(room.id) is None)
    assert generation.closed
    assert not failures
    await stage.rooms.close()
