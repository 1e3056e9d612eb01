"""A made-up generation as gateway frames: plausible features without a model.

Every token has a theme, and a theme owns features in every source. Some features fire at nearly
every token, and a few fire at random. So there are links, labels and fading to see.
"""

import hashlib
import random
from collections.abc import Iterator
from typing import Any

MODEL = "axon-demo"
LAYERS = 4
WIDTH = 1024
SOURCES = [f"{MODEL}/{layer}-res" for layer in range(LAYERS)]

Frame = dict[str, Any]

# One entry per token: its text and its theme.
CONTINUATION = [
    (" Paris", "capitals"), (",", "pauses"), (" and", "joining words"), (" the", "articles"),
    (" capital", "capitals"), (" of", "belonging"), (" Italy", "countries"), (" is", "being"),
    (" Rome", "capitals"), (".", "sentence ends"), (" In", "sentence starts"),
    (" spring", "seasons"), (" the", "articles"), (" rivers", "water"), (" of", "belonging"),
    (" Europe", "countries"), (" carry", "movement"), (" cold", "weather"), (" water", "water"),
    (" from", "origins"), (" the", "articles"), (" mountains", "landscape"), (" to", "directions"),
    (" the", "articles"), (" sea", "water"), (".", "sentence ends"), (" The", "sentence starts"),
    (" baker", "professions"), (" opens", "movement"), (" at", "times of day"),
    (" six", "numbers"), (" and", "joining words"), (" sells", "trade"), (" warm", "weather"),
    (" bread", "food"), (" to", "directions"), (" seven", "numbers"), (" patient", "feelings"),
    (" people", "people"), (".", "sentence ends"),
]  # fmt: skip
#: How many words of it are left out while a branch has edits.
OTHER_WORDS = 6
PROMPT_THEMES = {
    "The": "sentence starts", " capital": "capitals", " of": "belonging", " France": "countries",
    " is": "being",
}  # fmt: skip
LABELS = {
    "capitals": ["names of capitals", "European capitals", "seats of government", "a city is due"],
    "countries": [
        "names of countries",
        "western Europe",
        "nations in the south",
        "a place is named",
    ],
    "belonging": ["“of” between nouns", "part and whole", "belonging", "a noun is due"],
    "being": ["forms of “to be”", "statements of fact", "definitions", "an answer is due"],
    "articles": ["definite article", "start of a noun phrase", "articles", "a thing is due"],
    "sentence ends": ["full stops", "end of a statement", "sentence ends", "a new topic is due"],
    "sentence starts": [
        "capitalised first words",
        "openings",
        "sentence starts",
        "a subject is due",
    ],
    "water": ["rivers and seas", "water", "flowing things", "nature scenes"],
    "numbers": ["small numbers", "counting", "numbers as words", "quantities of things"],
    "weather": ["cold and warm", "weather", "temperatures", "comfort"],
    "food": ["bread and baking", "food", "things from an oven", "meals"],
    "seasons": ["seasons", "spring", "times of the year", "renewal"],
}
COMMON = ["text goes on", "mid-sentence", "English prose", "short words", "after a space"]


def _theme_features(theme: str, source: int) -> list[tuple[int, str | None]]:
    """The ids and labels that a theme owns in a source, always the same."""
    labels: list[str | None] = list(LABELS.get(theme, [theme, f"{theme}, plural", None, None]))
    rotated = labels[source % len(labels) :] + labels[: source % len(labels)]
    digest = hashlib.sha256(f"{theme}/{source}".encode()).digest()
    ids = [int.from_bytes(digest[2 * i : 2 * i + 2]) % WIDTH for i in range(8)]
    return list(zip(ids, rotated + [None] * 4, strict=False))


def features_at(theme: str, position: int, per_source: int, sources: list[str]) -> list[Frame]:
    """The features of one token, by source, strongest first within a source."""
    draw = random.Random(f"{theme}/{position}")
    found: list[Frame] = []
    for layer, source in enumerate(SOURCES):
        if source not in sources:
            continue
        level = 4.0 + 2.5 * layer
        owned = [
            (i, label, level * draw.uniform(0.55, 1.0) * 0.82**rank)
            for rank, (i, label) in enumerate(_theme_features(theme, layer))
        ]
        common = [
            (1000 + k, name, level * draw.uniform(0.15, 0.4)) for k, name in enumerate(COMMON)
        ]
        stray = [(draw.randrange(990), None, level * draw.uniform(0.05, 0.2)) for _ in range(4)]
        rows = {i: (label, act) for i, label, act in stray + common + owned}
        ranked = sorted(rows.items(), key=lambda row: -row[1][1])[:per_source]
        found += [
            {
                "id": i,
                **({} if label is None else {"label": label}),
                "activation": round(act, 2),
                "layer": layer,
                "source": source,
            }
            for i, (label, act) in ranked
        ]
    return found


def spoken(messages: list[Frame]) -> list[tuple[str, Frame]]:
    """A conversation's tokens as a chat template writes them, each with whose it is."""
    added: Frame = {"template": True}
    found = [
        token
        for one in messages
        for token in (
            (f"<|{one['role']}|>", added),
            ("\n", added),
            *((word, {"role": one["role"]}) for word in prompt_tokens(one["content"])),
            ("<|end|>", added),
            ("\n", added),
        )
    ]
    return [*found, ("<|assistant|>", added), ("\n", added)] if found else []


