"""A fake gateway without a model: any state of the page on demand, over real HTTP and WebSocket.

`python -m tests.e2e.fake_gateway --port 8123` serves the built page;
`/?replay=/large/5000.jsonl&pace=0` there shows a large recording, and
`/?replay=/large/300.jsonl?sources=13&pace=0` one with 13 sources.
"""

import argparse
import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from . import fake_stream, large_stream
from .fake_stream import Frame
from .made_map import made_map

PAGE = Path(__file__).parents[2] / "frontend" / "dist"
STEP_SECONDS = 0.05
#: Tokens that every feature promotes.
WORDS = [" Paris", " Rome", "London", " Madrid", "  ", "\t"]
RANGES: dict[str, dict[str, Any]] = {
    "max_tokens": {"type": "integer", "min": 0, "max": 256, "default": 60},
    "temperature": {"type": "number", "min": 0, "max": 10, "default": 0.8},
    "top_k": {"type": "integer", "min": 0, "max": 2048, "default": 0},
    "top_p": {"type": "number", "min": 0, "max": 1, "default": 1},
    "repetition_penalty": {"type": "number", "min": 0.1, "max": 10, "default": 1},
    "seed": {"type": "integer", "min": 0, "max": "18446744073709551615", "default": None},
    "feat_k": {"type": "integer", "min": 0, "max": 64, "default": 15},
    "act_threshold": {"type": "number", "min": 0, "max": None, "default": 0},
    "pace": {"type": "number", "min": 0, "max": 1000, "default": 0},
    "alternatives": {"type": "integer", "min": 0, "max": 20, "default": None},
}


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(eq=False)
class Gateway:
    """One room that all pages share, and switches for the states that a test needs."""

    url: str = ""
    ready: bool = True
    loading: str = "reading the weights"
    labels_on: bool = True
    queue: int = 0
    step_seconds: float = STEP_SECONDS
    log: list[Frame] = field(default_factory=list)
    requests: list[Frame] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    entered: list[Frame] = field(default_factory=list)
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    running: asyncio.Task[None] | None = None
    #: While it is cleared, a generation stands before its next frame.
    go: asyncio.Event = field(default_factory=_set_event)
    #: The branches of the running generation, and how far it is.
    branches: list[Frame] = field(default_factory=list)
    position: int = 0
    #: A source whose features cannot be edited.
    not_editable: str = ""
    #: Whether the model has a chat template.
    chat: bool = False
    #: Recordings under `/made/NAME.jsonl`.
    recordings: dict[str, list[Frame]] = field(default_factory=dict)
    #: The map of all features; None where there is none.
    map: bytes | None = None
    #: Its hash as `/api/model` tells it.
    map_hash: str | None = None

    async def emit(self, frame: Frame) -> None:
        """Appends a frame to the log and sends it to all pages."""
        numbered = {**frame, "seq": len(self.log) + 1}
        self.log.append(numbered)
        for socket in list(self.sockets):
            with contextlib.suppress(ConnectionError):
                await socket.send_json(numbered)

    async def emit_at_once(self, frames: list[Frame]) -> None:
        """Appends frames to the log and sends them in one batch, as a slow viewer gets them."""
        start = len(self.log) + 1
        numbered = [{**frame, "seq": seq} for seq, frame in enumerate(frames, start)]
        self.log += numbered
        for socket in list(self.sockets):
            await socket.send_json({"type": "batch", "seq": len(self.log), "frames": numbered})

    async def generate(self, request: Frame) -> None:
        """Writes one made-up generation to the log, step by step."""
        for position in range(self.queue, 0, -1):
            await self.emit({"type": "queued", "position": position})
            await asyncio.sleep(4 * self.step_seconds)
        given = made = 0
        alone = {"name": "1", "edits": request.get("edits") or []}
        self.branches = [{"edits": [], **one} for one in request.get("branches") or [alone]]
        messages = request.get("messages")
        frames = fake_stream.generation(
            messages[-1]["content"] if messages else request["prompt"],
            int(request.get("max_tokens", 60)),
            int(request.get("feat_k", 15)),
            request.get("sources") or fake_stream.SOURCES,
            self.branches,
            request.get("alternatives"),
            messages,
        )
        last = fake_stream.finished("cancelled", given, made)
        with contextlib.suppress(asyncio.CancelledError):
            for frame in frames:
                self.position = frame.get("position", self.position)
                await self.go.wait()
                if frame["type"] == "finished":
                    last = frame
                    break
                given = frame.get("prompt_tokens", given)
                made += frame["type"] == "token"
                last = fake_stream.finished("cancelled", given, made)
                await self.emit(frame)
                await asyncio.sleep(self.step_seconds)
        # A page that has the last frame may ask for the next generation at once.
        self.running = None
        await self.emit(last)

    async def edit(self, socket: web.WebSocketResponse, request: Frame) -> None:
        """Gives a branch of the running generation other edits."""
        refusal = self.edits_refusal("edits", request["edits"])
        if self.running is None:
            refusal = self.error("not_running", "Nothing runs.", None)
        if refusal is not None:
            await socket.send_json(refusal)
            return
        branch = request.get("branch", 0)
        self.branches[branch]["edits"] = request["edits"]
        position = self.position + 1
        await self.emit(
            {"type": "edited", "branch": branch, "position": position, "edits": request["edits"]}
        )

    def edits_refusal(self, path: str, edits: list[Frame]) -> Frame | None:
        """The error frame for edits that cannot be made."""
        for number, edit in enumerate(edits):
            name = f"{path}[{number}]"
            if edit["source"] not in fake_stream.SOURCES:
                return self.error("unknown_source", "There is no such source.", f"{name}.source")
            if edit["source"] == self.not_editable:
                return self.error("not_editable", "It cannot be edited.", f"{name}.source")
            if edit.get("unit") == "max":
                return self.error("no_maximum", "No maximum is known.", f"{name}.unit")
        return None

    def refusal(self, request: Frame) -> Frame | None:
        """The error frame for a bad request, None for a good one."""
        if not (request.get("messages") or str(request.get("prompt", "")).strip()):
            return self.error("empty_prompt", "The prompt is empty: write something.", "prompt")
        for name, value in request.items():
            known = RANGES.get(name)
            if known is None or name == "seed":
                continue
            low, high = known["min"], known["max"]
            if value < low or (high is not None and value > high):
                text = f"{name} is {value}; it must be from {low} to {high}."
                return self.error("out_of_range", text, name)
        if self.running is not None:
            return self.error("busy", "A generation is running.", None)
        for number, branch in enumerate(request.get("branches", [])):
            path = f"branches[{number}].edits"
            if refused := self.edits_refusal(path, branch.get("edits", [])):
                return refused
        return self.edits_refusal("edits", request.get("edits", []))

    def error(self, code: str, message: str, name: str | None) -> Frame:
        """An error frame for one socket; `name` is the field at fault."""
        seq = len(self.log)
        return {"type": "error", "seq": seq, "error": code, "message": message, "field": name}

    async def drop_sockets(self) -> None:
        """Breaks every connection, as a restart or a bad network would."""
        for socket in list(self.sockets):
            await socket.close()

    async def take(self, socket: web.WebSocketResponse, message: Frame) -> None:
        """Answers one message of a page."""
        if message.get("type") == "ping":
            await socket.send_json({"type": "pong", "seq": len(self.log)})
            return
        if message.get("type") in ("view", "question", "vote", "close", "leave"):
            return  # there is no hall
        if message.get("type") == "stop":
            if self.running is not None:
                self.running.cancel()
            return
        self.requests.append(message)
        if message.get("type") == "edit":
            await self.edit(socket, message)
            return
        refusal = self.refusal(message)
        if refusal is not None:
            await socket.send_json(refusal)
        else:
            self.running = asyncio.create_task(self.generate(message))


