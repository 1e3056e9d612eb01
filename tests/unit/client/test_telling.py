"""A generation's causes between its tokens, and a line on a terminal that passes."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from axon import telling, terminal
from axon.columns import Columns
from axon.types import Alternative, Effect, Token, TokenEffects, Tokens

SOURCE = "fake/0-res"


def token(position: int, text: str) -> Token:
    return Token(position, position, text, position > 1, None, ())


def effect(position: int | None, logprob: float) -> Effect:
    return Effect(position, SOURCE, 7, 1.0, logprob, logprob)


CAUSES = TokenEffects(
    0, 2, Alternative(8, " b", -2.0), 9, 3, None, (effect(None, -3.0), effect(1, -3.0))
)


def test_causes_have_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        Tokens((token(0, "The"), token(1, " cat"), token(2, " sat"))),
        CAUSES,
        Tokens((token(3, " on\n"),)),
        replace(CAUSES, position=3, rival=None, effects=()),
        Tokens((token(4, "me"),)),
        replace(CAUSES, position=4, effects=()),
    ]
    telling.tell(iter(events))
    assert capsys.readouterr().out.splitlines() == [
        "The cat sat",
        # One row for a feature at its only position, as in `axon why`.
        f"  why 2 ' sat' rather than ' b': {SOURCE}/7 at 1 ' cat' -3.00",
        " on",
        "  why 3 ' on\\n': there was no time to measure",
        "me",
        "  why 4 'me' rather than ' b': no feature was active",
    ]


def test_beside_columns_a_line_is_between_steps(capsys: pytest.CaptureFixture[str]) -> None:
    columns = Columns(["as is", "edited"])
    columns.add(0, "The", generated=False)
    columns.add(1, "The", generated=False)
    for branch in (0, 1):
        columns.add(branch, " cat", generated=True)
    columns.aside("why")
    columns.close()
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["The"],
        [],
        ["as", "is", "edited"],
        ["'", "cat'", "'", "cat'"],
        ["why"],
    ]


class Screen(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def test_a_passing_line_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal in (True, False):
        screen = Screen(is_terminal=is_terminal)
        monkeypatch.setattr("sys.stderr", screen)
        with terminal.passing() as show:
            show("1 of 2")
            show("2 of\x1b2")
        want = "\r\x1b[K1 of 2\r\x1b[K2 of\\u001b2\r\x1b[K" if is_terminal else ""
        assert screen.getvalue() == want
