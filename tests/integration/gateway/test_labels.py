"""Labels in files, a real Redis and the gateway's memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axon_gateway.errors import Refusal
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.labels import Labels, Origins
from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.store import Entry, Kept, LabelStore
from redis import Redis

from ...patience import PATIENCE
from . import harness
from .harness import RedisServer

SOURCE = "model/0-res"


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    """The shared Redis, emptied."""
    with Redis.from_url(shared_redis.url) as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    harness.write_labels(tmp_path, SOURCE, {index: f"label {index}" for index in range(50)})
    return tmp_path


@contextlib.asynccontextmanager
async def opened(
    redis: RedisServer, folder: Path | None, most: int = 10**7, **origins: Any
) -> AsyncIterator[Labels]:
    files = LabelFiles(folder)
    labels = Labels(LabelStore(redis.url), Origins(files=files, **origins), most)
    try:
        yield labels
    finally:
        await labels.close()


@pytest_asyncio.fixture
async def labels(redis: RedisServer, folder: Path) -> AsyncIterator[Labels]:
    async with opened(redis, folder) as labels:
        yield labels


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A source for each time that its files were read."""
    sources: list[str] = []
    actual = LabelFiles.read

    def read(files: LabelFiles, source: str) -> dict[int, FeatureRecord]:
        sources.append(source)
        return actual(files, source)

    monkeypatch.setattr(LabelFiles, "read", read)
    return sources


async def test_files_are_read_once_for_many_questions(labels: Labels, reads: list[str]) -> None:
    answers = await asyncio.gather(*(labels.look_up(SOURCE, [index]) for index in range(20)))
    assert answers == [{index: f"label {index}"} for index in range(20)]
    assert reads == [SOURCE]


async def test_files_need_no_redis(folder: Path) -> None:
    async with opened(RedisServer(), folder) as labels:
        await labels.hold([SOURCE])
        assert labels.known(SOURCE, 1) == "label 1"
        assert await labels.look_up(SOURCE, [1, 99]) == {1: "label 1"}
        assert (await labels.feature(SOURCE, 2)).label == "label 2"
        assert labels.available


async def test_held_labels_are_answered_at_once(labels: Labels) -> None:
    assert labels.missing(SOURCE, [1, 99]) == {1, 99}
    assert labels.known(SOURCE, 1) is None
    await labels.hold([SOURCE])
    assert labels.known(SOURCE, 1) == "label 1"
    # It is also known that 99 has no label, so 99 is not missing.
    assert labels.missing(SOURCE, [1, 2, 99]) == set()


async def test_the_largest_activation_is_known_with_the_label(labels: Labels) -> None:
    assert labels.maximum(SOURCE, 1) is None
    await labels.hold([SOURCE])
    assert labels.maximum(SOURCE, 1) == 4.5
    assert labels.maximum(SOURCE, 99) is None
    assert labels.facts(SOURCE, 1)["max"] == 4.5
    assert labels.facts(SOURCE, 99) == {}