GATEWAY = web.AppKey("gateway", Gateway)


async def handle_socket(request: web.Request) -> web.WebSocketResponse:
    """`/ws`: the room frame, the log from `from` on, then the live tail."""
    gateway = request.app[GATEWAY]
    gateway.paths.append(request.path_qs)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    entered = await socket.receive_json()
    gateway.entered.append(entered)
    viewer = "room" in request.query and entered["token"] is None
    room: Frame = {"type": "room", "seq": len(gateway.log), "room": "k3f9x2", "viewers": 1}
    room |= {"role": "viewer" if viewer else "presenter", "open": False}
    if not viewer:
        room["presenter_token"] = "secret"
    await socket.send_json(room)
    sent = int(request.query.get("from", 1)) - 1
    # The log may grow while this is sent; a socket gets live frames once it has caught up.
    while missed := gateway.log[sent:]:
        sent += len(missed)
        await socket.send_json({"type": "batch", "seq": sent, "frames": missed})
    gateway.sockets.add(socket)
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await gateway.take(socket, json.loads(message.data))
    finally:
        gateway.sockets.discard(socket)
    return socket


async def handle_model(request: web.Request) -> web.Response:
    """`/api/model`, or 503 while the model loads."""
    if not request.app[GATEWAY].ready:
        body = {"error": "not_ready", "message": request.app[GATEWAY].loading}
        return web.json_response(body, status=503)
    sources = [
        {
            "id": source,
            "hook": f"blocks.{layer}.hook_resid_post",
            "layer": layer,
            "width": fake_stream.WIDTH,
            "architecture": "topk",
            "neuronpedia_url": f"https://www.neuronpedia.org/{source}",
        }
        for layer, source in enumerate(fake_stream.SOURCES)
    ]
    limits = {"context_length": 256, "max_prompt_characters": 2000, "branches": 8}
    gateway = request.app[GATEWAY]
    charted = None if gateway.map is None else {"hash": gateway.map_hash, "stage": "", "done": 1}
    model = {"model": fake_stream.MODEL, "sources": sources, "params": RANGES, "limits": limits}
    return web.json_response({**model, "map": charted, "info": {"chat": gateway.chat}})


