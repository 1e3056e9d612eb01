"""`/v1`: models, completions, and chats, whole or as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from axon_gateway.clients import Client, access_of, client_of
from axon_gateway.errors import Refusal
from axon_gateway.openai import answers, requests
from axon_gateway.openai.requests import Asked
from axon_gateway.openai.stream import Collected, Streamed
from axon_gateway.requests.fields import decode
from axon_gateway.tasks import cancel
from axon_gateway.web.answers import Events, Form
from axon_gateway.web.bodies import body
from axon_gateway.web.state import GATEWAY, Gateway

#: How clients are told of refusals.
FORM = Form(answers.error, answers.status)
#: Seconds that an answer with features stays open after its end for labels that are late.
_LATE_LABELS = 2.0


def routes() -> list[web.RouteDef]:
    """Everything below /v1."""
    return [
        web.get("/v1/models", models),
        web.get("/v1/models/{model:.+}", model),
        web.post("/v1/completions", completions),
        web.post("/v1/chat/completions", chats),
        web.route("*", "/v1/{rest:(?s:.*)}", unknown),
    ]


async def models(request: web.Request) -> web.Response:
    """The models that are served."""
    found = await _models(request.app[GATEWAY])
    return web.json_response({"object": "list", "data": [_told(*one) for one in found.items()]})


async def model(request: web.Request) -> web.Response:
    """One of them."""
    name = request.match_info["model"]
    found = await _models(request.app[GATEWAY], name)
    if name not in found:
        message = f"there is no model {name[:80]}; there are: {', '.join(found)}"
        raise Refusal("unknown_model", message, "model")
    return web.json_response(_told(name, found[name]))


async def _models(gateway: Gateway, wanted: str | None = None) -> dict[str, bool]:
    """The models and whether each is ready. Refusal if no service has described its own yet."""
    found = gateway.backends.models()
    if not found or (wanted is not None and wanted not in found):
        # A service that has just come up may not have been heard of.
        await gateway.backends.check()
    return gateway.backends.models()


def _told(name: str, ready: bool) -> dict[str, Any]:
    # Nothing says when the model was made.
    more = {"created": 0, "owned_by": "axon", "axon": {"ready": ready}}
    return {"id": name, "object": "model", **more}


async def completions(request: web.Request) -> web.StreamResponse:
    """Continues texts."""
    return await _answer(request, requests.completion)


async def chats(request: web.Request) -> web.StreamResponse:
    """Answers a conversation."""
    return await _answer(request, requests.chat)


async def unknown(request: web.Request) -> web.Response:
    """Any other path below /v1."""
    raise Refusal("not_found", f"there is no {request.method} {request.path}")


async def _answer(
    request: web.Request, read: Callable[[dict[str, object]], Asked]
) -> web.StreamResponse:
    gateway = request.app[GATEWAY]
    gateway.permissions.check_may_generate(access_of(request))
    sent = await body(request, gateway.settings)
    asked = read(decode(sent, gateway.settings.max_message_bytes))
    most = gateway.settings.client_generations
    if asked.choices > most:
        message = f"a request may have {most} choices here, of all prompts together"
        raise Refusal("out_of_range", message, "n" if len(asked.commands) == 1 else "prompt")
    await _models(gateway, asked.commands[0].model)
    try:
        return await (_stream if asked.stream else _whole)(request, asked)
    except Refusal as refusal:
        raise asked.named(refusal) from None


async def _whole(request: web.Request, asked: Asked) -> web.Response:
    told = Collected(asked)
    await _run(request, asked, told)
    return web.json_response(body=told.body())


async def _stream(request: web.Request, asked: Asked) -> web.StreamResponse:
    events = Events(request, "text/event-stream")
    told = Streamed(asked, events.write)
    try:
        await _run(request, asked, told)
        await told.close()
    except Refusal as refusal:
        if not events.begun:
            raise
        await events.write(answers.event(answers.error(asked.named(refusal))))
    await events.response.write_eof()
    return events.response


async def _run(request: web.Request, asked: Asked, told: Collected | Streamed) -> None:
    """Runs the generations of all prompts side by side. Raises the first Refusal."""
    gateway = request.app[GATEWAY]
    # The request's token was checked before.
    client = Client(client_of(request, gateway.settings))
    generations = []
    try:
        for number, command in enumerate(asked.commands):
            generations.append(gateway.start(command, told.reader(number), client))
        # A client that leaves cancels this handler, and with it the gRPC streams.
        running = [asyncio.create_task(one.run()) for one in generations]
        try:
            await asyncio.gather(*running)
        finally:
            await cancel(running)
        if asked.axon:
            await asyncio.gather(*(one.settle(_LATE_LABELS) for one in generations))
    finally:
        for one in generations:
            one.close()