async def test_the_memory_is_bounded(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = [f"model/{layer}-res" for layer in range(4)]
    for source in sources:
        harness.write_labels(tmp_path, source, {i: f"label {i} " + "x" * 400 for i in range(100)})
    async with opened(redis, tmp_path, most=250_000) as labels:
        await labels.hold(sources)
        held = [source for source in sources if labels.known(source, 1)]
        assert len(held) == 2
        [left_out, _] = [m for m in caplog.messages if "left out" in m]
        assert "100 labels" in left_out
        assert "AXON_LABEL_MB" in left_out
        # A source that did not fit is not asked for again at every token.
        assert labels.missing(sources[-1], [1]) == set()


async def test_a_failing_redis_does_not_mean_that_there_is_no_label() -> None:
    async with opened(RedisServer(), None) as labels:
        await labels.hold([SOURCE])
        with pytest.raises(Refusal) as refused:
            await labels.look_up(SOURCE, [1])
        assert refused.value.code == "labels_unavailable"
        assert labels.missing(SOURCE, [1]) == {1}
        assert not labels.available


async def test_only_the_first_question_waits_for_a_redis_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang(store: LabelStore, source: str) -> Kept:
        await asyncio.sleep(0.1)
        if not labels.available:
            await asyncio.sleep(60)
        raise TimeoutError

    monkeypatch.setattr(LabelStore, "everything", hang)
    monkeypatch.setattr("axon_gateway.labels.link._PAUSE", 0.0)
    async with opened(RedisServer(), None) as labels:
        await labels.hold([SOURCE])
        assert not labels.available
        async with asyncio.timeout(PATIENCE):
            await labels.hold([SOURCE])


async def test_a_cancelled_question_does_not_stop_the_reading_for_others(
    labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go = threading.Event(), threading.Event()
    actual = LabelFiles.read

    def slowly(files: LabelFiles, source: str) -> dict[int, FeatureRecord]:
        reading.set()
        assert go.wait(PATIENCE)
        return actual(files, source)

    monkeypatch.setattr(LabelFiles, "read", slowly)
    leaving = asyncio.create_task(labels.look_up(SOURCE, [1]))
    staying = asyncio.create_task(labels.look_up(SOURCE, [1]))
    assert await asyncio.to_thread(reading.wait, PATIENCE)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    go.set()
    assert await staying == {1: "label 1"}


async def test_without_files_there_are_no_labels_and_no_error(redis: RedisServer) -> None:
    async with opened(redis, None) as labels:
        assert await labels.look_up(SOURCE, [1]) == {}
        assert await labels.feature(SOURCE, 1) == FeatureRecord()


async def test_more_questions_than_connections_wait_their_turn() -> None:
    # A separate Redis, since connections of other tests would be counted too.
    with harness.redis_server() as redis, Redis.from_url(redis.url) as client:
        store = LabelStore(redis.url)
        entry = Entry(FeatureRecord("cats"))
        await store.put(SOURCE, 7, entry)
        wanted = [{SOURCE: [7, 100 + number]} for number in range(500)]
        answers = await asyncio.gather(*map(store.answers, wanted))
        assert all(answer == {SOURCE: {7: entry}} for answer in answers)
        assert len(client.client_list()) <= 9
        await store.close()


async def test_half_written_labels_are_never_seen(redis: RedisServer) -> None:
    store = LabelStore(redis.url)
    records = {index: FeatureRecord(f"label {index}") for index in range(5000)}
    seen: set[int] = set()

    async def look() -> None:
        while 5000 not in seen:
            seen.add(len((await store.everything(SOURCE)).records))

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(look(), store.fill(SOURCE, "all", records))
    assert seen <= {0, 5000}
    with Redis.from_url(redis.url) as client:
        assert client.keys("axon:labels:*") == [f"axon:labels:{SOURCE}".encode()]
        assert client.ttl(f"axon:labels:{SOURCE}") == -1
    await store.close()


async def test_labels_are_added_to_those_in_redis(redis: RedisServer) -> None:
    store = LabelStore(redis.url)
    await store.fill(SOURCE, "a", {1: FeatureRecord("one")}, lasts=60)
    await store.fill(SOURCE, "a", {2: FeatureRecord("two")}, lasts=60)
    assert (await store.everything(SOURCE)).records.keys() == {1, 2}
    # Labels under another name at Neuronpedia replace them.
    await store.fill(SOURCE, "b", {3: FeatureRecord("three")}, lasts=60)
    assert (await store.everything(SOURCE)).records.keys() == {3}
    await store.close()


async def test_a_unix_socket_works() -> None:
    # Not in tmp_path, whose name may be too long: the limit for sockets is about 100 characters.
    path = Path(tempfile.gettempdir()) / f"axon-{os.getpid()}.sock"
    with harness.redis_server("--unixsocket", str(path)):
        store = LabelStore(f"unix://{path}")
        await store.fill(SOURCE, "a", {1: FeatureRecord("label 1")})
        await store.put(SOURCE, 2, Entry(FeatureRecord("label 2")))
        kept = await store.everything(SOURCE)
        assert (kept.records[1].label, kept.answers[2].record.label) == ("label 1", "label 2")
        await store.close()
    path.unlink()
