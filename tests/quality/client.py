"""A simple client: it sends a prompt and reads tokens with labelled features."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

Frame = dict[str, Any]

#: Seconds that the next frame may take; long, since a queue or a slow machine is no fault.
PATIENCE = 60.0
#: After the end of a generation, this many seconds without a frame end the wait for late labels.
_LABELS = 2.0


class Refused(Exception):
    """The server refused a request: `code` is for programs, `field` is the field that is wrong."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(f"{frame.get('error')}: {frame.get('message')}")
        self.code, self.field = frame.get("error"), frame.get("field")
        self.message = frame.get("message")


class Broken(Exception):
    """The server broke the protocol that every client relies on."""


@dataclass(slots=True)
class Token:
    """A token, its features (strongest of each source first), and when it arrived, in seconds."""

    text: str
    step: int | None
    position: int
    features: list[Frame]
    at: float

    def top(self, count: int) -> set[tuple[str, int]]:
        """The strongest `count` features of each source: (source, index)."""
        found: dict[str, list[int]] = {}
        for feature in sorted(self.features, key=lambda feature: -feature["activation"]):
            found.setdefault(feature["source"], []).append(feature["id"])
        return {(source, id_) for source, ids in found.items() for id_ in ids[:count]}


@dataclass(slots=True)
class Run:
    """A generation from start to end; `began` is in seconds, by the same clock as the tokens."""

    began: float
    prompt: list[Token] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    end: Frame = field(default_factory=dict)
    late: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The generated text."""
        return "".join(token.text for token in self.tokens)

    def labels(self) -> dict[tuple[str, int], str]:
        """The labels of all features of prompt and generated tokens."""
        found = dict(self.late)
        for token in self.prompt + self.tokens:
            for feature in token.features:
                if label := feature.get("label"):
                    found[feature["source"], feature["id"]] = label
        return found


class Client:
    """One socket, on which generations run one after another."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, model: Frame) -> None:
        self._socket = socket
        #: The answer of `/api/model`.
        self.model = model

    async def generate(self, prompt: str, labels: bool = False, **knobs: Any) -> Run:
        """One generation; with `labels`, waits for late labels too. Raises Refused or Broken."""
        run = Run(time.perf_counter())
        # The message has no type, like those of the earlier demo's clients.
        await self._socket.send_json({"prompt": prompt, **knobs})
        async for frame in self._frames(PATIENCE):
            if self._take(run, frame):
                break
        if labels:
            await self._late_labels(run)
        return run

    async def _late_labels(self, run: Run) -> None:
        try:
            async for frame in self._frames(_LABELS):
                self._take(run, frame)
        except TimeoutError:
            pass

    def _take(self, run: Run, frame: Frame) -> bool:
        """Adds a frame to the run; True if it was the last one."""
        match frame.get("type"):
            case "prompt":
                run.prompt += [_token(token) for token in frame["tokens"]]
            case "token":
                run.tokens.append(_token(frame))
            case "labels":
                named = frame["labels"].items()
                run.late |= {(frame["source"], int(index)): label for index, label in named}
            case "error":
                raise Refused(frame)
            case "finished":
                run.end = frame
                return True
        return False

    async def _frames(self, patience: float) -> AsyncIterator[Frame]:
        while True:
            message = await self._socket.receive(patience)
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise Broken(f"the socket was closed ({self._socket.close_code})")
            frame = json.loads(message.data)
            for inner in frame["frames"] if frame.get("type") == "batch" else [frame]:
                yield inner


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    """A client of the server at `address`, which may end in `?access=TOKEN`."""
    url = URL(address)
    async with aiohttp.ClientSession() as http:
        async with http.get(url / "api/model") as answer:
            model = await answer.json()
        if answer.status != 200:
            raise Refused(model)
        socket = (url / "ws").with_query(url.query)
        async with http.ws_connect(socket, max_msg_size=0) as connection:
            yield Client(connection, model)


def _token(frame: Frame) -> Token:
    try:
        features = [
            feature | {"id": int(feature["id"]), "activation": float(feature["activation"])}
            for feature in frame["features"]
        ]
        text, position = frame["token"], frame["position"]
        # A label must be text.
        for feature in features:
            feature.get("label", "").lower()
        return Token("" + text, frame.get("step"), position, features, time.perf_counter())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Broken(f"a token cannot be read: {error!r}") from None
