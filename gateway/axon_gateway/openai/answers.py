"""OpenAI's JSON: whole answers, chunks, log-probabilities, errors."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from axon_gateway.errors import Refusal
from axon_gateway.openai.choices import Said

Json = dict[str, Any]

#: OpenAI's own codes, which its clients know.
_CODES = {"unknown_model": "model_not_found", "no_access": "invalid_api_key"}


@dataclass(slots=True)
class Answer:
    """What all parts of one answer have in common."""

    chat: bool
    model: str
    #: Whether log-probabilities were asked for, and how many of the likeliest tokens.
    logprobs: int | None
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, choices: list[Json], usage: Json) -> Json:
        """The answer without streaming."""
        return {**self._head(""), "choices": choices, "usage": usage}

    def choice(self, index: int, said: list[Said], finish: str | None) -> Json:
        """A whole choice."""
        text = "".join(one.text for one in said)
        told: Json = {"text": text}
        if self.chat:
            told = {"message": {"role": "assistant", "content": text, "refusal": None}}
        logprobs = self._logprobs(said, 0)
        return {"index": index, **told, "logprobs": logprobs, "finish_reason": finish}

    def chunk(self, choices: list[Json], **more: Any) -> bytes:
        """A part of a stream."""
        return event({**self._head(".chunk" if self.chat else ""), "choices": choices, **more})

    def part(self, index: int, said: list[Said], offset: int, finish: str | None) -> Json:
        """A part of a choice; `offset` characters were told before."""
        text = "".join(one.text for one in said)
        told: Json = {"text": text}
        if self.chat:
            told = {"delta": {"content": text} if said else {}}
        logprobs = self._logprobs(said, offset) if said else None
        return {"index": index, **told, "logprobs": logprobs, "finish_reason": finish}

    def opening(self, index: int) -> Json:
        """The first part of a choice of a chat."""
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def _head(self, suffix: str) -> Json:
        kind, prefix = ("chat.completion", "chatcmpl") if self.chat else ("text_completion", "cmpl")
        return {
            "id": f"{prefix}-{self.id}",
            "object": kind + suffix,
            "created": self.created,
            "model": self.model,
        }

    def _logprobs(self, said: Iterable[Said], offset: int) -> Json | None:
        if self.logprobs is None:
            return None
        return self._of_chat(said) if self.chat else self._of_completion(said, offset)

    def _of_chat(self, said: Iterable[Said]) -> Json:
        content = [
            {
                **_token(one.text, one.logprob),
                "top_logprobs": [_token(*pair) for pair in one.likeliest[: self.logprobs]],
            }
            for one in said
        ]
        return {"content": content, "refusal": None}

    def _of_completion(self, said: Iterable[Said], offset: int) -> Json:
        told: dict[str, list[Any]] = {
            "tokens": [],
            "token_logprobs": [],
            "top_logprobs": [],
            "text_offset": [],
        }
        for one in said:
            told["tokens"].append(one.text)
            told["token_logprobs"].append(one.logprob)
            likeliest: dict[str, float] = {}
            for text, logprob in one.likeliest:
                likeliest.setdefault(text, logprob)  # of tokens with one text, the likeliest counts
            told["top_logprobs"].append(likeliest or None)
            told["text_offset"].append(offset)
            offset += len(one.text)
        return told


def _token(text: str, logprob: float | None) -> Json:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def usage(prompt: int, generated: int) -> Json:
    """How many tokens there were, a prepended BOS included."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
    }


def event(content: Json) -> bytes:
    """A server-sent event."""
    return b"data: " + orjson.dumps(content) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def status(refusal: Refusal) -> int:
    """The HTTP status, which for an unknown model is another one than below /api."""
    return 404 if refusal.code == "unknown_model" else refusal.status


def error(refusal: Refusal) -> dict[str, object]:
    """A refusal in OpenAI's form."""
    kind = "invalid_request_error"
    if status(refusal) == 429:
        kind = "rate_limit_error"
    elif status(refusal) >= 500:
        kind = "server_error"
    return {
        "error": {
            "message": refusal.message,
            "type": kind,
            "param": refusal.field,
            "code": _CODES.get(refusal.code, refusal.code),
        }
    }
