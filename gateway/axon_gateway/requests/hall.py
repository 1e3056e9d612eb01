"""What the hall is asked, its votes, and the names in its line."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from axon import edits

from axon_gateway.errors import Refusal
from axon_gateway.requests.edits import read_edits
from axon_gateway.requests.fields import UINT32, check_names, integer, string, wrong_type

Kind = Literal["turn", "guess"]

#: The most options of a question, and characters of its texts, a typed word, a name, an id.
MOST_OPTIONS = 8
MAX_TEXT = 200
MAX_OPTION = 100
MAX_WORD = MAX_PERSON = 32
MAX_ID = 64
#: A typed word as a choice begins with this; by itself, it stands for words beyond the bound.
WORD = "w:"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to vote for: a next word, or what is done to a feature (`edit`, as JSON)."""

    text: str
    edit: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What the presenter asks the hall, without the id under which it is voted on.

    `turn`: which feature to turn, each option with its edit. `guess`: the token of `branch` at
    `position`, by an option or by a typed word.
    """

    kind: Kind
    text: str
    options: tuple[Option, ...]
    branch: int | None = None
    position: int | None = None

    def body(self) -> dict[str, Any]:
        """As clients send it and get it."""
        options = [
            {"text": one.text} if one.edit is None else {"text": one.text, "edit": one.edit}
            for one in self.options
        ]
        body: dict[str, Any] = {"kind": self.kind, "text": self.text, "options": options}
        if self.kind == "guess":
            body |= {"branch": self.branch, "position": self.position}
        return body


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's vote on a question: an option's index, or a word."""

    question: str
    option: int | None
    word: str | None

    def choice(self, question: Question) -> str:
        """What is counted: an option's index, or the word behind `WORD`. Refusal if it has none."""
        if self.option is not None:
            if self.option >= len(question.options):
                message = f"option must be 0 to {len(question.options) - 1}"
                raise Refusal("out_of_range", message, "option")
            return str(self.option)
        if question.kind != "guess":
            raise Refusal("out_of_range", "only a guess takes a word; send an option", "word")
        word = folded(self.word or "")
        same = [i for i, one in enumerate(question.options) if folded(one.text) == word]
        return str(same[0]) if same else WORD + word


@dataclass(frozen=True, slots=True)
class CloseQuestion:
    """The presenter ends a vote; `answer` is the word that came."""

    question: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class LeaveLine:
    """The client leaves the line, or the presenter takes the one with this `place` out of it."""

    place: str | None


def folded(word: str) -> str:
    """A word as it is counted: without the case, and without spaces around it."""
    return " ".join(unicodedata.normalize("NFKC", word).casefold().split())


def question(fields: Mapping[str, object], path: str = "") -> Question:
    """The question in an object without its `type`. Raises Refusal."""
    check_names(fields, ("kind", "text", "options", "branch", "position"), path=path)
    kind = fields.get("kind")
    if kind not in ("turn", "guess"):
        raise Refusal("wrong_type", "kind must be turn or guess", "kind")
    options = fields.get("options")
    if not isinstance(options, list):
        raise wrong_type("options", "a list of options", options)
    fewest = 1 if kind == "turn" else 0
    if not fewest <= len(options) <= MOST_OPTIONS:
        raise Refusal("out_of_range", f"options must be {fewest} to {MOST_OPTIONS}", "options")
    found = tuple(_option(f"options[{i}]", one, kind == "turn") for i, one in enumerate(options))
    text = _short("text", fields.get("text"), MAX_TEXT)
    if kind == "turn":
        return Question("turn", text, found)
    branch = fields.get("branch")
    return Question(
        "guess",
        text,
        found,
        0 if branch is None else integer(UINT32)("branch", branch),
        integer(UINT32)("position", fields.get("position")),
    )


def vote(fields: Mapping[str, object]) -> Vote:
    """The vote in an object without its `type`. Raises Refusal."""
    check_names(fields, ("question", "option", "word"))
    option, word = fields.get("option"), fields.get("word")
    if (option is None) == (word is None):
        raise Refusal("out_of_range", "a vote has either an option or a word", "option")
    typed = None if word is None else _short("word", word, MAX_WORD)
    if typed is not None and not folded(typed):
        raise Refusal("out_of_range", "word must not be empty", "word")
    chosen = None if option is None else integer(MOST_OPTIONS - 1)("option", option)
    return Vote(_short("question", fields.get("question"), MAX_ID), chosen, typed)


def close_question(fields: Mapping[str, object]) -> CloseQuestion:
    """What ends a vote, in an object without its `type`. Raises Refusal."""
    check_names(fields, ("question", "answer"))
    answer = fields.get("answer")
    return CloseQuestion(
        _short("question", fields.get("question"), MAX_ID),
        None if answer is None else _short("answer", answer, MAX_OPTION),
    )


def leave_line(fields: Mapping[str, object]) -> LeaveLine:
    """Who is to leave the line, in an object without its `type`. Raises Refusal."""
    check_names(fields, ("place",))
    place = fields.get("place")
    return LeaveLine(None if place is None else _short("place", place, MAX_ID))


def person(name: str, value: object) -> str:
    """The name of a person in the line, on one line and without what cannot be seen."""
    text = string(name, value)
    shown = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return _short(name, " ".join(shown.split()), MAX_PERSON)


def _option(path: str, value: object, turns: bool) -> Option:
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    check_names(value, ("text", "edit") if turns else ("text",), path=f"{path}.")
    text = _short(f"{path}.text", value.get("text"), MAX_OPTION)
    if not turns:
        return Option(text)
    edit = value.get("edit")
    if not isinstance(edit, dict):
        raise wrong_type(f"{path}.edit", "an edit", edit)
    found = read_edits(f"{path}.edit", edit)
    one = found.edits[0]
    where = one.where or ("while_firing" if one.add is None else "everywhere")
    unit = {"unit": "max"} if found.in_maxima else {}
    return Option(text, edits.written(replace(one, where=where)) | unit)


def _short(name: str, value: object, most: int) -> str:
    text = string(name, value)
    if len(text) > most:
        raise Refusal("out_of_range", f"{name} may have {most} characters", name)
    return text
