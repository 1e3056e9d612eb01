"""Two gateways with one Redis: a room is the same at both, also when one of the three fails."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import pytest_asyncio
from axon_gateway.config import Settings
from axon_gateway.replication.redis_sharing import RedisSharing
from redis.asyncio import Redis

from ...patience import PATIENCE, Stopwatch, eventually
from . import harness
from .fake_inference import Failure, FakeInference, Script
from .harness import Frame, RedisServer, Running, Socket
from .test_process import process

LONG = Script(tokens=tuple(f" t{i}" for i in range(400)), delay=0.01)
#: One that never ends while a test waits for another process.
ENDLESS = Script(tokens=LONG.tokens * 20, delay=0.01)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with harness.redis_server() as server:
        yield server


@dataclass
class Pair:
    """Two gateways with one Redis."""

    a: Running
    b: Running


@pytest.fixture
def shared(settings: Settings, redis: RedisServer) -> Settings:
    return dataclasses.replace(settings, redis_url=redis.url, room_grace=1.0)


@pytest_asyncio.fixture
async def pair(shared: Settings) -> AsyncIterator[Pair]:
    async with harness.running(shared) as a, harness.running(shared) as b:
        await eventually(lambda: bool(sharing(a)._peers.alive and sharing(b)._peers.alive))
        yield Pair(a, b)


def sharing(gateway: Running) -> RedisSharing:
    found = gateway.gateway.rooms.sharing
    assert isinstance(found, RedisSharing)
    return found


async def opened(gateway: Running) -> tuple[Socket, Frame]:
    """The presenter of a shared room, and its room frame."""
    presenter = await gateway.connect()
    room = await presenter.frame()
    await presenter.send(type="share")
    await presenter.told(published=True)
    return presenter, room


async def joined(gateway: Running, room: Frame, **query: str) -> Socket:
    """A viewer at another gateway, as soon as the room is in Redis."""
    found: list[Socket] = []

    async def enters() -> bool:
        found[:] = [await gateway.connect(room=room["room"], **query)]
        first = await found[0].frame()
        assert first["type"] == "room" or first["error"] == "unknown_room"
        return first["type"] == "room"

    await eventually(enters)
    return found[0]


async def know_each_other(*sockets: Socket) -> None:
    """Waits until the gateways of a room's sockets know each other: each counts all viewers."""
    for socket in sockets:
        await socket.told(viewers=len(sockets))


def logged(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame["type"] != "room"]


async def test_viewers_at_both_gateways_see_the_same(pair: Pair, inference: FakeInference) -> None:
    inference.script = dataclasses.replace(LONG, tokens=LONG.tokens[:60])
    presenter, room = await opened(pair.a)
    early = await joined(pair.b, room)
    await presenter.send(prompt="x")
    here = await presenter.until("token")
    late = await joined(pair.b, room)
    here += await presenter.until("finished")
    for viewer in (early, late):
        there = await viewer.until("finished")
        assert [f for f in logged(there) if f["seq"]] == logged(here)
    assert len(inference.seen.requests) == 1


async def test_the_number_of_viewers_is_that_of_all_gateways(pair: Pair) -> None:
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.told(viewers=2)
    another = await pair.b.connect(room=room["room"])
    await presenter.told(viewers=3)
    await viewer.told(viewers=3)
    await another.close()
    await viewer.close()
    await presenter.told(viewers=1)


async def test_presenting_and_stopping_from_the_other_gateway(
    pair: Pair, inference: FakeInference
) -> None:
    inference.script = ENDLESS
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    await presenter.send(prompt="x")
    await same.until("token")
    await same.send(prompt="y")
    assert (await same.until("error"))[-1]["error"] == "busy"
    await same.send(type="stop")
    assert (await same.until("finished"))[-1]["status"] == "stopped"
    await eventually(lambda: inference.seen.running == 0)
    await presenter.until("finished")
    # The log continues whichever gateway writes it.
    inference.script = Script()
    await same.send(prompt="y")
    assert (await same.until("finished"))[-1]["status"] == "done"
    frames = await presenter.until("finished")
    assert [f["prompt"] for f in frames if f["type"] == "started"] == ["y"]
    await presenter.send(prompt="z")
    assert (await presenter.until("finished"))[-1]["status"] == "done"
    assert [f["prompt"] for f in await same.until("started") if "prompt" in f] == ["z"]