def prompt_tokens(prompt: str) -> list[str]:
    """The prompt cut before each space, roughly as a tokenizer does it."""
    words = prompt.split(" ")
    return words[:1] + [f" {word}" for word in words[1:]]


def generation(
    prompt: str,
    max_tokens: int,
    per_source: int,
    sources: list[str],
    branches: list[Frame] | None = None,
    alternatives: int | None = None,
    messages: list[Frame] | None = None,
) -> Iterator[Frame]:
    """The frames of one generation, without `seq`; the last is `finished`.

    Of a conversation, `prompt` is the last of its `messages`.

    The edits of `branches` may be changed while it goes on. While a branch has edits, it writes
    other words than without.
    """
    branches = branches or [{"name": "1", "edits": []}]
    said = spoken(messages or [])
    words = [text for text, _ in said] or prompt_tokens(prompt)
    yield {
        "type": "started",
        "model": MODEL,
        "sources": sources,
        "params": {"max_tokens": max_tokens, "seed": "1234567890123", "feat_k": per_source},
        "prompt": prompt,
        **({"messages": messages} if messages else {}),
        "prompt_tokens": len(words) + 1,
        "branches": [{"seed": "1234567890123", **branch} for branch in branches],
        "pace": 0,
        "alternatives": alternatives,
    }
    for index, branch in enumerate(branches):
        tokens: list[Frame] = [{"token": "<|endoftext|>", "position": 0, "features": []}]
        for position, word in enumerate(words, start=1):
            theme = PROMPT_THEMES.get(word, "names")
            features = features_at(theme, position, per_source, sources)
            edited = with_edits(features, branch["edits"])
            whose = said[position - 1][1] if said else {}
            tokens.append({"token": word, "position": position, "features": edited, **whose})
        tokens[-1] |= likeliest(0, branch["edits"], alternatives)
        yield {"type": "prompt", "tokens": tokens, **_branch(index, branches)}
    for step in range(max_tokens):
        position = len(words) + 1 + step
        for index, branch in enumerate(branches):
            text, theme = word_of(step, branch["edits"])
            features = features_at(theme, position, per_source, sources)
            missed = {source: 0.1 + 0.02 * i for i, source in enumerate(sources)}
            yield {
                "type": "token",
                "token": text,
                "step": step,
                "position": position,
                "token_id": 1000 + step,
                "logprob": -0.02 - 0.3 * (step % 5),
                "l0": {source: 20 + position % 7 + i for i, source in enumerate(sources)},
                "reconstruction_error": missed,
                "features": with_edits(features, branch["edits"]),
                **likeliest(step + 1, branch["edits"], alternatives),
                **_branch(index, branches),
            }
    yield finished("length", len(words) + 1, max_tokens)


def _branch(index: int, branches: list[Frame]) -> Frame:
    return {"branch": index} if len(branches) > 1 else {}


def word_of(step: int, edits: list[Frame]) -> tuple[str, str]:
    """What a branch with these edits writes at a step, and its theme."""
    return CONTINUATION[(step + (OTHER_WORDS if edits else 0)) % len(CONTINUATION)]


def likeliest(step: int, edits: list[Frame], count: int | None) -> Frame:
    """The alternatives for the token of a step, as many as `count`: what comes is second."""
    if not count:
        return {}
    text, _ = word_of(step, edits)
    others = [word for word, _ in CONTINUATION if word != text]
    tokens = [others[step % 7], text, *others[7:]][:count]
    found = [
        {"token": token, "token_id": 1000 + step if token == text else i, "logprob": -0.6 - 0.7 * i}
        for i, token in enumerate(tokens)
    ]
    return {"alternatives": found}


def with_edits(features: list[Frame], edits: list[Frame]) -> list[Frame]:
    """The features as these edits leave them; those that fire and are silenced stay listed."""
    changed = [dict(feature) for feature in features]
    for edit in edits:
        partner = edit.get("swap_with")
        [*found] = [
            feature
            for feature in changed
            if feature["source"] == edit["source"] and feature["id"] == edit["feature"]
        ]
        for feature in found:
            was = feature["activation"]
            factor = 0 if partner is not None else edit.get("scale", 1)
            after = edit.get("set", factor * was) + edit.get("add", 0)
            feature |= {"activation": round(after, 2), "edited": True, "before": was}
            if partner is not None:
                other = {"id": partner, "label": f"other {partner}", "layer": feature["layer"]}
                other |= {"source": feature["source"], "edited": True, "before": 0}
                changed.append({**other, "activation": was})
    return changed


def finished(reason: str, given: int, generated: int) -> Frame:
    """The frame that ends a generation."""
    return {
        "type": "finished",
        "status": "stopped" if reason == "cancelled" else "done",
        "reason": reason,
        "prompt_tokens": given,
        "generated_tokens": generated,
        "timings": {"queue_ns": 0, "prefill_ns": 9_000_000, "decode_ns": 21_000_000 * generated},
    }