async def handle_map(request: web.Request) -> web.Response:
    """`/api/map`, or 404 where there is none."""
    gateway = request.app[GATEWAY]
    gateway.paths.append(request.path_qs)
    if gateway.map is None:
        body = {"error": "no_map", "message": "maps are off"}
        return web.json_response(body, status=404)
    return web.Response(body=gateway.map, content_type="application/octet-stream")


async def handle_feature(request: web.Request) -> web.Response:
    """`/api/features/...`: the same facts for every feature, or 503 while labels are off."""
    if not request.app[GATEWAY].labels_on:
        body = {"error": "labels_unavailable", "message": "labels are off"}
        return web.json_response(body, status=503)
    facts = {
        "label": None,
        "explainer": "recipe",
        "score": 0.93,
        "density": 0.012,
        "max_activation": 14.5,
        "neuronpedia_url": None,
        "promoted": [
            {"token": t, "token_id": i, "logit": 1.5 - i / 9} for i, t in enumerate(WORDS)
        ],
        "suppressed": [{"token": "\n", "token_id": 3, "logit": -1.25}],
        "neighbors": [{"index": 1000, "cosine": 0.42}, {"index": 1013, "cosine": 0.3}],
        "weights_error": None,
    }
    return web.json_response({"index": int(request.match_info["index"]), **facts})


async def handle_facts(request: web.Request) -> web.Response:
    """`/api/features/MODEL/SOURCE?index=...`: features of odd index are rare, all others dense."""
    indices = [int(index) for index in request.query["index"].split(",")]
    facts = {
        str(i): {"label": None, "density": 0.001 if i % 2 else 0.2, "max_activation": None}
        for i in indices
    }
    return web.json_response({"features": facts})


async def handle_labelled(request: web.Request) -> web.Response:
    """`/api/features?label=...`: one feature that never fires, with the asked text in its label."""
    found = {
        "source": fake_stream.SOURCES[0],
        "index": 999,
        "label": f"rarely {request.query['label']}",
    }
    return web.json_response({"features": [found]})


async def handle_large(request: web.Request) -> web.StreamResponse:
    """`/large/TOKENS.jsonl?sources=COUNT`: a made-up recording of that many tokens and sources."""
    answer = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
    await answer.prepare(request)
    tokens = int(request.match_info["tokens"])
    sources = int(request.query.get("sources", 4))
    for seq, frame in enumerate(large_stream.generation(tokens, sources), start=1):
        await answer.write(json.dumps({**frame, "seq": seq}).encode() + b"\n")
    return answer


async def handle_made(request: web.Request) -> web.Response:
    """`/made/NAME.jsonl`: a recording that a test has put there."""
    frames = request.app[GATEWAY].recordings[request.match_info["name"]]
    lines = [json.dumps({"time": 0, **frame}) for frame in frames]
    return web.Response(text="\n".join(lines), content_type="application/jsonl")


async def handle_page(request: web.Request) -> web.FileResponse:
    """The page at `/` and at `/r/{room}`."""
    return web.FileResponse(PAGE / ("room.html" if "room" in request.match_info else "index.html"))


def make_app(gateway: Gateway) -> web.Application:
    """The routes of the real gateway that the page uses, and the built page."""
    app = web.Application()
    app[GATEWAY] = gateway
    app.router.add_get("/", handle_page)
    app.router.add_get("/r/{room}", handle_page)
    app.router.add_get("/ws", handle_socket)
    app.router.add_get("/api/model", handle_model)
    app.router.add_get("/api/map", handle_map)
    app.router.add_get("/api/features", handle_labelled)
    app.router.add_get("/api/features/{model}/{source}", handle_facts)
    app.router.add_get("/api/features/{model}/{source}/{index}", handle_feature)
    app.router.add_get(r"/large/{tokens:\d+}.jsonl", handle_large)
    app.router.add_get("/made/{name}.jsonl", handle_made)
    app.router.add_static("/", PAGE)
    return app


def main() -> None:
    """Serves until interrupted, for looking at the page without a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--step-seconds", type=float, default=0.15)
    parser.add_argument("--queue", type=int, default=0, help="made-up requests in the queue")
    parser.add_argument("--features", type=int, default=0, help="features on a made-up map")
    options = parser.parse_args()
    gateway = Gateway(queue=options.queue, step_seconds=options.step_seconds)
    if options.features > 0:
        width = options.features // len(fake_stream.SOURCES)
        gateway.map = made_map([(source, width) for source in fake_stream.SOURCES])
    web.run_app(make_app(gateway), host="127.0.0.1", port=options.port, print=None)


if __name__ == "__main__":
    main()
