"""How the services log to stderr: short lines, plain for people or JSON for collectors."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from types import CodeType
from typing import Any

_LONGEST = 300  # characters of an exception's own text
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

#: Fields of all JSON entries from here on. A task inherits them from the task that started it.
context: ContextVar[Mapping[str, str]] = ContextVar("context", default={})  # noqa: B039 (never changed in place)


def configure(level: str, style: str, clock: str | None = None) -> None:
    """Sends all logging to stderr; `style` is "plain" or "json".

    `clock` is the form of the time in plain lines, without it date and milliseconds.
    """
    handler = logging.StreamHandler(sys.stderr)
    plain = _PlainFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", clock)
    handler.setFormatter(JsonFormatter() if style == "json" else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def request_id(given: str | None) -> str:
    """The id to log a request under: the one that came with it if valid, else a new one."""
    return given if given and _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)


def describe(error: BaseException) -> str:
    """An exception in one short line."""
    text = " ".join(str(error).split())
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
    return f"{type(error).__name__}: {cut}" if cut else type(error).__name__


def generation(
    log: logging.Logger,
    outcome: str,
    tokens: Mapping[str, int],
    seconds: float,
    error: str | None = None,
    **fields: object,
) -> None:
    """Logs the one line of a generation that has ended.

    `tokens` has the counts "prompt" and "generated". `fields` are for JSON alone.
    """
    log.log(
        logging.ERROR if error else logging.INFO,
        "generation %s: %d prompt + %d generated tokens in %.2f s%s",
        *(outcome, tokens["prompt"], tokens["generated"], seconds, f": {error}" if error else ""),
        extra={
            "fields": {
                **fields,
                "outcome": outcome,
                "prompt_tokens": tokens["prompt"],
                "generated_tokens": tokens["generated"],
                "duration_ms": milliseconds(seconds),
                **({"error": error} if error else {}),
            }
        },
    )


def milliseconds(seconds: float | None) -> float | None:
    """A duration for the log; None stays None."""
    return None if seconds is None else round(seconds * 1000, 1)


class Causes:
    """Logs an exception with its traceback, unless one of its kind and place was logged before.

    One fault may fail thousands of requests.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        # Has at most as many entries as there are places in the program that raise.
        self._known: set[tuple[type[BaseException], CodeType | None, int]] = set()

    def note(self, what: str, error: BaseException) -> bool:
        """Log what happened and the error behind it if that is news; returns whether it is."""
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        code = place.tb_frame.f_code if place else None
        cause = (type(error), code, place.tb_lineno if place else 0)
        if cause in self._known:
            return False
        self._known.add(cause)
        self._log.error("%s: %s", what, describe(error), exc_info=error)
        return True


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


class JsonFormatter(logging.Formatter):
    """An object a line: time, level, logger, message, and the fields of the context and entry."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of an entry, whose own fields were given as extra={"fields": {...}}."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{seconds}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **context.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # ASCII alone, and DEL escaped, so that a terminal gets no control characters.
        return json.dumps(entry).replace("\x7f", "\\u007f")
