"""The six checks. Each returns what it measured and whether that is good."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .client import Broken, Client, Refused, Run

GEOGRAPHY = re.compile(
    r"\b(capitals?|countr(y|ies)|cit(y|ies)|nations?|states?|places?|locations?|regions?|"
    r"geograph\w*|europ\w*|france|french|paris|germany|italy|spain|england|territor\w*|towns?)\b",
    re.IGNORECASE,
)
#: The least number of features about geography.
_SANE = 2
#: How many of the strongest features of each source are compared between runs or prompts.
_TOP = 5
#: The least share of them that must agree when a run repeats. Not 1, because rounding depends on
#: which other requests are in the batch.
_SAME = 0.98
_LONG = 500
#: The most generations that the long run may take; a model may end its text at any token.
_MOST_RUNS = 100
PROSE = "The old man walked slowly along the river, and the evening was quiet and warm."
CODE = "def add(a, b):\n    total = a + b\n    return total\n\nfor i in range(10):\n    print(i)\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of speed: seconds to the first token, tokens a second, seconds between two tokens."""

    first: float = 2.0
    rate: float = 5.0
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check."""

    good: bool
    measured: str


Check = Callable[[Client, Limits], Awaitable[Verdict]]


async def sanity(client: Client, limits: Limits) -> Verdict:
    """Features that fire at "The capital of France is" are about geography."""
    run = await client.generate(
        "The capital of France is", labels=True, max_tokens=5, temperature=0, act_threshold=0
    )
    labels = run.labels()
    if not labels:
        return Verdict(
            False, "no feature has a label; a server that has just started may still load them"
        )
    found = sorted(feature for feature, label in labels.items() if GEOGRAPHY.search(label))
    named = "; ".join(dict.fromkeys(labels[feature] for feature in found))[:100]
    measured = f"{len(found)} of {len(labels)} labelled features are about geography"
    return Verdict(len(found) >= _SANE, f"{measured}: {named or 'none'}")


async def consistency(client: Client, limits: Limits) -> Verdict:
    """Three runs of the same seed have the same tokens and the same strongest features."""
    first, *others = [
        await client.generate("The weather today is", max_tokens=20, temperature=0, seed=1)
        for _ in range(3)
    ]
    texts = {tuple(token.text for token in run.tokens) for run in (first, *others)}
    share = min(_shared(first, other) for other in others)
    measured = f"{len(texts)} text(s) of {len(first.tokens)} tokens in 3 runs"
    good = len(texts) == 1 and bool(first.tokens) and share >= _SAME
    return Verdict(good, f"{measured}, {share:.1%} of the strongest features the same")


def _shared(one: Run, other: Run) -> float:
    """The share of the strongest features that two runs have in common, token by token."""
    pairs = list(zip(one.prompt + one.tokens, other.prompt + other.tokens, strict=False))
    tops = [(a.top(_TOP), b.top(_TOP)) for a, b in pairs]
    union = sum(len(a | b) for a, b in tops)
    return sum(len(a & b) for a, b in tops) / union if union else 0.0


async def long_run(client: Client, limits: Limits) -> Verdict:
    """500 tokens arrive, each once and in order, in one generation or in several."""
    context: int = client.model["limits"]["context_length"]
    made = runs = ended = 0
    while made < _LONG and runs < _MOST_RUNS:
        most = min(_LONG - made, context - 16)
        run = await client.generate(
            "Once upon a time", max_tokens=most, temperature=1, seed=runs, feat_k=5
        )
        _whole(run)
        made, runs = made + len(run.tokens), runs + 1
        ended += run.end["reason"] == "stop"
    why = [f"the model ended {ended} itself"] if ended else []
    why += [f"its context has {context} tokens"] if context < _LONG else []
    said = f" ({', '.join(why)})" if why else ""
    return Verdict(made >= _LONG, f"{made} tokens in {runs} generation(s), none lost{said}")


def _whole(run: Run) -> None:
    """Raises Broken unless every token of the run came once, in order, and the run ended well."""
    steps = [token.step for token in run.tokens]
    positions = [token.position for token in run.prompt + run.tokens]
    if steps != list(range(len(steps))):
        wrong = next(i for i, step in enumerate(steps) if step != i)
        raise Broken(f"step {wrong} is missing: {steps[wrong]} came in its place")
    if positions != list(range(len(positions))):
        raise Broken("positions of the tokens are not 0, 1, 2, ...")
    if run.end.get("status") != "done":
        raise Broken(f"status is {run.end.get('status')!r} instead of 'done'")
    if run.end.get("generated_tokens", len(steps)) != len(steps):
        raise Broken(f"{len(steps)} of {run.end['generated_tokens']} tokens came")


async def latency(client: Client, limits: Limits) -> Verdict:
    """The first token comes soon, and the others follow fast enough."""
    runs = [
        await client.generate("Once upon a time", max_tokens=100, temperature=1, seed=seed)
        for seed in range(3)
    ]
    firsts = [run.tokens[0].at - run.began for run in runs if run.tokens]
    pauses = sorted(b.at - a.at for run in runs for a, b in pairwise(run.tokens))
    if not pauses:
        return Verdict(False, "no tokens to measure")
    first, rate = max(firsts), len(pauses) / sum(pauses)
    middle, slow = pauses[len(pauses) // 2], pauses[min(len(pauses) - 1, len(pauses) * 99 // 100)]
    good = first <= limits.first and rate >= limits.rate and slow <= limits.pause
    return Verdict(
        good,
        f"first token {first:.3f} s (at most {limits.first:g}), {rate:.1f} tokens/s "
        f"(at least {limits.rate:g}), between tokens p50 {middle * 1e3:.1f} ms, "
        f"p99 {slow * 1e3:.1f} ms (at most {limits.pause * 1e3:g})",
    )


async def edges(client: Client, limits: Limits) -> Verdict:
    """One token, arithmetic and code work; after an empty prompt is refused, the socket works."""
    one = await client.generate("a", max_tokens=1, temperature=0)
    if len(one.tokens) > 1:
        return Verdict(False, f"{len(one.tokens)} tokens came instead of one")
    for prompt in ("2 + 2 =", "def add(a, b):\n    return"):
        _whole(await client.generate(prompt, max_tokens=10, temperature=0))
    try:
        await client.generate("")
    except Refused as refused:
        if not (refused.code and refused.message):
            return Verdict(False, f"an empty prompt is refused without saying why: {refused}")
        said = f"an empty prompt is refused ({refused.code})"
    else:
        return Verdict(False, "an empty prompt is not refused")
    _whole(await client.generate("Once more", max_tokens=2, temperature=0))
    return Verdict(True, f"one token, arithmetic and code work; {said}, the socket still works")


async def contrast(client: Client, limits: Limits) -> Verdict:
    """Code and prose share less than half of their strongest features."""
    code, prose = [
        {
            feature
            for token in (await client.generate(text, max_tokens=1, temperature=0)).prompt
            for feature in token.top(_TOP)
        }
        for text in (CODE, PROSE)
    ]
    fewer = min(len(code), len(prose))
    if not fewer:
        return Verdict(False, "no features came")
    share = len(code & prose) / fewer
    measured = f"code has {len(code)} strongest features, prose {len(prose)}"
    return Verdict(share < 0.5, f"{measured}; they share {share:.0%} (under 50%)")


CHECKS: Sequence[tuple[str, Check]] = (
    ("sanity", sanity),
    ("consistency", consistency),
    ("500 tokens", long_run),
    ("latency", latency),
    ("edge cases", edges),
    ("contrast", contrast),
)
