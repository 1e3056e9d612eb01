"""How the service logs to stderr: a line each, plain for people or JSON for collectors."""

from __future__ import annotations

import json
import logging
import sys
import time

_LONGEST = 300  # characters of an exception's own text


def describe(error: BaseException) -> str:
    """An exception in one short line."""
    text = " ".join(str(error).split())
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
    return f"{type(error).__name__}: {cut}" if cut else type(error).__name__


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{seconds}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            # Given as extra={"fields": {...}}.
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(level: str, style: str) -> None:
    """Send all logging to stderr; `style` is "plain" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_JsonFormatter() if style == "json" else plain)
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells every request at INFO
