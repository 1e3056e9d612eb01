"""Explanations by a language model behind any endpoint with OpenAI's API.

It is shown texts where a feature fires, from the half that chooses, and writes one line. The line
is scored by detection: the same model is shown texts of the other half, some of which have the
feature, and says by the line alone which. The score is the balanced accuracy: 0.5 is chance.
"""

from __future__ import annotations

import json
import random
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from axon_inference.labelling.contexts import Floats, Ints, Text

#: Texts that explain, texts of each kind that score, and tokens on each side of the one shown.
_SHOWN, _SCORED, _AROUND = 8, 5, 12
#: Seconds for one answer.
_PATIENCE = 120.0
#: Characters of an answer that are read.
_LONGEST = 100_000

_EXPLAIN = (
    "Each text below activates one feature of a language model. The tokens where it is active are "
    "between << and >>. Say in one short line what they have in common. Answer with that line only."
)
_DETECT = (
    "A feature of a language model is active in texts with this: {line}\n"
    "Which of the texts below have it? Answer with their numbers only, or with none."
)


@dataclass(frozen=True)
class Endpoint:
    """Where the model is: URL up to and with /v1, its name, and a key if it wants one."""

    url: str
    model: str
    key: str = ""

    def ask(self, instruction: str, texts: str) -> str:
        """Its answer. Raises OSError or ValueError if there is none."""
        messages = [
            {"role": "system", "content": instruction},
            {"role": "user", "content": texts},
        ]
        body = json.dumps({"model": self.model, "messages": messages, "temperature": 0}).encode()
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        url = f"{self.url.rstrip('/')}/chat/completions"
        request = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            found: Any = json.loads(answer.read(_LONGEST))
        try:
            return str(found["choices"][0]["message"]["content"]).strip()
        except (KeyError, IndexError, TypeError):
            raise ValueError(f"{url} answered something else than a chat completion") from None


@dataclass(frozen=True)
class Explained:
    """A line, and its balanced accuracy on held-out texts; None where there were too few."""

    line: str
    accuracy: float | None


def explain(endpoint: Endpoint, text: Text, tokens: Ints, activations: Floats) -> Explained | None:
    """One feature, which fires at these tokens; None if it never does in the half that chooses.

    Raises OSError or ValueError if the endpoint does not answer.
    """
    held_out = text.held_out[tokens]
    shown = _strongest(text, tokens[~held_out], activations[~held_out], _SHOWN)
    if not shown:
        return None
    active = set(tokens.tolist())
    line = endpoint.ask(_EXPLAIN, _numbered([_excerpt(text, at, active) for at in shown]))
    line = next((one.strip() for one in line.splitlines() if one.strip()), "")
    if not line:
        return None
    there = _strongest(text, tokens[held_out], activations[held_out], _SCORED)
    return Explained(line, _accuracy(endpoint, line, text, there, active))


def _accuracy(
    endpoint: Endpoint, line: str, text: Text, there: Sequence[int], active: set[int]
) -> float | None:
    chosen = random.Random(0)
    silent = [
        n
        for n in chosen.sample(range(len(text.tokens)), min(len(text.tokens), 50 * _SCORED))
        if text.held_out[n] and active.isdisjoint(_around(text, n))
    ][: len(there)]
    if not there or len(silent) < len(there):
        return None
    asked = [*((n, True) for n in there), *((n, False) for n in silent)]
    chosen.shuffle(asked)
    excerpts = _numbered([_excerpt(text, n, set()) for n, _ in asked])
    answer = endpoint.ask(_DETECT.format(line=line), excerpts)
    said = set(map(int, re.findall(r"\d{1,4}", answer)))
    right = [(number in said) == fires for number, (_, fires) in enumerate(asked, 1)]
    return float(
        np.mean(
            [
                np.mean([r for r, (_, f) in zip(right, asked, strict=True) if f == kind])
                for kind in (True, False)
            ]
        )
    )


def _strongest(text: Text, tokens: Ints, activations: Floats, most: int) -> list[int]:
    """The tokens where it is strongest, one of each window."""
    found: dict[int, int] = {}
    for n in np.argsort(-activations, kind="stable").tolist():
        found.setdefault(int(text.window[tokens[n]]), int(tokens[n]))
        if len(found) == most:
            break
    return list(found.values())


def _around(text: Text, token: int) -> range:
    """Tokens near one, of its window."""
    first, end = np.searchsorted(text.window, text.window[token] + np.array([0, 1])).tolist()
    return range(max(first, token - _AROUND), min(end, token + _AROUND + 1))


def _excerpt(text: Text, token: int, active: set[int]) -> str:
    return "".join(
        f"<<{text.tokens[n]}>>" if n in active else text.tokens[n] for n in _around(text, token)
    )


def _numbered(excerpts: Sequence[str]) -> str:
    return "\n".join(
        f"{n}. {json.dumps(one, ensure_ascii=False)}" for n, one in enumerate(excerpts, 1)
    )
