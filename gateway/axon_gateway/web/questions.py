"""Why a token came: `POST /api/explain`, and the explanations that a socket asks for."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from axon_gateway import frames, requests
from axon_gateway.clients import client_of
from axon_gateway.errors import Refusal, our_failure
from axon_gateway.frames import Frame
from axon_gateway.generations.explainer import Explainer
from axon_gateway.requests import Explain
from axon_gateway.rooms.viewer import Viewer
from axon_gateway.web.answers import Lines
from axon_gateway.web.bodies import body
from axon_gateway.web.state import GATEWAY

_log = logging.getLogger(__name__)


async def explain(request: web.Request) -> web.StreamResponse:
    """One explanation as NDJSON. Whoever may watch may ask: nothing is generated."""
    gateway = request.app[GATEWAY]
    settings = gateway.settings
    command = requests.question(await body(request, settings), settings.max_message_bytes)
    lines = Lines(request)
    try:
        # A client that leaves cancels this handler, and with it the gRPC stream.
        await gateway.explainer.answer(command, client_of(request, settings), lines.emit)
    except ConnectionError:
        raise
    except Exception as error:
        if not lines.begun:
            raise
        await lines.emit(frames.error(_told(error)))
    await lines.response.write_eof()
    return lines.response


class Questions:
    """The explanations that one socket has asked for. Each answer goes to it alone."""

    def __init__(self, explainer: Explainer, viewer: Viewer, address: str) -> None:
        self._explainer = explainer
        self._viewer = viewer
        self._address = address
        self._asked: dict[str, asyncio.Task[None]] = {}

    def ask(self, command: Explain) -> None:
        """Answers a question beside the room's frames. Refusal if its id is in use."""
        if command.id in self._asked:
            message = f"a question with the id {command.id[:40]!a} is being answered"
            refusal = Refusal("out_of_range", message, "id")
            refusal.id = command.id
            raise refusal
        self._asked[command.id] = asyncio.create_task(self._answer(command))

    def cancel(self, id_: str) -> None:
        """Ends an explanation, if it is under way; nothing more is said of it."""
        if (task := self._asked.get(id_)) is not None:
            task.cancel()

    def close(self) -> None:
        """The socket is gone."""
        for task in self._asked.values():
            task.cancel()

    async def _answer(self, command: Explain) -> None:
        async def emit(frame: Frame) -> None:
            await self._viewer.answer({**frame, "id": command.id})

        try:
            await self._explainer.answer(command, self._address, emit)
        except Exception as error:
            await emit(frames.error(_told(error)))
        finally:
            # In a callback it would be too late: who has the last frame may use the id again.
            del self._asked[command.id]


def _told(error: Exception) -> Refusal:
    """What a client is told of an explanation that broke off."""
    if isinstance(error, Refusal):
        return error
    _log.exception("an explanation failed", exc_info=error)
    return our_failure()