async def test_opening_a_room_to_all_reaches_the_other_gateway(
    pair: Pair, inference: FakeInference
) -> None:
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.send(type="open", open=True)
    await viewer.told(open=True)
    await viewer.send(prompt="x")
    assert (await viewer.until("finished"))[-1]["status"] == "done"
    assert (await presenter.until("finished"))[-1]["status"] == "done"


async def test_viewers_at_the_other_gateway_keep_a_generation_alive(
    pair: Pair, inference: FakeInference
) -> None:
    inference.script = dataclasses.replace(LONG, tokens=LONG.tokens[:200])
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.told(viewers=2)
    await presenter.send(prompt="x")
    await presenter.until("token")
    await presenter.close()
    # The generation takes longer than the grace period.
    assert (await viewer.until("finished"))[-1]["status"] == "done"


async def test_a_room_outlives_the_gateway_that_opened_it(shared: Settings) -> None:
    async with harness.running(shared) as first:
        presenter, room = await opened(first)
        await presenter.send(prompt="x")
        seen = logged(await presenter.until("finished"))
        await presenter.close()
    async with harness.running(shared) as second:
        again = await joined(second, room, token=room["presenter_token"])
        assert [f for f in logged(await again.until("finished")) if f["seq"]] == seen
        await again.send(prompt="x")
        assert (await again.until("finished"))[-1]["status"] == "done"


async def test_a_gateway_killed_during_a_generation(
    shared: Settings, inference: FakeInference
) -> None:
    inference.script = ENDLESS
    async with process(shared) as a, harness.running(shared) as b:
        presenter, room = await opened(a)
        viewer = await joined(b, room)
        await know_each_other(presenter, viewer)
        await presenter.send(prompt="x")
        seen = await viewer.until("token")
        mine = await presenter.until("token")
        while len(mine) < 40:
            mine += await presenter.until("token")
        a.running.kill()
        async with Stopwatch() as watch:
            rest = await viewer.until("error")
        assert watch.seconds < 2
        assert rest[-1]["error"] == "gateway_lost"
        seen = logged(seen + rest)
        # A viewer that joins now gets what the first viewer got.
        late = await joined(b, room)
        assert [f for f in logged(await late.until("error")) if f["seq"]] == seen
        # The presenter got no more than that, so it can resume where it was.
        back = await b.connect(
            presenter.last,
            room=room["room"],
            token=room["presenter_token"],
            **{"from": f"{presenter.room['epoch']}:{presenter.last + 1}"},
        )
        again = logged(await back.until("error"))
        assert mine_and(mine, again) == seen
        # The next generation works, and all get it with the numbers that follow.
        inference.script = Script()
        await back.send(prompt="again")
        assert (await back.until("finished"))[-1]["status"] == "done"
        assert (await viewer.until("finished"))[-1]["status"] == "done"


def mine_and(before: list[Frame], after: list[Frame]) -> list[Frame]:
    return [frame for frame in logged(before) if frame["seq"]] + after


async def test_a_gateway_that_was_suspended_gives_its_room_up(
    shared: Settings, inference: FakeInference
) -> None:
    inference.script = ENDLESS
    async with process(shared) as a, harness.running(shared) as b:
        presenter, room = await opened(a)
        viewer = await joined(b, room, token=room["presenter_token"])
        await know_each_other(presenter, viewer)
        await presenter.send(prompt="x")
        await viewer.until("token")
        a.running.send_signal(signal.SIGSTOP)
        assert (await viewer.until("error"))[-1]["error"] == "gateway_lost"
        inference.script = Script()
        await viewer.send(prompt="y")
        await viewer.until("finished")
        a.running.send_signal(signal.SIGCONT)
        # The other gateway has continued the log, so this one's viewers get that log.
        frames = logged(await presenter.until("finished"))
        again = await joined(a, room)
        assert logged(await again.until("finished"))[-len(frames) :] == frames
        ends = [f for f in frames if f["type"] in ("started", "error", "finished")]
        assert [f.get("error", f.get("prompt")) for f in ends] == [
            "x",
            "gateway_lost",
            "y",
            None,
        ]
        await eventually(lambda: inference.seen.running == 0)


