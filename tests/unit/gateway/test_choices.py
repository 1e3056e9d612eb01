"""Where a stop string cuts a text off that comes token by token."""

from __future__ import annotations

from axon_gateway.frames import Frame
from axon_gateway.openai.choices import Choice
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.lists(st.text("ab", max_size=4), max_size=12)
STOPS = st.lists(st.text("ab", min_size=1, max_size=5), max_size=3)


def token(text: str) -> Frame:
    return {"type": "token", "token": text, "token_id": 0, "logprob": -1.0}


@given(TEXTS, STOPS)
def test_the_text_ends_where_the_first_stop_string_begins(
    texts: list[str], stop: list[str]
) -> None:
    choice, told, whole, ended = Choice(0, stop), "", "", False
    for text in texts:
        told += "".join(one.text for one in choice.token(token(text)))
        if not ended:
            whole += text
            found = [whole.find(one) for one in stop if one in whole]
            whole, ended = (whole[: min(found)], True) if found else (whole, False)
        # What was told is never taken back.
        assert whole.startswith(told)
    told += "".join(one.text for one in choice.end("length"))
    assert (told, choice.finish) == (whole, "stop" if ended else "length")


@given(TEXTS)
def test_without_stop_strings_nothing_is_held_back(texts: list[str]) -> None:
    choice = Choice(0, [])
    assert [[one.text for one in choice.token(token(text))] for text in texts] == [
        [text] for text in texts
    ]


def test_characters_that_cannot_begin_a_stop_string_are_told_at_once() -> None:
    choice = Choice(0, ["\n\n"])
    told = [[one.text for one in choice.token(token(text))] for text in ("a", "\n", "b", "\n\n")]
    assert told == [["a"], [], ["\n", "b"], []]
    assert choice.end("length") == []
