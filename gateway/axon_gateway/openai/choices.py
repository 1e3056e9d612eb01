"""`Choice`: one continuation, read from frames and cut off where a stop string begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axon_gateway.frames import Frame


@dataclass(frozen=True, slots=True)
class Said:
    """A token as OpenAI's clients see it."""

    text: str
    #: None for a first token, before which there is nothing.
    logprob: float | None
    #: The likeliest tokens at its place and itself, as (text, logprob), likeliest first.
    likeliest: tuple[tuple[str, float], ...]


class Choice:
    """Takes a branch's frames, and gives the tokens that may be told.

    A stop string ends the text and is no part of it. So tokens that may belong to one wait until
    that is clear.
    """

    def __init__(self, index: int, stop: Sequence[str]) -> None:
        self.index = index
        self._stop = [one for one in stop if one]
        self._held: deque[Said] = deque()
        self._stopped = False
        #: What the token before said of the next one.
        self._next: list[dict[str, Any]] = []
        #: "stop" or "length", once it has ended.
        self.finish: str | None = None

    def prompt(self, frame: Frame, prompt: str) -> list[Said]:
        """The tokens of the prompt, without the BOS that was put before it."""
        tokens = [self._said(token) for token in frame["tokens"]]
        texts = [token.text for token in tokens]
        prepended = bool(texts and texts[0]) and "".join(texts[1:]) == prompt
        return tokens[1:] if prepended else tokens

    def token(self, frame: Frame) -> list[Said]:
        """The tokens that may be told now that this one is here."""
        said = self._said(frame)
        if self._stopped:
            return []
        self._held.append(said)
        text = "".join(one.text for one in self._held)
        found = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if not found:
            return self._release(len(text) - self._begun(text))
        self._stopped = True
        told = self._release(min(found))
        rest = min(found) - sum(len(one.text) for one in told)
        if rest and self._held:
            # The stop string begins inside a token.
            last = self._held[0]
            told.append(Said(last.text[:rest], last.logprob, last.likeliest))
        self._held.clear()
        return told

    def end(self, reason: str) -> list[Said]:
        """The tokens that were still held back; `reason` is stop or length."""
        self.finish = "stop" if self._stopped else reason
        return self._release(sum(len(one.text) for one in self._held))

    def end_token(self) -> list[Said]:
        """The token by which the model itself ended the text, of which nothing else is known."""
        ended = self.finish == "stop" and not self._stopped
        likeliest = tuple((one["token"], one["logprob"]) for one in self._next)
        return [Said("", None, likeliest)] if ended else []

    def _release(self, length: int) -> list[Said]:
        """Takes off the tokens that lie within so many characters."""
        told = []
        while self._held and len(self._held[0].text) <= length:
            told.append(self._held.popleft())
            length -= len(told[-1].text)
        return told

    def _begun(self, text: str) -> int:
        """How many of the last characters may be the beginning of a stop string."""
        longest = max(map(len, self._stop), default=1) - 1
        return next(
            (
                size
                for size in range(min(longest, len(text)), 0, -1)
                if any(stop.startswith(text[-size:]) for stop in self._stop)
            ),
            0,
        )

    def _said(self, token: Frame) -> Said:
        """A token with the distribution that it came from, which the token before carries."""
        text, logprob = token["token"], token.get("logprob")
        own = token["token_id"]
        others = [one for one in self._next if one["token_id"] != own]
        found = [(one["token"], one["logprob"]) for one in others]
        if logprob is not None:
            # Not from the list, where the text is the token's alone, without what comes before it.
            found.append((text, logprob))
        self._next = token.get("alternatives", [])
        return Said(text, logprob, tuple(sorted(found, key=lambda pair: -pair[1])))
