"""Conversations as prompts: what a chat template makes of messages, and whose text is whose.

The template is the tokenizer's own, and its text is transformers'. To tell the messages in it from
what the template adds, it is rendered once more with marks around each message. What a message says
is text alone: a special token's name in it does not become that token.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

# Code points that are no characters, so no text has them: they begin and end a message, and end its
# number.
_OPEN, _CLOSE, _END = "\ufdd0", "\ufdd1", "\ufdd2"
_MARK = re.compile(f"([{_OPEN}{_CLOSE}])(\\d+){_END}")
# What templates do to the text of a message, if anything.
_EDGES: tuple[Callable[[str], str], ...] = (str, str.strip, str.lstrip, str.rstrip)


class Message(NamedTuple):
    """One turn: who speaks, in the words of the model's template, and what is said."""

    role: str
    content: str


class Chat(NamedTuple):
    """A prompt: its ids, and for each the role of the message that it is of, "" if it is the
    template's."""

    ids: list[int]
    roles: list[str]


class Unfit(ValueError):
    """Messages of which no prompt can be made; `field` is a path below the messages."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class _Span(NamedTuple):
    """Where a message's text is in a prompt: characters `start` to `end` - 1."""

    start: int
    end: int
    message: int


class Template:
    """A tokenizer's chat template. `lock` is held while the tokenizer is at work."""

    def __init__(self, tokenizer: Any, lock: threading.Lock) -> None:
        self._tokenizer, self._lock = tokenizer, lock
        added = tokenizer.added_tokens_decoder
        self._special = {number: str(t.content) for number, t in added.items() if t.special}

    @classmethod
    def of(cls, tokenizer: Any, lock: threading.Lock) -> Template | None:
        """A tokenizer's; None if it has none, or cannot say where in a text its tokens are."""
        fits = getattr(tokenizer, "chat_template", None) and tokenizer.is_fast
        return cls(tokenizer, lock) if fits else None

    def __call__(self, messages: Sequence[Message]) -> Chat:
        """The prompt that asks for an answer to these messages.

        Raises:
            Unfit: the template refuses or rewrites a message.
        """
        for number, message in enumerate(messages):
            if any(mark in message.content for mark in (_OPEN, _CLOSE, _END)):
                raise Unfit(f"[{number}].content", "has a code point that is no character (U+FDD0)")
        text = self._checked(messages)
        spans = self._spans(messages, text)
        with self._lock:
            return self._tokens(text, spans, [message.role for message in messages])

    def _render(self, messages: Sequence[Message]) -> str:
        told = [message._asdict() for message in messages]
        found: str = self._tokenizer.apply_chat_template(
            told, tokenize=False, add_generation_prompt=True
        )
        return found

    def _checked(self, messages: Sequence[Message]) -> str:
        try:
            return self._render(messages)
        except Exception as error:  # templates are programs, and raise what they like
            field = self._culprit(messages)
            raise Unfit(field, f"does not fit the model's chat template: {error}") from error

    def _culprit(self, messages: Sequence[Message]) -> str:
        """The first message that the template does not take behind those before it."""
        for count in range(len(messages) - 1, 0, -1):
            try:
                self._render(messages[:count])
            except Exception:  # then it is an earlier one
                continue
            return f"[{count}]"
        return "[0]"

    def _spans(self, messages: Sequence[Message], text: str) -> list[_Span]:
        """Where the messages are in the prompt `text`."""
        for edges in _EDGES:
            edged = [edges(message.content) for message in messages]
            marked = [
                Message(message.role, content and f"{_mark(_OPEN, n)}{content}{_mark(_CLOSE, n)}")
                for n, (message, content) in enumerate(zip(messages, edged, strict=True))
            ]
            try:
                found, spans = _unmarked(self._render(marked), edged)
            except Exception:  # the template looks at what was changed
                continue
            if found == text:
                return spans
        raise Unfit("", "are rewritten by the model's chat template, so their text cannot be told")

    def _tokens(self, text: str, spans: Sequence[_Span], roles: Sequence[str]) -> Chat:
        owners = [""] * len(text)
        for span in spans:
            owners[span.start : span.end] = [roles[span.message]] * (span.end - span.start)
        chat = Chat([], [])
        for token_id, (start, end) in self._encode(text):
            role = next((owner for owner in owners[start:end] if owner), "")
            ids = [token_id]
            if role and token_id in self._special:
                name = self._special[token_id]
                at = max(text.find(name, start, end), start)
                if any(owners[at : at + len(name)]):
                    ids = self._as_text(text[start:end])
            chat.ids.extend(ids)
            chat.roles.extend([role] * len(ids))
        return chat

    def _encode(self, text: str, **how: bool) -> list[tuple[int, tuple[int, int]]]:
        found = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, **how)
        return list(zip(found["input_ids"], found["offset_mapping"], strict=True))

    def _as_text(self, name: str) -> list[int]:
        """A special token's name as the tokens of its letters."""
        # Some tokenizers mark where a text begins, which the name does not.
        found = self._encode(f"\n{name}", split_special_tokens=True)
        inside = [(number, place) for number, place in found if place[0] >= 1]
        if not inside or inside[0][1][0] != 1:
            inside = self._encode(name, split_special_tokens=True)
        return [number for number, _ in inside]


def _mark(kind: str, message: int) -> str:
    return f"{kind}{message}{_END}"


def _unmarked(marked: str, contents: Sequence[str]) -> tuple[str, list[_Span]]:
    """A text without its marks, and what was between them. A template may have cut a message, and
    with it a mark: the rest of that message is beside the other one, but for space at the cut."""
    pieces = _MARK.split(marked)
    text, spans, opened = pieces[0], [], dict[int, int]()
    for kind, number, piece in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        message = int(number)
        if kind == _OPEN:
            opened[message] = len(text)
        else:
            start = opened.pop(message, None)
            if start is None:
                kept = text[len(text) - _shared(text[::-1], contents[message][::-1]) :]
                start = len(text) - len(kept.lstrip())
            spans.append(_Span(start, len(text), message))
        text += piece
    for message, start in opened.items():
        kept = text[start : start + _shared(text[start:], contents[message])]
        spans.append(_Span(start, start + len(kept.rstrip()), message))
    return text, spans


def _shared(one: str, other: str) -> int:
    """How many characters at the beginning of two texts are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
