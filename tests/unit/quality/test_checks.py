"""`make check-quality` against a good server, and against servers with one fault each."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stdout
from io import StringIO
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from tests.quality import client
from tests.quality.__main__ import main
from tests.quality.checks import CHECKS

Frame = dict[str, Any]
SOURCE = "fake/0-res"
NAMES = [name for name, _ in CHECKS]


@pytest.fixture(autouse=True)
def labels_come_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake server sends late labels at once."""
    monkeypatch.setattr(client, "_LABELS", 0.3)


class FakeServer:
    """Speaks the gateway's protocol, with a model that counts; has at most one fault."""

    def __init__(self, fault: str = "", context: int = 128) -> None:
        self.fault = fault
        self.context = context
        self.url = ""
        self._runs = itertools.count()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeServer]:
        app = web.Application()
        app.router.add_get("/api/model", self._model)
        app.router.add_get("/ws", self._live)
        server = TestServer(app)
        await server.start_server()
        self.url = str(server.make_url("/"))
        yield self
        await server.close()

    async def _model(self, request: web.Request) -> web.Response:
        if self.fault == "loading":
            body = {"error": "not_ready", "message": "the model is being loaded"}
            return web.json_response(body, status=503)
        return web.json_response({"limits": {"context_length": self.context}})

    async def _live(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "room", "seq": 0, "room": "abc"})
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            command = message.json()
            if command["prompt"] or self.fault == "empty prompt taken":
                await self._generate(socket, command)
            elif self.fault == "closed":
                await socket.close()
            else:
                error = {"error": "empty_prompt", "message": "prompt must not be empty"}
                await socket.send_json({"type": "error", "seq": 0, **error})
        return socket

    async def _generate(self, socket: web.WebSocketResponse, command: Frame) -> None:
        run, prompt = next(self._runs), command["prompt"].split() or [""]
        kind = 100 if "def" in prompt and self.fault != "no contrast" else 0
        tokens = [
            {"token": word, "position": at, "features": self._features(kind + at % 10)}
            for at, word in enumerate(prompt)
        ]
        await socket.send_json({"type": "prompt", "seq": 1, "tokens": tokens})
        # The model ends its text before the long run has all its tokens.
        count = min(command.get("max_tokens", 60), 90)
        slow = self.fault == "slow" and command["max_tokens"] == 100
        if slow:
            count = 10
        frames = [self._token(run, len(prompt), step, kind) for step in range(count)]
        if self.fault == "lost token" and count > 20:
            del frames[15]
        if self.fault == "doubled token" and count > 20:
            frames.insert(15, frames[15])
        for frame in frames[:3]:
            if slow:
                await asyncio.sleep(0.2)
            await socket.send_json(frame)
        for start in range(3, len(frames), 10):
            await socket.send_json(
                {"type": "batch", "seq": 9, "frames": frames[start : start + 10]}
            )
        status = "gone" if self.fault == "not done" and count > 20 else "done"
        reason = "length" if count < 90 else "stop"
        end = {"type": "finished", "seq": 9, "status": status, "reason": reason}
        await socket.send_json(end)
        if self.fault != "no labels":
            late = {"9": "European capitals" if self.fault != "other labels" else "commas"}
            await socket.send_json({"type": "labels", "seq": 9, "source": SOURCE, "labels": late})

    def _token(self, run: int, begin: int, step: int, kind: int) -> Frame:
        text = f" {run}" if self.fault == "another text" else f" {step}"
        shift = 20 * run if self.fault == "other features" else 0
        return {
            "type": "token",
            "seq": 2,
            "token": text,
            "step": step,
            "position": begin + step,
            "features": self._features(kind + shift + step % 10),
        }

    def _features(self, first: int) -> list[Frame]:
        names: dict[int, Any] = {3: "names of countries", 4: "code"}
        if self.fault == "other labels":
            names = {3: "full stops", 4: "code"}
        features: list[Frame] = []
        for rank, id_ in enumerate((first, first + 1)):
            feature = {"id": id_, "activation": 2.0 - rank, "source": SOURCE}
            if id_ in names and self.fault != "no labels":
                feature["label"] = names[id_]
            elif self.fault == "null labels":
                feature["label"] = None
            features.append(feature)
        return features


async def check_quality(url: str) -> tuple[int, dict[str, str], str]:
    """The exit code, each check's line by its name, and the last line of output."""
    limits = ("--first", "10", "--rate", "50", "--pause", "10")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.setenv("AXON_URL", url)
        code = await asyncio.to_thread(main, limits)
    *lines, last = out.getvalue().splitlines()
    verdicts = {line[8:20].strip(): line for line in lines}
    assert list(verdicts) == NAMES, out.getvalue()
    return code, verdicts, last


async def test_a_good_server_passes() -> None:
    async with FakeServer().running() as server:
        code, verdicts, last = await check_quality(server.url)
    assert all(line.startswith("ok ") for line in verdicts.values()), verdicts
    assert (code, last.partition(" are")[0]) == (0, "6 of 6 checks")
    assert "500 tokens in 6 generation(s)" in verdicts["500 tokens"]
    assert "the model ended 5 itself" in verdicts["500 tokens"]
    assert "its context has 128 tokens" in verdicts["500 tokens"]


@pytest.mark.parametrize(
    ("fault", "check", "says"),
    [
        ("no labels", "sanity", "no feature has a label"),
        ("other labels", "sanity", "0 of 3 labelled features"),
        ("another text", "consistency", "3 text(s)"),
        ("other features", "consistency", "of the strongest features the same"),
        ("lost token", "500 tokens", "step 15 is missing"),
        ("doubled token", "500 tokens", "step 16 is missing: 15 came"),
        ("not done", "500 tokens", "status is 'gone'"),
        ("slow", "latency", "tokens/s (at least 50)"),
        ("empty prompt taken", "edge cases", "an empty prompt is not refused"),
        ("closed", "edge cases", "the socket was closed"),
        ("no contrast", "contrast", "they share 100%"),
    ],
)
async def test_a_fault_fails_the_check_made_for_it(fault: str, check: str, says: str) -> None:
    async with FakeServer(fault).running() as server:
        code, verdicts, _ = await check_quality(server.url)
    assert code == 1
    assert [name for name, line in verdicts.items() if line.startswith("FAILED")] == [check]
    assert says in verdicts[check]


async def test_a_label_that_is_not_text_is_a_fault() -> None:
    async with FakeServer("null labels").running() as server:
        code, verdicts, _ = await check_quality(server.url)
    assert code == 1
    assert "a token cannot be read" in verdicts["sanity"]


async def test_a_server_that_is_absent_or_not_ready_is_reported() -> None:
    async with FakeServer("loading").running() as server:
        code, verdicts, _ = await check_quality(server.url)
        assert code == 1
        assert "the model is being loaded" in verdicts["sanity"]
    code, verdicts, _ = await check_quality(server.url)
    assert code == 1
    assert all(line.startswith("FAILED") for line in verdicts.values())
