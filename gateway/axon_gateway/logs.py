"""How the gateway logs: short lines, plain for people or JSON for collectors."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

_QUIET_PATHS = ("/healthz", "/readyz", "/metrics")

#: The id of a request, which its answer has as X-Request-ID, too.
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

#: The request and the room being worked on. A task inherits them from the task that started it.
_context: ContextVar[Mapping[str, str]] = ContextVar("context", default={})  # noqa: B039 (never changed in place)


def begin_request(given: str | None) -> str:
    """Adds a request's id to all log lines from here on: `given` if valid, else a new one."""
    id_ = given if given and _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
    _context.set({"request_id": id_})
    return id_


def request_id() -> str | None:
    """The id of the request that is being worked on, if there is one."""
    return _context.get().get("request_id")


def in_room(room: str) -> None:
    """Adds the room's id to all log lines from here on."""
    _context.set({**_context.get(), "room": room})


class _PlainFormatter(logging.Formatter):
    """For terminals: text from clients cannot end a line or move the cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {_printable(line)}" for line in lines)


def _printable(text: str) -> str:
    """The text with unprintable characters escaped as in Python."""
    if text.isprintable():
        return text
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_context.get(),
            # Given as extra={"fields": {...}}.
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # ASCII alone, and DEL escaped, so that a terminal gets no control characters.
        return json.dumps(entry).replace("\x7f", "\\u007f")


def configure(level: str, style: str) -> None:
    """Sends all logging to stderr; `style` is "plain" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    plain = _PlainFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(_JsonFormatter() if style == "json" else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


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
            "duration_ms": round(time * 1000, 1),
        }
        if id_ := request.get(REQUEST_ID):
            fields["request_id"] = id_
        line = (request.method, request.path, response.status, time * 1000)
        self.logger.log(level, "%s %s %d %.0f ms", *line, extra={"fields": fields})
