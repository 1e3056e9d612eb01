"""Labels from a fake Neuronpedia that answers completely, wrongly, late or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from axon_gateway import metrics
from axon_gateway.config import Settings
from axon_gateway.labels import fetch
from axon_gateway.labels.api import FeatureApi
from axon_gateway.labels.examples import ExampleFiles
from axon_gateway.labels.export import BulkExport
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.http import Http, Unavailable
from axon_gateway.labels.labels import Labels, Origins
from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.store import LabelStore
from redis import Redis

from ...patience import eventually
from . import harness
from .fake_neuronpedia import SOURCE, FakeNeuronpedia
from .harness import RedisServer

RATE = 1000.0


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    """The shared Redis, emptied."""
    with Redis.from_url(shared_redis.url) as client:
        client.flushall()
    return shared_redis


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeNeuronpedia]:
    """40 features in five batches of each kind; features 100 and 101 are only in the API."""
    labels = {index: f"label {index}" for index in range(40)}
    async with FakeNeuronpedia(labels, {100: "label 100", 101: "label 101"}) as fake:
        yield fake


@contextlib.asynccontextmanager
async def opened(
    fake: FakeNeuronpedia, redis: RedisServer, size: int = 10**8, **origins: object
) -> AsyncIterator[Labels]:
    http = Http()
    given = {
        "export": BulkExport(http, fake.export, patience=0.01),
        "api": FeatureApi(http, fake.api, RATE),
        "neuronpedia_id": lambda source: source,
        "http": http,
        **origins,
    }
    labels = Labels(LabelStore(redis.url), Origins(**given), size)  # type: ignore[arg-type]
    try:
        yield labels
    finally:
        await labels.close()


@pytest_asyncio.fixture
async def labels(fake: FakeNeuronpedia, redis: RedisServer) -> AsyncIterator[Labels]:
    async with opened(fake, redis) as labels:
        yield labels


async def asked(labels: Labels, *indices: int) -> dict[int, str]:
    """The labels found by asking for these features once."""
    found: dict[int, str] = {}
    async for some in labels.ask(SOURCE, indices):
        found |= some
    return found


class TestExport:
    async def test_all_batches_of_both_kinds_are_fetched(
        self, labels: Labels, fake: FakeNeuronpedia
    ) -> None:
        found = await labels.look_up(SOURCE, range(40))
        assert found == fake.labels
        assert await labels.feature(SOURCE, 39) == FeatureRecord(
            "label 39", "gpt-3.5-turbo", None, 0.003, 12.5
        )
        assert sorted(fake.seen.files) == sorted(fake.files())
        assert fake.seen.features == []
        for name in ("axon_label_export_batches", "axon_label_export_batches_expected"):
            assert metrics.REGISTRY.get_sample_value(name, {"source": SOURCE}) == 10

    @pytest.mark.parametrize("batches", [1, 2, 3, 4, 5, 8, 9, 23])
    async def test_the_number_of_batches_is_found_out(
        self, fake: FakeNeuronpedia, http: Http, batches: int
    ) -> None:
        fake.labels = dict.fromkeys(range(batches), "x")
        fake.rows = 1
        assert await BulkExport(http, fake.export).count(SOURCE, "features") == batches

    async def test_two_gateways_fetch_it_once(
        self, fake: FakeNeuronpedia, redis: RedisServer
    ) -> None:
        fake.delay = 0.05
        async with opened(fake, redis) as one, opened(fake, redis) as other:
            answers = await asyncio.gather(
                one.look_up(SOURCE, [1]), other.look_up(SOURCE, [1]), other.look_up(SOURCE, [2])
            )
        assert answers == [{1: "label 1"}, {1: "label 1"}, {2: "label 2"}]
        assert sorted(fake.seen.files) == sorted(fake.files())

    async def test_another_gateway_takes_over_from_one_that_died_while_fetching(
        self, fake: FakeNeuronpedia, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("axon_gateway.labels.store._LOCK", 0.5)
        async with opened(fake, redis) as labels:
            with Redis.from_url(redis.url) as client:
                client.set(f"axon:labels:{SOURCE}:lock", "of one that died", px=500)
            assert await labels.look_up(SOURCE, [1]) == {1: "label 1"}

    async def test_the_lock_is_renewed_while_fetching(
        self, fake: FakeNeuronpedia, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("axon_gateway.labels.store._LOCK", 2.0)
        fake.go.clear()
        left = [0]
        async with opened(fake, redis) as one, opened(fake, redis) as other:
            fetching = asyncio.gather(one.prepare(SOURCE), other.prepare(SOURCE))
            with Redis.from_url(redis.url) as client:

                def renewed() -> bool:
                    left.append(int(client.pttl(f"axon:labels:{SOURCE}:lock")))
                    return 0 < left[-2] < left[-1]

                await eventually(renewed)
            fake.go.set()
            await fetching
        assert sorted(fake.seen.files) == sorted(fake.files())

    @pytest.mark.parametrize("fault", ["429", "500", "cut off", "damaged"])
    async def test_after_a_temporary_fault_nothing_is_missing(
        self, labels: Labels, fake: FakeNeuronpedia, fault: str
    ) -> None:
        fake.file_faults["explanations/batch-2.jsonl.gz"] = deque([fault] * 2)
        assert await labels.look_up(SOURCE, range(40)) == fake.labels

    @pytest.mark.parametrize("fault", ["429", "500", "slow", "cut off", "damaged"])
    async def test_a_batch_that_fails_loses_only_its_own_rows_and_is_tried_again(
        self,
        labels: Labels,
        fake: FakeNeuronpedia,
        redis: RedisServer,
        fault: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        if fault == "slow":
            briefly = aiohttp.ClientTimeout(total=0.3)
            monkeypatch.setattr("axon_gateway.labels.export._TIMEOUT", briefly)
        monkeypatch.setattr("axon_gateway.labels.export._PARTIAL", 0.5)
        fake.file_faults["explanations/batch-1.jsonl.gz"] = deque([fault] * 4)
        found = await labels.look_up(SOURCE, range(40))
        assert len(found) == 32
        assert "1 batches are missing" in caplog.text
        # Their labels count as missing, and not as absent.
        assert len(labels.missing(SOURCE, range(40))) == 8
        await asyncio.sleep(0.6)
        assert await labels.look_up(SOURCE, range(40)) == fake.labels

    async def test_malformed_rows_are_left_out_and_logged(
        self, labels: Labels, fake: FakeNeuronpedia, caplog: pytest.LogCaptureFixture
    ) -> None:
        fake.file_faults["explanations/batch-1.jsonl.gz"] = deque(["malformed"])
        assert len(await labels.look_up(SOURCE, range(40))) == 32
        assert "1 row is left out (row 1: not JSON" in caplog.text

    async def test_a_source_without_export_is_asked_for_one_by_one(
        self, fake: FakeNeuronpedia, redis: RedisServer
    ) -> None:
        fake.labels = {}
        async with opened(fake, redis) as labels:
            assert await labels.look_up(SOURCE, [100]) == {}
            assert await asked(labels, 100) == {100: "label 100"}
        assert fake.seen.files == []

    async def test_answers_are_kept_when_the_export_is_asked_for_again(
        self, fake: FakeNeuronpedia, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("axon_gateway.labels.export._ABSENT", 0.2)
        fake.labels = {}
        async with opened(fake, redis) as labels:
            await labels.look_up(SOURCE, [100])
            assert await asked(labels, 100) == {100: "label 100"}
        await asyncio.sleep(0.3)
        # A new gateway, with an empty memory, asks for the export again.
        async with opened(fake, redis) as labels:
            assert await labels.look_up(SOURCE, [5, 100]) == {100: "label 100"}
            assert (await labels.feature(SOURCE, 100)).label == "label 100"
        assert fake.seen.features == [100]

    async def test_answers_are_kept_when_a_partial_export_is_fetched_again(
        self, fake: FakeNeuronpedia, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("axon_gateway.labels.export._PARTIAL", 0.2)
        fake.file_faults["explanations/batch-1.jsonl.gz"] = deque(["500"] * 4)
        async with opened(fake, redis) as labels:
            await labels.look_up(SOURCE, [100])
            assert await asked(labels, 100) == {100: "label 100"}
        await asyncio.sleep(0.3)
        async with opened(fake, redis) as labels:
            expected = {**fake.labels, 100: "label 100"}
            assert await labels.look_up(SOURCE, [*range(40), 100]) == expected
        assert fake.seen.features == [100]

    async def test_labels_in_redis_are_kept_when_neuronpedia_is_turned_off(
        self, fake: FakeNeuronpedia, redis: RedisServer
    ) -> None:
        async with opened(fake, redis) as labels:
            await labels.prepare(SOURCE)
        async with opened(fake, redis, export=None, api=None) as labels:
            await labels.prepare(SOURCE)
            assert await labels.look_up(SOURCE, range(40)) == fake.labels

    async def test_without_a_server_unknown_labels_stay_missing(
        self, fake: FakeNeuronpedia, redis: RedisServer
    ) -> None:
        await fake.stop()
        async with opened(fake, redis) as labels:
            assert await labels.look_up(SOURCE, [1]) == {}
            assert await asked(labels, 1) == {}
            assert labels.missing(SOURCE, [1]) == {1}
        with Redis.from_url(redis.url) as client:
            assert client.hkeys(f"axon:labels:{SOURCE}") == [b"@"]

    async def test_files_come_before_the_export(
        self, fake: FakeNeuronpedia, redis: RedisServer, tmp_path: Path
    ) -> None:
        harness.write_labels(tmp_path, SOURCE, {1: "mine"})
        async with opened(fake, redis, files=LabelFiles(tmp_path)) as labels:
            assert await labels.look_up(SOURCE, [1, 2]) == {1: "mine"}
            # Features that the files lack are asked for.
            assert await asked(labels, 1, 2) == {2: "label 2"}
        assert fake.seen.files == []

    async def test_labels_stored_by_another_version_are_fetched_again(
        self, labels: Labels, redis: RedisServer
    ) -> None:
        with Redis.from_url(redis.url) as client:
            client.hset(f"axon:labels:{SOURCE}", mapping={"@": "abcdef", "1": '{"text": "old"}'})
        assert await labels.look_up(SOURCE, [1]) == {1: "label 1"}


def over(api: FeatureApi, seconds: float) -> None:
    """Ends a pause in which the API is not asked, of which most must be left."""
    assert seconds / 2 < api._paused_until - asyncio.get_running_loop().time() <= seconds
    api._paused_until = 0.0


class TestApi:
    async def test_a_feature_that_the_export_lacks_is_asked_for_once(
        self, labels: Labels, fake: FakeNeuronpedia
    ) -> None:
        await labels.look_up(SOURCE, [1, 100])
        assert labels.missing(SOURCE, [1, 100]) == {100}
        answers = await asyncio.gather(*(asked(labels, 100) for _ in range(5)))
        assert answers == [{100: "label 100"}] * 5
        assert fake.seen.features == [100]
        record = await labels.feature(SOURCE, 100)
        assert record == FeatureRecord("label 100", "gpt-4o-mini", None, 0.003, 12.5)

    async def test_another_gateway_finds_the_answer_in_redis(
        self, fake: FakeNeuronpedia, redis: RedisServer
    ) -> None:
        for _ in range(2):
            async with opened(fake, redis) as labels:
                await labels.look_up(SOURCE, [100])
                await asked(labels, 100)
                assert labels.known(SOURCE, 100) == "label 100"
        assert fake.seen.features == [100]

    async def test_many_questions_to_redis_are_read_together(
        self, fake: FakeNeuronpedia, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As when 16 generations need features of 13 sources."""
        sources = [f"gpt2-small/{layer}-res-jb" for layer in range(13)]
        async with opened(fake, redis, export=None) as one:
            await one.prepare(SOURCE)
            assert await asked(one, 100) == {100: "label 100"}
        reads: list[int] = []
        actual = LabelStore.answers

        async def answers(self: LabelStore, wanted: Mapping[str, Iterable[int]]) -> Any:
            reads.append(len(wanted))
            return await actual(self, wanted)

        async with opened(fake, redis, export=None) as labels:
            # Another gateway's answer comes to Redis after this gateway has read Redis.
            await labels.hold(sources)
            async with opened(fake, redis, export=None) as one:
                await one.prepare(SOURCE)
                assert await asked(one, 101) == {101: "label 101"}
            monkeypatch.setattr(LabelStore, "answers", answers)
            found = await asyncio.gather(
                *(labels.look_up(source, [100, 101, 200]) for source in sources * 16)
            )
        known = [some for some in found if some]
        assert known == [{100: "label 100", 101: "label 101"}] * 16
        assert len(reads) <= 2
        assert max(reads) == 13

    async def test_not_found_is_remembered_for_a_day(
        self, fake: FakeNeuronpedia, redis: RedisServer
    ) -> None:
        for _ in range(2):
            async with opened(fake, redis) as labels:
                await labels.look_up(SOURCE, [999])
                assert await asked(labels, 999) == {}
                assert labels.missing(SOURCE, [999]) == set()
                assert (await labels.feature(SOURCE, 999)).label is None
        assert fake.seen.features == [999]
        fake.single[999] = "found by now"
        with Redis.from_url(redis.url) as client:
            entry = json.loads(client.hget(f"axon:labels:{SOURCE}:answers", "999"))
            entry["asked"] -= 24 * 3600
            client.hset(f"axon:labels:{SOURCE}:answers", "999", json.dumps(entry))
        async with opened(fake, redis) as labels:
            await labels.look_up(SOURCE, [999])
            assert await asked(labels, 999) == {999: "found by now"}

    async def test_not_found_keeps_the_statistics(
        self, fake: FakeNeuronpedia, redis: RedisServer, tmp_path: Path
    ) -> None:
        harness.write_labels(tmp_path, SOURCE, {999: "x"})
        explanations = tmp_path / SOURCE / "explanations" / "batch-0.jsonl.gz"
        explanations.unlink()
        async with opened(fake, redis, files=LabelFiles(tmp_path)) as labels:
            expected = FeatureRecord(density=0.01, max_activation=4.5)
            for _ in range(2):
                assert await labels.feature(SOURCE, 999) == expected
        assert fake.seen.features == [999]

    @pytest.mark.parametrize("fault", ["500", "slow", "cut off", "malformed", "403"])
    async def test_a_failure_is_not_an_answer(
        self,
        fake: FakeNeuronpedia,
        redis: RedisServer,
        fault: str,
        api: FeatureApi,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        if fault == "slow":
            briefly = aiohttp.ClientTimeout(total=0.3)
            monkeypatch.setattr("axon_gateway.labels.api._TIMEOUT", briefly)
        fake.api_faults.append(fault)
        async with opened(fake, redis, api=api) as labels:
            await labels.look_up(SOURCE, [100])
            assert await asked(labels, 100) == {}
            assert labels.missing(SOURCE, [100]) == {100}
            # After a failure the API is not asked for a while.
            assert await asked(labels, 100, 101) == {}
            assert fake.seen.features == [100]
            over(api, 5)
            assert await asked(labels, 100) == {100: "label 100"}
        assert "Neuronpedia does not answer" in caplog.text

    async def test_after_a_429_nothing_is_asked_for_the_time_it_says(
        self,
        fake: FakeNeuronpedia,
        redis: RedisServer,
        api: FeatureApi,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        fake.limit_headers["Retry-After"] = "1000"
        fake.limit_body = {"limitPerWindow": 3_600_000}
        fake.api_faults.append("429")
        async with opened(fake, redis, api=api) as labels:
            await labels.prepare(SOURCE)
            assert await asked(labels, 100, 101) == {}
            assert await asked(labels, 100) == {}
            assert fake.seen.features == [100]
            over(api, 1000)
            assert await asked(labels, 100) == {100: "label 100"}
        assert fake.seen.features == [100, 100]
        assert "limit is reached" in caplog.text


@pytest_asyncio.fixture
async def http() -> AsyncIterator[Http]:
    http = Http()
    yield http
    await http.close()


@pytest.fixture
def api(fake: FakeNeuronpedia, http: Http) -> FeatureApi:
    return FeatureApi(http, fake.api, RATE)


class TestPace:
    """How long the gateway waits after a 429, and how fast it asks."""

    async def limited(self, fake: FakeNeuronpedia, api: FeatureApi) -> float:
        fake.api_faults.append("429")
        api._paused_until = 0.0
        with pytest.raises(Unavailable) as refused:
            await api.feature(SOURCE, 1)
        assert refused.value.retry_after is not None
        return refused.value.retry_after

    async def test_without_a_given_time_the_wait_doubles_up_to_an_hour(
        self, fake: FakeNeuronpedia, api: FeatureApi
    ) -> None:
        fake.limit_body = {}
        waits = [await self.limited(fake, api) for _ in range(8)]
        assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]

    @pytest.mark.parametrize(
        ("header", "low", "high"),
        [
            ("7", 7, 7),
            ("999999", 3600, 3600),
            ("soon", 60, 60),
            ("", 60, 60),
            ("-5", 60, 60),
        ],
    )
    async def test_a_given_time_is_used(
        self, fake: FakeNeuronpedia, api: FeatureApi, header: str, low: float, high: float
    ) -> None:
        fake.limit_headers["Retry-After"] = header
        assert low <= await self.limited(fake, api) <= high

    async def test_a_given_date_is_used(self, fake: FakeNeuronpedia, api: FeatureApi) -> None:
        fake.limit_headers["Retry-After"] = formatdate(time.time() + 100, usegmt=True)
        assert 10 <= await self.limited(fake, api) <= 101

    async def test_the_limit_per_window_sets_the_rate(
        self, fake: FakeNeuronpedia, api: FeatureApi
    ) -> None:
        fake.limit_headers["Retry-After"] = "0"
        fake.limit_body = {"limitPerWindow": 36_000}  # ten a second
        await self.limited(fake, api)
        began = time.monotonic()
        for _ in range(4):
            await api.feature(SOURCE, 1)
        assert time.monotonic() - began >= 0.3

    @pytest.mark.parametrize("body", [{"limitPerWindow": bad} for bad in (0, -1, "x", None, True)])
    async def test_an_invalid_limit_changes_nothing(
        self, fake: FakeNeuronpedia, api: FeatureApi, body: dict[str, object]
    ) -> None:
        fake.limit_headers["Retry-After"] = "0"
        fake.limit_body = body
        await self.limited(fake, api)
        assert api._spacing == 1 / RATE

    async def test_all_questions_together_keep_to_the_rate(
        self, fake: FakeNeuronpedia, http: Http
    ) -> None:
        api = FeatureApi(http, fake.api, 50)
        began = time.monotonic()
        await asyncio.gather(*(api.feature(SOURCE, index) for index in range(11)))
        assert time.monotonic() - began >= 0.2


class TestFetch:
    """`python -m axon_gateway labels`."""

    async def fetch(self, settings: Settings, *arguments: str) -> int:
        return await asyncio.to_thread(fetch.main, arguments, settings)

    async def test_into_redis(self, fake: FakeNeuronpedia, redis: RedisServer) -> None:
        settings = Settings(redis_url=redis.url, neuronpedia_export=fake.export)
        assert await self.fetch(settings, SOURCE) == 0
        before = len(fake.seen.files)
        async with opened(fake, redis) as labels:
            assert await labels.look_up(SOURCE, [39]) == {39: "label 39"}
        assert len(fake.seen.files) == before

    async def test_texts_of_features_are_fetched_if_asked_for(
        self, fake: FakeNeuronpedia, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.activations = [{"tokens": ["a", " b"], "values": [0, 4.5]}]
        settings = Settings(neuronpedia_export=fake.export)
        assert await self.fetch(settings, SOURCE, "--to", str(tmp_path / "labels")) == 0
        assert not any(name.startswith("activations") for name in fake.seen.files)
        both = ("--to", str(tmp_path / "all"), "--examples")
        assert await self.fetch(settings, SOURCE, *both) == 0
        [one] = ExampleFiles(LabelFiles(tmp_path / "all")).read(SOURCE, 39) or ()
        assert (one.tokens, one.activations) == (["a", " b"], [0, 4.5])
        with pytest.raises(SystemExit):
            await self.fetch(settings, SOURCE, "--examples")
        assert "--examples needs --to" in capsys.readouterr().err

    async def test_into_files_for_a_machine_without_internet(
        self,
        fake: FakeNeuronpedia,
        redis: RedisServer,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        settings = Settings(redis_url="redis://127.0.0.1:1", neuronpedia_export=fake.export)
        assert await self.fetch(settings, SOURCE, "--to", str(tmp_path)) == 0
        output = capsys.readouterr()
        assert output.out == f"{SOURCE}: 40 labels are in {tmp_path / SOURCE}\n"
        assert "10/10" in output.err
        await fake.stop()
        files = LabelFiles(tmp_path)
        async with opened(fake, redis, files=files, export=None, api=None) as labels:
            assert await labels.look_up(SOURCE, range(40)) == fake.labels

    @pytest.mark.parametrize("to_files", [False, True])
    async def test_an_incomplete_export_is_an_error(
        self,
        fake: FakeNeuronpedia,
        redis: RedisServer,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        to_files: bool,
    ) -> None:
        monkeypatch.setattr("axon_gateway.labels.export._TRIES", 1)
        fake.file_faults["features/batch-0.jsonl.gz"] = deque(["500"])
        settings = Settings(redis_url=redis.url, neuronpedia_export=fake.export)
        to = ["--to", str(tmp_path)] if to_files else []
        assert await self.fetch(settings, SOURCE, *to) == 1
        assert "fetched" in capsys.readouterr().err
        # Redis holds no part of it, and the next try fetches all.
        with Redis.from_url(redis.url) as client:
            assert client.keys() == []
        assert await self.fetch(settings, SOURCE, *to) == 0

    async def test_a_missing_source_redis_or_folder_is_an_error(
        self,
        fake: FakeNeuronpedia,
        redis: RedisServer,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        settings = Settings(redis_url=redis.url, neuronpedia_export=fake.export)
        assert await self.fetch(settings, "gpt2-small/nothing") == 1
        assert "no export of it" in capsys.readouterr().err
        elsewhere = dataclasses.replace(settings, redis_url="redis://127.0.0.1:1")
        assert await self.fetch(elsewhere, SOURCE) == 1
        assert "AXON_REDIS_URL" in capsys.readouterr().err
        (tmp_path / "file").touch()
        assert await self.fetch(settings, SOURCE, "--to", str(tmp_path / "file")) == 1
        assert "cannot be written to" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
