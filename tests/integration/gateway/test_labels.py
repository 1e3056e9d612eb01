"""Labels between files, a real Redis and the gateway's memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axon_gateway.errors import Refusal
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.labels import Labels, Origins
from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.store import LabelStore
from redis import Redis

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
    redis: RedisServer, folder: Path | None, size: int = 1000
) -> AsyncIterator[Labels]:
    labels = Labels(LabelStore(redis.url), Origins(files=LabelFiles(folder)), size)
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
    """The sources whose files have been read, each time."""
    sources: list[str] = []
    actual = LabelFiles.read

    def read(files: LabelFiles, source: str) -> dict[int, FeatureRecord]:
        sources.append(source)
        return actual(files, source)

    monkeypatch.setattr(LabelFiles, "read", read)
    return sources


async def test_files_are_read_once_however_many_ask(labels: Labels, reads: list[str]) -> None:
    answers = await asyncio.gather(*(labels.look_up(SOURCE, [index]) for index in range(20)))
    assert answers == [{index: f"label {index}"} for index in range(20)]
    assert reads == [SOURCE]


async def test_another_gateway_finds_them_in_redis(
    redis: RedisServer, folder: Path, reads: list[str]
) -> None:
    for _ in range(2):
        async with opened(redis, folder) as labels:
            assert await labels.look_up(SOURCE, [7]) == {7: "label 7"}
    assert reads == [SOURCE]


async def test_new_files_replace_old_ones(redis: RedisServer, folder: Path) -> None:
    async with opened(redis, folder) as labels:
        await labels.prepare(SOURCE)
    harness.write_labels(folder, SOURCE, {7: "better"})
    async with opened(redis, folder) as labels:
        await labels.prepare(SOURCE)
        assert await labels.look_up(SOURCE, [7, 8]) == {7: "better"}


async def test_what_is_known_needs_no_redis(labels: Labels) -> None:
    assert labels.missing(SOURCE, [1, 99]) == {1, 99}
    assert labels.known(SOURCE, 1) is None
    await labels.look_up(SOURCE, [1, 99])
    assert labels.known(SOURCE, 1) == "label 1"
    # That 99 has no label is an answer too, and not asked for again.
    assert labels.missing(SOURCE, [1, 2, 99]) == {2}


async def test_the_largest_activation_is_known_with_the_label(labels: Labels) -> None:
    assert labels.maximum(SOURCE, 1) is None
    await labels.look_up(SOURCE, [1, 99])
    assert labels.maximum(SOURCE, 1) == 4.5
    assert labels.maximum(SOURCE, 99) is None


async def test_the_memory_is_bounded(redis: RedisServer, folder: Path) -> None:
    async with opened(redis, folder, size=10) as labels:
        await labels.look_up(SOURCE, range(50))
        assert len(labels.missing(SOURCE, range(50))) == 40


async def test_an_emptied_redis_is_filled_again(
    labels: Labels, redis: RedisServer, reads: list[str]
) -> None:
    await labels.look_up(SOURCE, [1])
    with Redis.from_url(redis.url) as client:
        client.flushall()
    assert await labels.look_up(SOURCE, [2]) == {2: "label 2"}
    assert len(reads) == 2


async def test_a_failure_is_not_an_answer(folder: Path) -> None:
    nobody = RedisServer()
    async with opened(nobody, folder) as labels:
        with pytest.raises(Refusal) as refused:
            await labels.look_up(SOURCE, [1])
        assert refused.value.code == "labels_unavailable"
        assert labels.missing(SOURCE, [1]) == {1}


async def test_one_who_leaves_does_not_stop_the_filling_for_others(
    labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    actual = LabelFiles.read

    def slowly(files: LabelFiles, source: str) -> dict[int, FeatureRecord]:
        go.wait(5)
        return actual(files, source)

    monkeypatch.setattr(LabelFiles, "read", slowly)
    leaving = asyncio.create_task(labels.look_up(SOURCE, [1]))
    staying = asyncio.create_task(labels.look_up(SOURCE, [1]))
    await asyncio.sleep(0.05)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    go.set()
    assert await staying == {1: "label 1"}


async def test_no_files_are_no_labels_and_no_error(redis: RedisServer) -> None:
    async with opened(redis, None) as labels:
        assert await labels.look_up(SOURCE, [1]) == {}
        assert await labels.feature(SOURCE, 1) == FeatureRecord()


async def test_half_written_labels_are_never_seen(labels: Labels, redis: RedisServer) -> None:
    await labels.prepare(SOURCE)
    with Redis.from_url(redis.url) as client:
        keys = client.keys("axon:labels:*")
        assert keys == [f"axon:labels:{SOURCE}".encode()]
        assert client.ttl(keys[0]) == -1
        assert client.hlen(keys[0]) == 51


async def test_a_socket_of_the_file_system_works(folder: Path) -> None:
    # Not in tmp_path, which can be longer than the 100 characters that such a name may have.
    path = Path(tempfile.gettempdir()) / f"axon-{os.getpid()}.sock"
    process = await asyncio.create_subprocess_exec(
        harness.redis_executable(), "--port", "0", "--unixsocket", str(path), "--save", "",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await harness.eventually(path.exists)
        origins = Origins(files=LabelFiles(folder))
        labels = Labels(LabelStore(f"unix://{path}"), origins, 10)
        assert await labels.look_up(SOURCE, [1]) == {1: "label 1"}
        await labels.close()
    finally:
        process.terminate()
        await process.wait()
