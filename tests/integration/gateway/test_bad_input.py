"""Bad input gets an error with a code and its field, over both interfaces, and harms nothing."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import grpc
import pytest
from aiohttp import WSMsgType

from .fake_inference import Failure, FakeInference, Script
from .harness import Running

DEEP = "[" * 60_000
#: Body, code, field.
BAD = [
    ("", "invalid_json", None),
    ("{", "invalid_json", None),
    (DEEP, "invalid_json", None),
    ('"text"', "invalid_json", None),
    ("[]", "invalid_json", None),
    ("null", "invalid_json", None),
    ("{}", "empty_prompt", "prompt"),
    ('{"prompt": ""}', "empty_prompt", "prompt"),
    ('{"prompt": null}', "wrong_type", "prompt"),
    ('{"prompt": 7}', "wrong_type", "prompt"),
    ('{"prompt": ["a"]}', "wrong_type", "prompt"),
    ('{"prompt": "\\ud800"}', "wrong_type", "prompt"),
    ('{"prompt": "a", "temperature": "hot"}', "wrong_type", "temperature"),
    ('{"prompt": "a", "temperature": true}', "wrong_type", "temperature"),
    ('{"prompt": "a", "temperature": [1]}', "wrong_type", "temperature"),
    ('{"prompt": "a", "temperature": NaN}', "out_of_range", "temperature"),
    ('{"prompt": "a", "top_p": Infinity}', "out_of_range", "top_p"),
    ('{"prompt": "a", "act_threshold": -Infinity}', "out_of_range", "act_threshold"),
    ('{"prompt": "a", "act_threshold": 1e39}', "out_of_range", "act_threshold"),
    # As a 32-bit float this would become 0, which means something else.
    ('{"prompt": "a", "temperature": 1e-46}', "out_of_range", "temperature"),
    ('{"prompt": "a", "temperature": 5e-324}', "out_of_range", "temperature"),
    ('{"prompt": "a", "temperature": -1e-60}', "out_of_range", "temperature"),
    (
        '{"prompt": "a", "sources": ' + json.dumps(["fake/0-res"] * 65) + "}",
        "out_of_range",
        "sources",
    ),
    ('{"prompt": "a", "sources": ["' + "x" * 5000 + '"]}', "out_of_range", "sources"),
    ('{"prompt": "a", "sources": "' + "x" * 301 + '"}', "out_of_range", "sources"),
    (
        '{"prompt": "a", "repetition_penalty": ' + "9" * 5000 + "}",
        "out_of_range",
        "repetition_penalty",
    ),
    ('{"prompt": "a", "max_tokens": 1.5}', "wrong_type", "max_tokens"),
    ('{"prompt": "a", "max_tokens": -1}', "out_of_range", "max_tokens"),
    ('{"prompt": "a", "max_tokens": 4294967296}', "out_of_range", "max_tokens"),
    ('{"prompt": "a", "max_tokens": ' + "9" * 5000 + "}", "out_of_range", "max_tokens"),
    ('{"prompt": "a", "max_tokens": NaN}', "wrong_type", "max_tokens"),
    ('{"prompt": "a", "top_k": "5"}', "wrong_type", "top_k"),
    ('{"prompt": "a", "feat_k": {}}', "wrong_type", "feat_k"),
    ('{"prompt": "a", "seed": "many"}', "wrong_type", "seed"),
    ('{"prompt": "a", "seed": "-1"}', "out_of_range", "seed"),
    ('{"prompt": "a", "seed": 18446744073709551616}', "out_of_range", "seed"),
    ('{"prompt": "a", "stop": 5}', "wrong_type", "stop"),
    ('{"prompt": "a", "stop": ["x", 5]}', "wrong_type", "stop"),
    ('{"prompt": "a", "sources": {"a": 1}}', "wrong_type", "sources"),
    ('{"prompt": "a", "include_bos": 1}', "wrong_type", "include_bos"),
    ('{"prompt": "a", "temprature": 1}', "unknown_field", "temprature"),
    ('{"prompt": "a", "\\ud800": 1}', "unknown_field", "\\ud800"),
    ('{"prompt": "' + "a" * 65536 + '"}', "message_too_big", None),
    ('{"prompt": "' + "a" * 2**20 + '"}', "message_too_big", None),
]


def named(body: dict[str, Any]) -> tuple[str, str | None]:
    assert body["message"]
    return body["error"], body["field"]


async def test_a_socket_survives_every_bad_message(
    gateway: Running, inference: FakeInference
) -> None:
    socket = await gateway.connect()
    await socket.frame()
    for body, code, field in BAD:
        await socket.raw.send_str(body)
        assert named(await socket.frame()) == (code, field), body[:60]
    await socket.raw.send_bytes(b'{"prompt": "a"}')
    assert named(await socket.frame()) == ("invalid_json", None)
    await socket.send(type="dance")
    assert named(await socket.frame()) == ("unknown_type", "type")
    await socket.send(type=5)
    assert named(await socket.frame()) == ("wrong_type", "type")
    assert not inference.seen.requests
    await socket.send(prompt="a")
    assert (await socket.until("finished"))[-1]["status"] == "done"


async def test_each_message_of_a_bad_burst_gets_an_answer(gateway: Running) -> None:
    socket = await gateway.connect()
    await socket.frame()
    for _ in range(200):
        await socket.raw.send_str("{")
    for _ in range(200):
        assert (await socket.frame())["error"] == "invalid_json"


async def test_text_that_is_not_utf8_is_refused_by_name(gateway: Running) -> None:
    socket = await gateway.connect()
    await socket.frame()
    await socket.raw.send_frame(b'{"prompt": "\xff"}', WSMsgType.TEXT)
    assert named(await socket.frame()) == ("invalid_json", None)


@pytest.mark.parametrize(("body", "code", "field"), BAD, ids=range(len(BAD)))
async def test_http_answers_400_with_the_same_codes_and_fields(
    gateway: Running, body: str, code: str, field: str | None
) -> None:
    data = io.BytesIO(body.encode())
    async with gateway.http.post(f"{gateway.url}/api/generate", data=data) as answer:
        assert answer.status == (413 if code == "message_too_big" else 400)
        assert answer.content_type == "application/json"
        assert named(await answer.json()) == (code, field)


async def test_http_refuses_the_message_stop(gateway: Running) -> None:
    async with gateway.http.post(f"{gateway.url}/api/generate", json={"type": "stop"}) as answer:
        assert answer.status == 400
        assert named(await answer.json()) == ("unknown_type", "type")


@pytest.mark.parametrize(
    ("path", "reason", "code", "field"),
    [
        ("sampling.temperature", "", "out_of_range", "temperature"),
        ("features.top_k", "", "out_of_range", "feat_k"),
        ("features.threshold", "", "out_of_range", "act_threshold"),
        ("features.sources", "", "unknown_source", "sources"),
        ("features.sources[1]", "", "unknown_source", "sources"),
        ("prompt", "", "prompt_too_long", "prompt"),
        ("prompt", "EMPTY_PROMPT", "empty_prompt", "prompt"),
        ("max_tokens", "", "out_of_range", "max_tokens"),
    ],
)
async def test_a_refusal_by_inference_names_the_field_as_in_json(
    gateway: Running, inference: FakeInference, path: str, reason: str, code: str, field: str
) -> None:
    inference.script.refusal = Failure(
        grpc.StatusCode.INVALID_ARGUMENT, f"{path} is wrong", field=path, reason=reason
    )
    async with gateway.http.post(f"{gateway.url}/api/generate", json={"prompt": "a"}) as answer:
        assert answer.status == 400
        assert named(await answer.json()) == (code, field)
    socket = await gateway.connect()
    await socket.frame()
    await socket.send(prompt="a")
    assert named(await socket.frame()) == (code, field)


async def test_a_very_long_refusal_is_read_completely(
    gateway: Running, inference: FakeInference
) -> None:
    """It lists all sources of the model. By default, gRPC would drop it as too large."""
    text = "has no source 'nope'; there are " + ", ".join(f"fake/{i}-res" for i in range(5000))
    inference.script.refusal = Failure(
        grpc.StatusCode.INVALID_ARGUMENT, text, field="features.sources", reason="UNKNOWN_SOURCE"
    )
    body = {"prompt": "a", "sources": ["nope"] * 64}
    async with gateway.http.post(f"{gateway.url}/api/generate", json=body) as answer:
        assert (answer.status, named(await answer.json())) == (400, ("unknown_source", "sources"))


async def test_a_camera_may_be_at_any_position(gateway: Running) -> None:
    """Numbers that are too small for a knob are valid in a position."""
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    viewer = await gateway.connect(room=room)
    await presenter.send(type="view", pose=[1e-310, -1e-46, 0.0], feature=None, token=None)
    assert (await viewer.until("view"))[-1]["pose"] == [1e-310, -1e-46, 0.0]


async def test_bad_input_does_not_affect_other_streams(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = Script(tokens=tuple(f" t{i}" for i in range(50)), delay=0.01)
    healthy, bad = await gateway.connect(), await gateway.connect()
    await bad.frame()
    await healthy.send(prompt="a")
    reading = asyncio.create_task(healthy.until("finished"))
    while not reading.done():
        for body, _, _ in BAD:
            await bad.raw.send_str(body)
        for _ in BAD:
            await bad.frame()
    tokens = [frame for frame in await reading if frame["type"] == "token"]
    assert len(tokens) == 50


async def test_every_knob_reaches_inference(gateway: Running, inference: FakeInference) -> None:
    wanted = {
        "type": "generate",
        "prompt": "a",
        "max_tokens": 3,
        "temperature": 0,
        "top_k": 0,
        "top_p": 0.5,
        "repetition_penalty": 1.5,
        "seed": 7,
        "stop": "b",
        "feat_k": 0,
        "act_threshold": 0.25,
        "sources": ["fake/1-res"],
        "include_bos": True,
    }
    body = json.dumps(wanted)
    async with gateway.http.post(f"{gateway.url}/api/generate", data=body) as answer:
        assert answer.status == 200
        await answer.read()
    async with gateway.http.post(
        f"{gateway.url}/api/generate", json={"prompt": "a", "seed": None, "stop": None}
    ) as answer:
        assert answer.status == 200
        await answer.read()
    full, empty = inference.seen.requests
    assert (full.prompt, full.max_tokens, full.sampling.seed) == ("a", 3, 7)
    # Zero is sent as a value, unlike an unset knob.
    assert full.sampling.HasField("temperature")
    assert full.sampling.HasField("top_k")
    assert full.features.HasField("top_k")
    assert (full.sampling.temperature, full.sampling.top_k) == (0, 0)
    assert (full.sampling.top_p, full.sampling.repetition_penalty) == (0.5, 1.5)
    assert (list(full.sampling.stop), list(full.features.sources)) == (["b"], ["fake/1-res"])
    assert (full.features.top_k, full.features.threshold) == (0, 0.25)
    assert full.features.include_bos
    assert not empty.HasField("sampling")
    assert not empty.HasField("max_tokens")
