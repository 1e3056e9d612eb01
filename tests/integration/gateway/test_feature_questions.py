"""Many questions about features at once: other clients do not wait, and their number is limited."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from axon_gateway import limits
from axon_gateway.config import Settings
from axon_gateway.labels import search
from axon_gateway.labels.search import Match, Tables

from ...patience import PATIENCE, eventually
from . import harness
from .fake_inference import SOURCES, WIDTH
from .harness import Running


class SlowSearch:
    """Replaces the real search: it begins, and ends when `go` is set."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def best(self, sources: Sequence[Tables], text: str, limit: int) -> list[Match]:
        self.begun.release()
        assert self.go.wait(2 * PATIENCE)
        return []


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowSearch:
    slow = SlowSearch()
    monkeypatch.setattr(search, "best", slow.best)
    return slow


async def ask(gateway: Running, path: str, address: str = "10.0.0.1") -> tuple[int, str | None]:
    """The status and error code of an answer to a client at this address."""
    headers = {"X-Forwarded-For": address}
    async with gateway.http.get(f"{gateway.url}{path}", headers=headers) as answer:
        if answer.status == 429:
            assert int(answer.headers["Retry-After"]) > 0
        return answer.status, (await answer.json()).get("error")


async def test_a_generation_does_not_wait_for_a_search(gateway: Running, slow: SlowSearch) -> None:
    searching = asyncio.create_task(ask(gateway, "/api/features?label=e"))
    assert await asyncio.to_thread(slow.begun.acquire, timeout=PATIENCE)
    client = await gateway.connect()
    await client.send(prompt="x")
    assert (await client.until("finished"))[-1]["status"] == "done"
    assert not searching.done()
    slow.go.set()
    assert await searching == (200, None)


async def test_searches_of_one_address_are_limited(settings: Settings, slow: SlowSearch) -> None:
    path, refused = "/api/features?label=e", (429, "too_many_questions")
    async with harness.running(dataclasses.replace(settings, client_searches=2)) as gateway:
        waiting = [asyncio.create_task(ask(gateway, path)) for _ in range(2)]
        assert await asyncio.to_thread(slow.begun.acquire, timeout=PATIENCE)
        await eventually(lambda: gateway.gateway.limits.searches._open.total() == 2)
        assert await ask(gateway, path) == refused
        other = asyncio.create_task(ask(gateway, path, "10.0.0.2"))
        await eventually(lambda: gateway.gateway.limits.searches._open.total() == 3)
        # Searches run one at a time.
        assert not slow.begun.acquire(blocking=False)
        slow.go.set()
        assert await asyncio.gather(*waiting, other) == [(200, None)] * 3
        assert await ask(gateway, path) == (200, None)


async def test_searches_of_all_addresses_together_are_limited(
    settings: Settings, slow: SlowSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_ADDRESSES", 3)
    path = "/api/features?label=e"
    async with harness.running(dataclasses.replace(settings, client_searches=1)) as gateway:
        people = [f"10.0.0.{number}" for number in range(10)]
        answers = [asyncio.create_task(ask(gateway, path, address)) for address in people]
        await eventually(lambda: sum(answer.done() for answer in answers) == 7)
        slow.go.set()
        counts = Counter(await asyncio.gather(*answers))
    assert counts == {(200, None): 3, (429, "too_many_questions"): 7}


async def test_a_cancelled_search_frees_its_place(settings: Settings, slow: SlowSearch) -> None:
    path = "/api/features?label=e"
    async with harness.running(dataclasses.replace(settings, client_searches=1)) as gateway:
        leaving = asyncio.create_task(ask(gateway, path))
        assert await asyncio.to_thread(slow.begun.acquire, timeout=PATIENCE)
        leaving.cancel()
        slow.go.set()
        await eventually(lambda: not gateway.gateway.limits.searches._open)
        assert await ask(gateway, path) == (200, None)


async def test_hundreds_of_questions_at_once_are_all_answered(gateway: Running) -> None:
    source = SOURCES[0]
    indices = ",".join(str(number % WIDTH) for number in range(512))
    paths = [f"/api/features/{source}/{number % WIDTH}" for number in range(250)]
    paths += [f"/api/features/{source}?index={indices}"] * 150
    # A default session opens at most a hundred connections.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        many = Running(gateway.gateway, gateway.url, http)
        answers = await asyncio.gather(*(ask(many, path) for path in paths))
    assert Counter(answers) == {(200, None): 400}
    # Redis is not taken for failing afterwards.
    assert gateway.gateway.labels.available


async def test_bad_rows_do_not_affect_others(settings: Settings, tmp_path: Path) -> None:
    harness.write_labels(tmp_path, SOURCES[0], {7: "cats"})
    harness.write_labels(tmp_path, SOURCES[1], {7: "cats"})
    folder = tmp_path / SOURCES[0] / "explanations"
    bad = [-5, 2**70, 1e29, "9" * 4000, None, [], {}]
    rows = [json.dumps({"index": index, "description": "cats of no index"}) for index in bad]
    rows.append(json.dumps({"index": 8, "description": "cats " + "x" * 2**20}))
    (folder / "bad.jsonl").write_text("\n".join([*rows, "[" * 5000, '{"index": 9, "desc']))
    (folder / "folder.jsonl").mkdir()
    (folder / "dangling.jsonl").symlink_to(tmp_path / "nowhere")
    async with harness.running(dataclasses.replace(settings, labels=tmp_path)) as gateway:
        async with gateway.http.get(f"{gateway.url}/api/features?label=cats") as answer:
            assert answer.status == 200
            found = (await answer.json())["features"]
        client = await gateway.connect()
        await client.send(prompt="x")
        assert (await client.until("finished"))[-1]["status"] == "done"
    assert [(one["source"], one["index"]) for one in found] == [
        (SOURCES[0], 7),
        (SOURCES[1], 7),
        (SOURCES[0], 8),
    ]
    assert len(found[2]["label"]) == 500