async def test_redis_killed_and_restarted_empty(
    pair: Pair, inference: FakeInference, redis: RedisServer
) -> None:
    inference.script = LONG
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.send(prompt="x")
    here = await presenter.until("token")
    there = await viewer.until("token")
    redis.kill()
    # The room waits, all its viewers are told, and none gets more frames than the others.
    here += await presenter.until("error")
    there += await viewer.until("error")
    for told in (here.pop(), there.pop()):
        assert told["error"] == "rooms_unavailable"
        assert told["retry_after"] > 0
    with pytest.raises(TimeoutError):
        await presenter.frame(0.7)
    # A new viewer is refused at the gateway without the room, and let in at the one with it.
    _, other = await opened(pair.a)
    refused = await pair.b.connect(room=other["room"])
    assert (await refused.frame())["error"] == "rooms_unavailable"
    late = await pair.a.connect(room=room["room"])
    assert (await late.frame())["type"] == "room"
    redis.start()
    here += await presenter.until("finished")
    there += await viewer.until("finished")
    assert logged(there) == logged(here)
    assert [f["step"] for f in here if f["type"] == "token"] == list(range(len(LONG.tokens)))
    # Everything works again, also the room that was opened while Redis was gone.
    await joined(pair.b, other)
    await presenter.send(prompt="y")
    await viewer.until("started")


async def test_generating_while_redis_is_gone(
    pair: Pair, inference: FakeInference, redis: RedisServer
) -> None:
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    redis.kill()
    await same.until("error")
    # A shared room waits at both gateways.
    for socket in (same, presenter):
        await socket.send(prompt="y")
        assert (await socket.until("error"))[-1]["error"] == "rooms_unavailable"
    # A new room exists at one gateway only, until Redis is back.
    alone = await pair.a.connect()
    own = await alone.frame()
    await alone.send(prompt="x")
    assert (await alone.until("finished"))[-1]["status"] == "done"
    redis.start()
    found = await joined(pair.b, own)
    frames = await found.until("finished")
    assert [f["prompt"] for f in frames if f["type"] == "started"] == ["x"]
    while True:
        await presenter.send(prompt="z")
        if (await presenter.until("finished", "error"))[-1]["type"] == "finished":
            break
        await asyncio.sleep(0.1)
    frames = await same.until("finished")
    assert [f["prompt"] for f in frames if f["type"] == "started"] == ["z"]


async def test_late_labels_of_a_gateway_that_lost_the_room_are_not_written(
    pair: Pair, inference: FakeInference
) -> None:
    """Labels after `finished` are written only by a gateway that still holds the lease. So they
    never get a number that another gateway has used."""
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    await presenter.send(prompt="x")
    here = await presenter.until("finished")
    there = await same.until("finished")
    await same.send(prompt="y")
    await same.until("started")
    former = pair.a.gateway.rooms.get(room["room"])
    assert former is not None
    with contextlib.suppress(ConnectionError):
        await former._emitter()({"type": "labels", "seq": 0, "source": "s", "labels": {}})
    here += await presenter.until("finished")
    late = await joined(pair.a, room)
    there = await late.until("finished")
    there += await late.until("finished")
    assert logged(here)[-5:] == logged(there)[-5:]
    kinds = [frame["type"] for frame in logged(there)]
    assert kinds.count("started") == kinds.count("finished") == 2


