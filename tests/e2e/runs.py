"""Runs known before the page shows them: what the model writes with a certain seed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from .stack import Stack

#: One seed in three or four takes the bundled model past 200 tokens.
SEEDS = range(1, 41)
#: As the model has learned its text, which ends sooner at lower ones.
TEMPERATURE = 1


@dataclass(frozen=True)
class Run:
    """A generation that repeats: the same prompt, knobs and seed give the same text anywhere."""

    prompt: str
    #: The knobs that lead to it, under the names they have on the page.
    knobs: dict[str, int]
    #: Texts of the prompt's tokens, without the sign for the start of the text.
    given: tuple[str, ...]
    #: Texts of the generated tokens.
    made: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, from the prompt's first character on."""
        return "".join(self.given + self.made)


async def long_run(stack: Stack, prompt: str, at_least: int) -> Run:
    """The run of the first seed that makes the model write at least so many tokens.

    A model may end its text whenever it likes. Which seed makes it go on is asked of
    `/api/generate`, so that nothing here depends on one state of the weights.
    """
    # Alone, as the page's own run will be: in company, rounding may choose another token.
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
