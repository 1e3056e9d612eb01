"""Monitoring the gateway: `/metrics`, and its log as JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import grpc
import pytest
from axon_gateway.config import Settings
from prometheus_client.parser import text_string_to_metric_families

from ...patience import PATIENCE, eventually
from . import harness
from .fake_inference import Failure, FakeInference, Script
from .harness import RawSocket, Running
from .test_process import address, start

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(gateway: Running) -> Samples:
    """Every sample, by its name and labels, as Prometheus reads them."""
    async with gateway.http.get(f"{gateway.url}/metrics") as answer:
        assert answer.content_type == "text/plain"
        text = await answer.text()
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


class Change:
    """How much the process's metrics have changed since `begin`."""

    def __init__(self, gateway: Running) -> None:
        self._gateway = gateway
        self._before: Samples = {}

    async def begin(self) -> None:
        self._before = await scrape(self._gateway)

    async def of(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return (await scrape(self._gateway)).get(key, 0) - self._before.get(key, 0)

    async def becomes(self, value: float, name: str, **labels: str) -> None:
        """Waits for a change: a client may hear of an end before it is counted."""

        async def is_there() -> bool:
            return await self.of(name, **labels) == value

        await eventually(is_there)


@pytest.fixture
async def change(gateway: Running) -> Change:
    change = Change(gateway)
    await change.begin()
    return change


async def test_a_generation_is_counted(
    gateway: Running, change: Change, inference: FakeInference
) -> None:
    client = await gateway.connect()
    await client.send(prompt="x")
    await client.until("finished")
    await change.becomes(1, "axon_generations_total", outcome="done")
    assert await change.of("axon_tokens_total", origin="prompt") == 3
    assert await change.of("axon_tokens_total", origin="generated") == 4
    assert await change.of("axon_first_token_seconds_count") == 1
    assert await change.of("axon_generation_seconds_count") == 1
    # One for each frame of the room's log, or fewer if frames were sent together.
    assert 1 <= await change.of("axon_event_to_socket_seconds_count") <= client.last
    # BOS has no features; six positions with two features from each of two sources.
    hits = await change.of("axon_label_lookups_total", result="hit")
    assert hits + await change.of("axon_label_lookups_total", result="miss") == 24


async def test_there_is_one_stream_for_all_viewers(
    gateway: Running, change: Change, inference: FakeInference
) -> None:
    turns = asyncio.Semaphore(0)
    inference.script = Script(queue=(1, 0), turns=turns)
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    viewers = [await gateway.connect(room=room) for _ in range(5)]
    await presenter.send(prompt="x")
    await presenter.until("queued")
    assert await change.of("axon_generations_in_progress", state="queued") == 1
    turns.release()
    turns.release()
    for viewer in viewers:
        await viewer.until("token")
    assert await change.of("axon_generations_in_progress", state="queued") == 0
    assert await change.of("axon_generations_in_progress", state="running") == 1
    assert await change.of("axon_upstream_streams", backend=inference.address) == 1
    now = await scrape(gateway)
    assert (now["axon_rooms", ()], now["axon_viewers", ()], now["axon_sockets", ()]) == (1, 6, 6)
    await presenter.send(type="stop")
    await presenter.until("finished")
    await change.becomes(1, "axon_generations_total", outcome="stopped")
    await change.becomes(0, "axon_upstream_streams", backend=inference.address)
    await change.becomes(0, "axon_generations_in_progress", state="running")


async def test_errors_are_counted_by_code(
    gateway: Running, change: Change, inference: FakeInference
) -> None:
    client = await gateway.connect()
    await client.send(prompt="")
    await client.until("error")
    async with gateway.http.get(f"{gateway.url}/api/nothing") as answer:
        assert answer.status == 404
    inference.script.failure = Failure(grpc.StatusCode.INTERNAL, "boom")
    await client.send(prompt="x")
    await client.until("error")
    inference.script.refusal = Failure(grpc.StatusCode.NOT_FOUND, "no such source")
    await client.send(prompt="x")
    await client.until("error")
    for code in ("empty_prompt", "not_found", "generation_failed", "unknown_source"):
        assert await change.of("axon_errors_total", code=code) == 1, code
    for code in ("generation_failed", "unknown_source"):
        await change.becomes(1, "axon_generations_total", outcome=code)


async def test_a_viewer_that_lags_is_counted(gateway: Running, inference: FakeInference) -> None:
    inference.script = Script(tokens=("x" * 8000,) * 600, delay=0.001)
    presenter = await gateway.connect()
    stalled = await RawSocket.connect(gateway.url, (await presenter.frame())["room"])
    await presenter.send(prompt="x")
    await presenter.until("finished")
    now = await scrape(gateway)
    assert now["axon_viewer_lag_frames", ()] > 100
    assert now["axon_viewers_lagging", ()] == 1
    stalled.close()


async def test_the_process_itself_is_measured(gateway: Running) -> None:
    now = await scrape(gateway)
    assert now["process_resident_memory_bytes", ()] > 1e6
    assert now["axon_labels_available", ()] == 1


async def test_an_answer_carries_its_requests_id(gateway: Running) -> None:
    url = f"{gateway.url}/healthz"
    for given, kept in (("abc-1", True), ("a b", False), ("x" * 65, False)):
        async with gateway.http.get(url, headers={"X-Request-ID": given}) as answer:
            assert (answer.headers["X-Request-ID"] == given) is kept
    async with gateway.http.get(url) as answer:
        assert len(answer.headers["X-Request-ID"]) == 16


async def logged(settings: Settings) -> tuple[list[dict[str, Any]], str]:
    """A gateway's log of one generation in a room and one over HTTP, and the room's name."""
    process = await start(settings, AXON_LOG_FORMAT="json")
    url = await address(process, r"listening on ([^\s\"]+)")
    async with aiohttp.ClientSession() as http:
        headers = {"X-Request-ID": "mine"}
        client = harness.Socket(await http.ws_connect(f"{url}/ws", headers=headers))
        room = (await client.frame())["room"]
        await client.send(prompt="a secret")
        await client.until("finished")
        async with http.post(f"{url}/api/generate", json={"prompt": "a secret"}) as answer:
            await answer.read()
        await client.close()
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    return [json.loads(line) for line in errors.decode().splitlines()], room


async def test_the_log_as_json_has_one_line_for_each_generation(
    settings: Settings, inference: FakeInference
) -> None:
    lines, room = await logged(settings)
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    ended = [line for line in lines if "outcome" in line]
    first, second = ended
    assert (first["outcome"], first["request_id"], first["room"]) == ("done", "mine", room)
    assert (first["model"], first["generated_tokens"], first["prompt_tokens"]) == ("fake", 4, 3)
    assert first["backend"] == settings.inference
    assert 0 < first["first_token_ms"] <= first["duration_ms"]
    assert "room" not in second
    requests = [line for line in lines if line.get("path") == "/api/generate"]
    assert [line["request_id"] for line in requests] == [second["request_id"]]
    # Inference gets the same ids, and logs them too.
    told = [metadata["x-request-id"] for metadata in inference.seen.metadata]
    assert told == ["mine", second["request_id"]]
    # The log never holds a prompt.
    assert "secret" not in json.dumps(lines)
