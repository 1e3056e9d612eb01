"""A log entry is one line, whatever a client has sent, in both formats."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from axon_service import logs

#: Line ends, cursor movement, colour, bell, right-to-left text, and half a surrogate pair.
HOSTILE = "a\nb\r\x1b[31mc\x07\x7f\x85\x9b2J\u2028\u202e\ud800d"
VISIBLE = r"a\nb\r\x1b[31mc\x07\x7f\x85\x9b2J\u2028\u202e\ud800d"


@pytest.fixture(params=["plain", "json"])
def lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The stream that log lines are written to, in one of the two formats."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info", request.param)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_message_is_one_line_without_control_characters(lines: io.StringIO) -> None:
    logging.getLogger("axon").info("%s and %s", HOSTILE, "Köln \U0001f30d")
    [line] = lines.getvalue().split("\n")[:-1]
    assert line.isprintable()
    if line.startswith("{"):
        assert json.loads(line)["message"] == f"{HOSTILE} and Köln \U0001f30d"
    else:
        assert line.endswith(f"{VISIBLE} and Köln \U0001f30d")


def test_fields_are_escaped_too(lines: io.StringIO) -> None:
    logging.getLogger("axon").info("x", extra={"fields": {"path": HOSTILE}})
    [line] = lines.getvalue().split("\n")[:-1]
    assert line.isprintable()


def test_the_text_of_an_exception_cannot_forge_a_line(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"{HOSTILE}\n12:00:00 INFO    axon_gateway: forged")
    except ValueError:
        logging.getLogger("axon").exception("it failed")
    first, *more = lines.getvalue().split("\n")[:-1]
    assert "it failed" in first
    # In the plain format a traceback has several lines. All but the first are indented.
    assert all(line.isprintable() and line.startswith("  ") for line in more)


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_a_json_line_says_when_where_and_what(lines: io.StringIO) -> None:
    log = logging.getLogger("axon.test")
    with_id = contextvars.copy_context()
    with_id.run(logs.context.set, {"request_id": "a"})
    with_id.run(log.info, "%d tokens", 3, extra={"fields": {"room": "b"}})
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed")
    told, failed = map(json.loads, lines.getvalue().splitlines())
    time = told.pop("time")
    assert datetime.fromisoformat(time).tzinfo is UTC
    assert told == {
        "level": "info",
        "logger": "axon.test",
        "message": "3 tokens",
        "request_id": "a",
        "room": "b",
    }
    assert (failed["level"], failed["message"]) == ("error", "failed")
    assert failed["exception"].splitlines()[-1] == "ValueError: broken"
    assert "request_id" not in failed
