"""What the gateway's log says of requests: their ids, their rooms, and a line for each."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from axon_service import logs

_QUIET_PATHS = ("/healthz", "/readyz", "/metrics")

#: The id of a request, which its answer has as X-Request-ID, too.
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)


def begin_request(given: str | None) -> str:
    """Adds a request's id to all log lines from here on: `given` if valid, else a new one."""
    id_ = logs.request_id(given)
    logs.context.set({"request_id": id_})
    return id_


def request_id() -> str | None:
    """The id of the request that is being worked on, if there is one."""
    return logs.context.get().get("request_id")


def in_room(room: str) -> None:
    """Adds the room's id to all log lines from here on."""
    logs.context.set({**logs.context.get(), "room": room})


class AccessLogger(AbstractAccessLogger):
    """Method, path, status and milliseconds; probes are logged at DEBUG only."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Writes the line of one finished request."""
        level = logging.DEBUG if request.path in _QUIET_PATHS else logging.INFO
        fields = {
            "method": request.method,
            # Without its query, which may hold a room's token.
            "path": request.path,
            "status": response.status,
            "duration_ms": logs.milliseconds(time),
        }
        if id_ := request.get(REQUEST_ID):
            fields["request_id"] = id_
        line = (request.method, request.path, response.status, time * 1000)
        self.logger.log(level, "%s %s %d %.0f ms", *line, extra={"fields": fields})
