"""The HTTP interface over real sockets: NDJSON, the model, features, probes, the page."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import grpc
import pytest
from axon_gateway.config import Settings
from axon_gateway.frames import TokenFrames
from axon_inference.serving.validation import MIN_TEMPERATURE

from ...patience import PATIENCE, eventually
from . import harness
from .fake_inference import SOURCES, Failure, FakeInference, Script
from .harness import Running


async def test_ndjson_has_the_same_frames_as_the_socket(gateway: Running) -> None:
    async with gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "x"}) as answer:
        assert answer.content_type == "application/x-ndjson"
        frames = [json.loads(line) async for line in answer.content]
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    kinds = [frame["type"] for frame in frames if frame["type"] != "labels"]
    assert kinds == ["started", "prompt", *["token"] * 4, "finished"]


async def test_each_line_is_sent_at_once(gateway: Running, inference: FakeInference) -> None:
    """Read from a plain connection, since an HTTP client might collect lines."""
    inference.script.turns = turns = asyncio.Semaphore(1)
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"prompt": "x"}'
    head = b"POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % len(body) + body)
    # Each comes before the next one is made.
    for step in range(4):
        turns.release()
        async with asyncio.timeout(PATIENCE):
            while b'"type":"token"' not in (line := await reader.readuntil(b"\n")):
                pass
        assert json.loads(line)["step"] == step
    writer.close()


async def test_a_client_that_disconnects_cancels_its_generation(
    gateway: Running, inference: FakeInference
) -> None:
    # While the request waits in the queue, no write can fail: the gateway must watch the socket.
    inference.script = Script(queue=(1,), delay=60)
    answer = await gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "x"})
    await answer.content.readline()
    assert inference.seen.running == 1
    answer.close()
    await eventually(lambda: inference.seen.running == 0)


async def test_a_bug_during_a_stream_ends_it_with_an_error(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: TokenFrames, token: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(TokenFrames, "token", fail)
    async with gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "x"}) as answer:
        assert answer.status == 200
        frames = [json.loads(line) async for line in answer.content]
    told = [frame for frame in frames if frame["type"] != "labels"]
    assert [frame["type"] for frame in told] == ["started", "prompt", "error"]
    assert told[-1]["error"] == "internal"
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    ("failure", "status", "code", "retry_after"),
    [
        (
            Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_seconds=3),
            429,
            "queue_full",
            "3",
        ),
        (Failure(grpc.StatusCode.UNAVAILABLE, "draining"), 503, "not_ready", None),
        (Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "late"), 504, "deadline", None),
        (Failure(grpc.StatusCode.NOT_FOUND, "no such source"), 400, "unknown_source", None),
        (Failure(grpc.StatusCode.INTERNAL, "boom"), 500, "generation_failed", None),
        (Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "large"), 500, "generation_failed", None),
    ],
    ids=lambda value: value.code.name if isinstance(value, Failure) else None,
)
async def test_a_refusal_has_its_status_and_code(
    gateway: Running,
    inference: FakeInference,
    failure: Failure,
    status: int,
    code: str,
    retry_after: str | None,
) -> None:
    inference.script.refusal = failure
    async with gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "x"}) as answer:
        assert (answer.status, (await answer.json())["error"]) == (status, code)
        assert answer.headers.get("Retry-After") == retry_after


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (grpc.StatusCode.INTERNAL, "the step failed", "generation_failed"),
        (grpc.StatusCode.UNKNOWN, "Unexpected <class 'KeyError'>", "generation_failed"),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", "backend_lost"),
        (grpc.StatusCode.CANCELLED, "shutting down", "backend_lost"),
        # What gRPC reports when the connection broke.
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", "backend_lost"),
        (grpc.StatusCode.UNKNOWN, "Stream removed", "backend_lost"),
    ],
)
async def test_a_failure_during_a_stream_is_the_last_line(
    gateway: Running, inference: FakeInference, status: grpc.StatusCode, message: str, code: str
) -> None:
    inference.script.failure = Failure(status, message)
    async with gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "x"}) as answer:
        assert answer.status == 200
        frames = [json.loads(line) async for line in answer.content]
    last = [frame for frame in frames if frame["type"] != "labels"][-1]
    assert (last["type"], last["error"]) == ("error", code)
    assert f"{inference.address} (fake:{inference.port})" in last["message"]


async def test_the_model_is_described(gateway: Running) -> None:
    async with gateway.http.get(f"{gateway.url}/api/model") as answer:
        model = await answer.json()
    assert model["model"] == "fake"
    assert model["sources"][1] == {
        "id": SOURCES[1],
        "hook": "blocks.1.hook_resid_post",
        "layer": 1,
        "width": 64,
        "architecture": "topk",
        "neuronpedia_url": None,
        "not_editable": None,
    }
    assert model["params"]["temperature"] == {
        "type": "number",
        "min": 0,
        "min_above_zero": MIN_TEMPERATURE,
        "max": 10,
        "default": 0.8,
    }
    assert model["params"]["top_k"]["max"] == 100
    assert model["params"]["max_tokens"]["default"] == 60
    assert model["params"]["seed"]["max"] == "18446744073709551615"
    assert model["limits"]["max_message_bytes"] == 65536
    assert model["load"] == {"running": 1, "queued": 0}


async def test_a_feature_is_described(gateway: Running) -> None:
    async with gateway.http.get(f"{gateway.url}/api/features/{SOURCES[0]}/7") as answer:
        assert await answer.json() == {
            "model": "fake",
            "source": "0-res",
            "index": 7,
            "label": "label 7 of fake/0-res",
            "explainer": "counted",
            "score": 0.5,
            "density": 0.01,
            "max_activation": 4.5,
            "neuronpedia_url": "https://neuronpedia.example/fake/0-res/7",
            "promoted": [{"token": " Paris", "token_id": 5, "logit": 1.5}],
            "suppressed": [{"token": " x", "token_id": 6, "logit": -0.5}],
            "neighbors": [{"index": 8, "cosine": 0.25}],
            "kin": [
                {
                    "source": SOURCES[1],
                    "index": 7,
                    "label": f"label 7 of {SOURCES[1]}",
                    "cosine": 0.5,
                    "mutual": True,
                }
            ],
            "examples": [
                {"tokens": ["The", " capital"], "activations": [0, 2.5], "origin": "recipe"}
            ],
            "weights_error": None,
        }


async def test_facts_of_many_features_come_in_one_answer(gateway: Running) -> None:
    path = f"/api/features/{SOURCES[0]}?index=7,3"
    async with gateway.http.get(f"{gateway.url}{path}") as answer:
        found = (await answer.json())["features"]
    assert found.keys() == {"7", "3"}
    assert found["3"] == {
        "label": "label 3 of fake/0-res",
        "explainer": "counted",
        "score": 0.5,
        "density": 0.01,
        "max_activation": 4.5,
    }


async def test_features_are_found_by_label_in_the_whole_model(gateway: Running) -> None:
    async def found(query: str) -> list[tuple[str, int, str]]:
        async with gateway.http.get(f"{gateway.url}/api/features?{query}") as answer:
            assert answer.status == 200
            features = (await answer.json())["features"]
        return [(one["source"], one["index"], one["label"]) for one in features]

    assert await found("label=LABEL+63") == [
        (source, 63, f"label 63 of {source}") for source in SOURCES
    ]
    assert await found("label=0-res+7+label&limit=1&model=fake") == [
        (SOURCES[0], 7, f"label 7 of {SOURCES[0]}")
    ]
    assert len(await found("label=label")) == 20
    assert await found("label=zebra") == []


async def test_a_feature_without_inference_keeps_its_label(
    gateway: Running, inference: FakeInference
) -> None:
    url = f"{gateway.url}/api/features/{SOURCES[0]}/7"
    async with gateway.http.get(url) as answer:
        assert answer.status == 200
    await inference.stop()
    async with gateway.http.get(url) as answer:
        found = await answer.json()
    assert (answer.status, found["label"]) == (200, "label 7 of fake/0-res")
    assert (found["promoted"], found["suppressed"], found["neighbors"]) == (None, None, None)
    assert inference.address in found["weights_error"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/features/fake/0-res", 404, "unknown_feature"),
        ("/api/features/fake/0-res?index=1,x", 404, "unknown_feature"),
        ("/api/features/fake/0-res?index=1,64", 404, "unknown_feature"),
        ("/api/features/fake/0-res?index=" + ",".join(["1"] * 513), 400, "out_of_range"),
        ("/api/features", 400, "out_of_range"),
        ("/api/features?label=+", 400, "out_of_range"),
        ("/api/features?label=" + "x" * 201, 400, "out_of_range"),
        ("/api/features?label=x&limit=0", 400, "out_of_range"),
        ("/api/features?label=x&limit=1e3", 400, "out_of_range"),
        ("/api/features/fake/0-res/64", 404, "unknown_feature"),
        ("/api/features/fake/0-res/x", 404, "unknown_feature"),
        ("/api/features/fake/9-res/1", 404, "unknown_feature"),
        ("/api/nothing", 404, "not_found"),
        ("/api/" + "x" * 4000, 404, "not_found"),
        ("/api/%ed%a0%80%0a%00", 404, "not_found"),
        ("/api/features/fake/" + "x" * 4000 + "/1", 404, "unknown_feature"),
        ("/api/features/fake/%00/1", 404, "unknown_feature"),
        ("/api/features/fake/0-res/" + "9" * 4000, 404, "unknown_feature"),
        ("/api/features?label=%ed%a0%80&model=fake", 200, None),
        ("/api/features?label=x&model=" + "x" * 4000, 400, "unknown_model"),
        ("/api/model?model=%00%ed%a0%80", 400, "unknown_model"),
        ("/api/rooms/" + "x" * 4000 + "/recording.jsonl", 404, "unknown_room"),
        ("/api/rooms/%00%0a%ed%a0%80/recording.jsonl", 404, "unknown_room"),
        ("/api/generate", 404, "not_found"),
    ],
)
async def test_unknown_paths_and_bad_queries_are_refused_in_json(
    gateway: Running, path: str, status: int, code: str
) -> None:
    async with gateway.http.get(f"{gateway.url}/api/model") as answer:
        assert answer.status == 200  # from now on the gateway knows the model
    async with gateway.http.get(harness.raw_url(f"{gateway.url}{path}")) as answer:
        assert (answer.status, (await answer.json()).get("error")) == (status, code)


async def test_readiness_follows_inference(settings: Settings, inference: FakeInference) -> None:
    async with harness.running(settings) as gateway:

        async def ready() -> tuple[int, str]:
            async with gateway.http.get(f"{gateway.url}/readyz") as answer:
                body = await answer.json()
                return answer.status, body.get("message", "")

        assert (await ready())[0] == 200
        await inference.serving(False)
        status, why = await ready()
        assert (status, "loading" in why) == (503, True)
        inference.waits_for = "downloading some/model: 2.1 GB of 10.5 GB"
        status, why = await ready()
        assert (status, inference.waits_for in why) == (503, True)
        async with gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "x"}) as answer:
            assert (answer.status, inference.waits_for in await answer.text()) == (503, True)
        await inference.stop()
        status, why = await ready()
        assert (status, inference.address in why) == (503, True)
        async with gateway.http.get(f"{gateway.url}/api/model") as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "not_ready")
        async with gateway.http.get(f"{gateway.url}/healthz") as answer:
            assert answer.status == 200
        inference.waits_for = ""
        await inference.start(inference.port)

        async def is_ready() -> bool:
            return (await ready())[0] == 200

        await eventually(is_ready)


async def test_foreign_pages_may_not_generate(settings: Settings) -> None:
    settings = dataclasses.replace(settings, origins=("https://lab.example",))
    async with harness.running(settings) as gateway:
        for origin, status in (
            ("https://evil.example", 403),
            ("https://lab.example", 200),
            (gateway.url, 200),
        ):
            async with gateway.http.post(
                f"{gateway.url}/api/generate", json={"prompt": "x"}, headers={"Origin": origin}
            ) as answer:
                assert answer.status == status
                await answer.read()


async def test_the_page_is_served(settings: Settings, tmp_path: Path) -> None:
    page = tmp_path / "dist"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html>the page")
    (page / "assets" / "app-1a2b.js").write_text("1")
    (page / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret").write_text("no")
    async with harness.running(dataclasses.replace(settings, page=page)) as gateway:
        for path, status, cache in (
            ("/", 200, "no-cache"),
            ("/r/k3f9x2", 200, "no-cache"),
            ("/r/k3f9x2/", 200, "no-cache"),
            ("/assets/app-1a2b.js", 200, "public, max-age=31536000, immutable"),
            ("/icon.svg", 200, "no-cache"),
            ("/assets/gone.js", 404, None),
            ("/assets", 404, None),
            ("/..%2fsecret", 404, None),
            ("/%00", 404, None),
            # Impossible file names.
            ("/" + "x" * 256, 404, None),
            ("/" + "x/" * 2500, 404, None),
            ("/%ed%a0%80", 404, None),
            ("/%ff", 404, None),
            ("/assets/%0aforged", 404, None),
            ("/r/" + "x" * 4000, 200, "no-cache"),
        ):
            async with gateway.http.get(harness.raw_url(f"{gateway.url}{path}")) as answer:
                assert (path, answer.status) == (path, status)
                assert answer.headers.get("Cache-Control") == cache


async def test_the_answer_says_that_the_page_is_not_built(gateway: Running) -> None:
    async with gateway.http.get(gateway.url) as answer:
        assert answer.status == 503
        assert "not built" in await answer.text()