async def test_a_refused_generation_does_not_end_the_next_ones_lease(
    pair: Pair, inference: FakeInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late release of one generation's lease in Redis must not release the next one's."""
    store = pair.a.gateway.rooms.sharing._store  # type: ignore[attr-defined]
    release = store.release_lease

    async def slowly(*what: Any) -> None:
        await asyncio.sleep(0.2)
        await release(*what)

    monkeypatch.setattr(store, "release_lease", slowly)
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    inference.script.refusal = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_seconds=1)
    await presenter.send(prompt="x")
    assert (await presenter.until("error"))[-1]["error"] == "queue_full"
    inference.script = ENDLESS
    await presenter.send(prompt="y")
    await presenter.until("token")
    await asyncio.sleep(0.5)
    await same.send(prompt="z")
    assert (await same.until("error"))[-1]["error"] == "busy"
    await presenter.send(type="stop")
    assert (await presenter.until("finished"))[-1]["status"] == "stopped"


async def test_resuming_from_another_epoch_reads_the_log_from_its_start(
    pair: Pair, inference: FakeInference
) -> None:
    presenter, room = await opened(pair.a)
    same = await joined(pair.b, room, token=room["presenter_token"])
    await presenter.send(prompt="x")
    await presenter.until("finished")
    first = presenter.room["epoch"]
    await same.until("finished")
    await same.send(prompt="y")
    await presenter.until("finished")
    last = presenter.last
    while (second := presenter.room["epoch"]) == first:
        await presenter.frame()

    async def resumed(offset: str) -> int:
        raw = await pair.b.http.ws_connect(
            f"{pair.b.url}/ws", params={"room": room["room"], "from": offset}
        )
        seq = 0
        while not seq:
            frame = (await raw.receive(PATIENCE)).json()
            frame = frame["frames"][0] if frame["type"] == "batch" else frame
            seq = 0 if frame["type"] == "room" else frame["seq"]
        await raw.close()
        return seq

    assert await resumed(f"{second}:{last}") == last
    assert await resumed(f"{first}:3") == 3
    # The frame was written in the second epoch, so a client of the first cannot have read it.
    assert await resumed(f"{first}:{last}") == 1
    assert await resumed(f"12345:{last}") == 1
    assert await resumed(f"{second}:{last + 100}") == 1
    assert await resumed(str(last)) == last


async def test_after_a_pause_of_redis_no_gateway_is_taken_for_dead(
    pair: Pair, inference: FakeInference, redis: RedisServer
) -> None:
    inference.script = dataclasses.replace(LONG, delay=0.02)
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.send(prompt="x")
    here = await presenter.until("token")
    # About the time after which a call to Redis fails: a gateway may notice the pause or not.
    for seconds in (2.1, 2.2):
        redis.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        redis.signal(signal.SIGCONT)
        await asyncio.sleep(0.5)
    here += await presenter.until("finished")
    there = await viewer.until("finished")
    errors = [frame["error"] for frame in [*here, *there] if frame["type"] == "error"]
    assert set(errors) <= {"rooms_unavailable"}
    steps = [frame["step"] for frame in there if frame["type"] == "token"]
    assert steps == list(range(len(LONG.tokens)))


async def test_redis_comes_back_empty_after_the_rooms_gateway_has_died(
    shared: Settings, inference: FakeInference, redis: RedisServer
) -> None:
    inference.script = ENDLESS
    async with process(shared) as a, harness.running(shared) as b:
        presenter, room = await opened(a)
        viewer = await joined(b, room)
        await presenter.send(prompt="x")
        seen = await viewer.until("token")
        a.running.kill()
        redis.kill()
        await eventually(lambda: not sharing(b).available)
        redis.start()
        seen += await viewer.until("error")
        while seen[-1]["error"] == "rooms_unavailable":
            seen += await viewer.until("error")
        assert seen[-1]["error"] == "gateway_lost"
        late = await joined(b, room)
        log = [f for f in logged(seen) if f["seq"] and f.get("error") != "rooms_unavailable"]
        assert logged(await late.until("error")) == log


async def test_a_log_that_redis_lost_is_written_again(
    pair: Pair, inference: FakeInference, redis: RedisServer
) -> None:
    """Redis may evict a log, or come back without its last writes."""
    inference.script = dataclasses.replace(LONG, tokens=LONG.tokens[:200])
    presenter, room = await opened(pair.a)
    viewer = await joined(pair.b, room)
    await presenter.send(prompt="x")
    here = await presenter.until("token")
    async with Redis.from_url(redis.url) as client:
        log = f"axon:room:{room['room']}:frames"
        await client.delete(log)
        here += [frame for _ in range(20) for frame in await presenter.until("token")]
        kept = await client.xrange(log)
        async with client.pipeline(transaction=True) as pipeline:
            pipeline.delete(log)
            for key, fields in kept[:-5]:
                pipeline.xadd(log, fields, key)
            await pipeline.execute()
        here += await presenter.until("finished")
        there = await viewer.until("finished")
        assert logged(there) == logged(here)

        async def whole() -> bool:
            kept = [json.loads(fields[b"frame"])["seq"] for _, fields in await client.xrange(log)]
            return kept == [frame["seq"] for frame in logged(here)]

        await eventually(whole)
        # After the generation, delete both keys of the room. They must be written again.
        await client.delete(log, f"axon:room:{room['room']}:meta")
        await eventually(whole)
    late = await joined(pair.b, room)
    assert logged(await late.until("finished")) == logged(here)
    await presenter.send(prompt="y")
    assert (await viewer.until("finished"))[-1]["status"] == "done"


@pytest.mark.parametrize("begun", [False, True])
async def test_a_room_whose_name_is_taken_goes_on_alone_and_stops_no_other(
    pair: Pair, inference: FakeInference, redis: RedisServer, begun: bool
) -> None:
    """Redis lost a room, and another gateway gave its name to a new one, which may have `begun`."""
    inference.script = LONG
    presenter, room = await opened(pair.a)
    other, _ = await opened(pair.a)
    async with Redis.from_url(redis.url) as client:
        name = f"axon:room:{room['room']}"
        await presenter.send(prompt="x")
        await other.send(prompt="y")
        await presenter.until("token")
        await other.until("token")
        async with client.pipeline(transaction=True) as pipeline:
            pipeline.hset(f"{name}:meta", "token", "another room's")
            pipeline.delete(f"{name}:frames")
            if begun:
                epoch = time.time_ns() // 1000
                pipeline.hset(
                    f"{name}:meta", mapping={"epoch": epoch, "since": 1, "home": "another"}
                )
                fields = {
                    "begins": "1",
                    "epoch": epoch,
                    "since": 1,
                    "frame": b'{"type":"secret","seq":1}',
                }
                pipeline.xadd(f"{name}:frames", fields, "1-0")
            await pipeline.execute()
        assert (await presenter.until("error"))[-1]["error"] == "rooms_unavailable"
        assert (await presenter.until("finished"))[-1]["status"] == "done"
        assert (await other.until("finished"))[-1]["status"] == "done"
        await presenter.send(prompt="z")
        assert (await presenter.until("error"))[-1]["error"] == "rooms_unavailable"


async def test_nobody_waits_for_the_generation_of_another_room_of_this_name(
    pair: Pair, redis: RedisServer
) -> None:
    """A lease is asked for while the room is still on its way to Redis."""
    presenter = await pair.a.connect()
    name = (await presenter.frame())["room"]
    rooms = pair.a.gateway.rooms
    room = rooms.get(name)
    assert room is not None
    async with Redis.from_url(redis.url) as client:
        fields = {"token": "another room's", "open": 0, "home": "another", "running": 1}
        epoch = time.time_ns() // 1000
        await client.hset(f"axon:room:{name}:meta", mapping={**fields, "epoch": epoch, "since": 1})
    both = rooms.sharing.publish(room), rooms.sharing.acquire_lease(room)
    refusals = await asyncio.gather(*both, return_exceptions=True)
    assert [getattr(refusal, "code", refusal) for refusal in refusals] == ["rooms_unavailable"] * 2


async def test_a_single_gateway_continues_without_redis(
    shared: Settings, inference: FakeInference, redis: RedisServer
) -> None:
    inference.script = dataclasses.replace(LONG, tokens=LONG.tokens[:150])
    async with harness.running(shared) as a:
        presenter, room = await opened(a)
        await presenter.send(prompt="x")
        here = await presenter.until("token")
        redis.kill()
        here += await presenter.until("finished")
        assert [f["step"] for f in here if f["type"] == "token"] == list(range(150))
        await presenter.send(prompt="y")
        here += await presenter.until("finished")
        assert not [frame for frame in here if frame["type"] == "error"]
        redis.start()
        # A viewer at another gateway gets all of it.
        async with harness.running(shared) as b:
            late = await joined(b, room)
            there = [*await late.until("finished"), *await late.until("finished")]
            assert logged(there) == logged(here)


class Wire:
    """A proxy to Redis whose connections can be cut."""

    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis
        self._ends: list[asyncio.StreamWriter] = []
        self._whole = True

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        self._whole = False
        for writer in self._ends:
            writer.close()

    def mend(self) -> None:
        self._whole = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.close()
            return
        there = await asyncio.open_connection("127.0.0.1", self._redis.port)
        self._ends += [writer, there[1]]
        await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


async def test_a_log_that_another_gateway_continued_is_read_from_its_start(
    shared: Settings, inference: FakeInference, redis: RedisServer
) -> None:
    """A gateway loses Redis and continues alone, while another one starts with Redis."""
    wire = Wire(redis)
    async with (
        wire as url,
        harness.running(dataclasses.replace(shared, redis_url=url)) as a,
    ):
        presenter, room = await opened(a)
        await presenter.send(prompt="x")
        await presenter.until("finished")
        wire.cut()
        await eventually(lambda: not sharing(a).available)
        await presenter.send(prompt="y")
        await presenter.until("finished")
        async with harness.running(shared) as b:
            same = await joined(b, room, token=room["presenter_token"])
            first = logged(await same.until("finished"))
            await eventually(lambda: bool(sharing(b)._peers.alive))
            await eventually(lambda: not sharing(b)._peers.alive)
            await same.send(prompt="z")
            there = first + logged(await same.until("finished"))
            wire.mend()
            # Viewers at the first gateway get the log's new epoch, and the log from its start.
            frames: list[Frame] = []
            while not frames or frames[-1]["type"] != "finished" or len(frames) < len(there):
                frame = (await presenter.raw.receive(PATIENCE)).json()
                frames += frame["frames"] if frame["type"] == "batch" else [frame]
                if frame["type"] == "room" and frame["seq"] == 0:
                    frames = []
            assert frames == there
