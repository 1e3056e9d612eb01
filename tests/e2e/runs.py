"""Runs whose text a test knows beforehand: what the model writes with a certain seed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from .stack import Stack

#: With one seed in three or four the bundled model writes more than 200 tokens.
SEEDS = range(1, 41)
#: At lower temperatures the texts end sooner.
TEMPERATURE = 1


@dataclass(frozen=True)
class Run:
    """A repeatable generation: the same prompt, knobs and seed give the same text every time."""

    prompt: str
    #: The knobs to set, by their names on the page.
    knobs: dict[str, int]
    #: Texts of the prompt's tokens, without the sign for the start of the text.
    given: tuple[str, ...]
    #: Texts of the generated tokens.
    made: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole text, prompt included."""
        return "".join(self.given + self.made)


async def long_run(stack: Stack, prompt: str, at_least: int) -> Run:
    """The run of the first seed with which the model writes at least `at_least` tokens.

    A model may end its text at any token. So this tries the seeds through `/api/generate`, and
    no test depends on one version of the weights.
    """
    # Alone, as the page's own run will be: next to another run, rounding may change a token.
    await stack.idle()
    async with aiohttp.ClientSession(stack.url) as http:
        async with http.get("/api/model") as answer:
            described = await answer.json()
        most: int = described["params"]["max_tokens"]["max"]
        for seed in SEEDS:
            run = await _generate(http, prompt, most, seed)
            if len(run.made) >= at_least:
                return run
    pytest.fail(f"no seed of {SEEDS} makes the model write {at_least} tokens after {prompt!r}")


async def _generate(http: aiohttp.ClientSession, prompt: str, max_tokens: int, seed: int) -> Run:
    request = {
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": TEMPERATURE,
        "seed": str(seed),
    }
    async with http.post("/api/generate", json=request) as answer:
        frames: list[dict[str, Any]] = [json.loads(line) async for line in answer.content]
    assert any(frame["type"] == "finished" for frame in frames), frames[-1]
    [shown] = [frame["tokens"] for frame in frames if frame["type"] == "prompt"]
    given = tuple(token["token"] for token in shown)
    made = tuple(frame["token"] for frame in frames if frame["type"] == "token")
    knobs = {"Max tokens": max_tokens, "Temperature": TEMPERATURE, "Seed": seed}
    return Run(prompt, knobs, given[1:], made)
