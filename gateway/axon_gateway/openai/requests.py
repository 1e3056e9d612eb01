"""Reads OpenAI's requests into those of `/api/generate`, and names fields as the client did."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from axon_gateway import requests
from axon_gateway.errors import Refusal
from axon_gateway.requests import Generate
from axon_gateway.requests.fields import (
    UINT64,
    boolean,
    check_names,
    integer,
    seed,
    string,
    strings,
    uint32,
    wrong_type,
)

#: Knobs that OpenAI names as Axon does.
SAME = ("temperature", "top_p", "seed", "stop", "max_tokens")
#: What says how the answer is told.
_OURS = ("model", "n", "stream", "stream_options", "axon", "logprobs")
#: What has no influence on a text.
NOTES = (
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
    "parallel_tool_calls",
)
#: What the engine does not have, and the values that ask for nothing.
_WITHOUT: Mapping[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "store": (False,),
}
WITHOUT_IN_COMPLETION = {**_WITHOUT, "suffix": ("",)}
WITHOUT_IN_CHAT = {
    **_WITHOUT,
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "web_search_options": (),
}
#: All fields of the one, and of the other.
COMPLETION = ("prompt", "echo", "best_of", *SAME, *_OURS, *NOTES, *WITHOUT_IN_COMPLETION)
CHAT = (
    *("messages", "max_completion_tokens", "top_logprobs"),
    *(*SAME, *_OURS, *NOTES, *WITHOUT_IN_CHAT),
)
#: Fields of `/api/generate` that OpenAI's own replace.
NOT_IN_AXON = ("model", "prompt", "messages", *SAME)
MOST_CHOICES = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to `/v1`."""

    #: One for each prompt.
    commands: list[Generate]
    chat: bool
    stream: bool
    include_usage: bool
    #: Whether features and all else that only Axon knows is told, too.
    axon: bool
    echo: bool
    #: Likeliest tokens to tell at each place; None: no log-probabilities.
    logprobs: int | None
    #: OpenAI's names of Axon's fields, where they differ.
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def stop(self) -> list[str]:
        """The strings that end the text, and are no part of it."""
        return list(self.commands[0].request.sampling.stop)

    @property
    def choices(self) -> int:
        """Continuations, of all prompts."""
        return sum(command.branches for command in self.commands)

    def named(self, refusal: Refusal) -> Refusal:
        """The refusal with its field as the client knows it."""
        return _named(refusal, self.names)


def completion(fields: dict[str, object]) -> Asked:
    """The body of `/v1/completions`. Raises Refusal."""
    given = _given(fields, COMPLETION, WITHOUT_IN_COMPLETION)
    echo = "echo" in given and boolean("echo", given.pop("echo"))
    if "best_of" in given and uint32("best_of", given["best_of"]) != given.get("n", 1):
        raise Refusal("out_of_range", "best_of must be n: no text is dropped here", "best_of")
    logprobs = given.pop("logprobs", None)
    if logprobs is not None:
        logprobs = uint32("logprobs", logprobs)
    prompts = _prompts(given.pop("prompt", None))
    return _asked(given, [{"prompt": one} for one in prompts], logprobs, echo=echo)


def chat(fields: dict[str, object]) -> Asked:
    """The body of `/v1/chat/completions`. Raises Refusal."""
    given = _given(fields, CHAT, WITHOUT_IN_CHAT)
    wanted = "logprobs" in given and boolean("logprobs", given.pop("logprobs"))
    likeliest = uint32("top_logprobs", given.pop("top_logprobs", 0))
    if likeliest and not wanted:
        raise Refusal("out_of_range", "top_logprobs needs logprobs to be true", "top_logprobs")
    conversation = given.pop("messages", None)
    if conversation is None:
        raise wrong_type("messages", "a list of messages", None)
    prompts = [{"messages": conversation}]
    return _asked(given, prompts, likeliest if wanted else None, chat=True)


def _given(
    fields: dict[str, object], known: tuple[str, ...], without: Mapping[str, tuple[object, ...]]
) -> dict[str, object]:
    """The fields that say something. Refusal of one that is not known, or that cannot be had."""
    check_names(fields, known)
    given = {name: value for name, value in fields.items() if value is not None}
    for name, nothing in without.items():
        # 0 == False in Python, but not in JSON.
        if name in given and not any(
            given[name] == one and isinstance(given[name], bool) == isinstance(one, bool)
            for one in nothing
        ):
            raise Refusal("out_of_range", f"{name} is not possible here; leave it out", name)
        given.pop(name, None)
    return {name: value for name, value in given.items() if name not in NOTES}


def _prompts(value: object) -> list[str]:
    if isinstance(value, list) and value and not all(isinstance(one, str) for one in value):
        message = "prompt must be a text or a list of texts; token ids cannot be read here"
        raise Refusal("wrong_type", message, "prompt")
    prompts = strings("prompt", value)
    if not prompts:
        raise Refusal("empty_prompt", "prompt must not be empty", "prompt")
    return prompts


def _asked(
    given: dict[str, object],
    prompts: list[dict[str, object]],
    logprobs: int | None,
    *,
    chat: bool = False,
    echo: bool = False,
) -> Asked:
    names = {"alternatives": "top_logprobs" if chat else "logprobs"}
    if chat:
        names["prompt"] = "messages"
    if "max_completion_tokens" in given:
        if "max_tokens" in given:
            message = "give max_completion_tokens or max_tokens, not both"
            raise Refusal("out_of_range", message, "max_completion_tokens")
        given["max_tokens"] = given.pop("max_completion_tokens")
        names["max_tokens"] = "max_completion_tokens"
    axon = given.get("axon")
    knobs = _axon(axon, logprobs, names)
    knobs |= {name: given[name] for name in SAME if name in given}
    if "model" in given:
        knobs["model"] = string("model", given["model"])
    _branch(given.get("n", 1), knobs, names)
    stream = "stream" in given and boolean("stream", given["stream"])
    try:
        commands = [requests.generate({**knobs, **prompt}) for prompt in prompts]
    except Refusal as refusal:
        raise _named(refusal, names) from None
    include_usage = _include_usage(given.get("stream_options"), stream)
    return Asked(commands, chat, stream, include_usage, axon is not None, echo, logprobs, names)


def _axon(value: object, logprobs: int | None, names: dict[str, str]) -> dict[str, object]:
    """The knobs in the field `axon`, and those that follow from its absence."""
    if value is None:
        # Nobody would see the features.
        return {"feat_k": 0, **({} if logprobs is None else {"alternatives": logprobs})}
    if not isinstance(value, dict):
        raise wrong_type("axon", "an object", value)
    for name in value:
        if name in NOT_IN_AXON:
            shown = f"axon.{name}"
            raise Refusal("unknown_field", f"{shown}: give {name} beside axon, not in it", shown)
        names.setdefault(name, f"axon.{name}")
    knobs = dict(value)
    if logprobs is not None:
        if knobs.get("alternatives") is not None:
            message = "axon.alternatives and log-probabilities are one thing; give one of both"
            raise Refusal("out_of_range", message, "axon.alternatives")
        knobs["alternatives"] = logprobs
    elif "alternatives" in knobs:
        names["alternatives"] = "axon.alternatives"
    return knobs


def _branch(value: object, knobs: dict[str, object], names: dict[str, str]) -> None:
    """Makes branches of `n`, which differ by their seeds: the first has the request's."""
    count = integer(MOST_CHOICES)("n", value)
    if count == 0:
        raise Refusal("out_of_range", f"n must be 1 to {MOST_CHOICES}", "n")
    if count == 1:
        return
    if knobs.get("branches") is not None:
        raise Refusal("out_of_range", "axon.branches are the choices; leave n out", "n")
    asked = knobs.get("seed")
    first = secrets.randbits(63) if asked is None else seed("seed", asked)
    edits = knobs.pop("edits", None)
    knobs["seed"] = first
    knobs["branches"] = [
        {"edits": edits, "seed": (first + number) % (UINT64 + 1)} for number in range(count)
    ]
    names["branches"] = "n"


def _include_usage(value: object, stream: bool) -> bool:
    if value is None:
        return False
    if not stream:
        raise Refusal("out_of_range", "stream_options needs stream to be true", "stream_options")
    if not isinstance(value, dict):
        raise wrong_type("stream_options", "an object", value)
    check_names(value, ("include_usage", "include_obfuscation"), path="stream_options.")
    wanted = value.get("include_usage")
    return wanted is not None and boolean("stream_options.include_usage", wanted)


#: The edits of `n`'s branches, which the client gave once.
_EDITS = re.compile(r"^branches\[\d+\]\.edits")


def _named(refusal: Refusal, names: Mapping[str, str]) -> Refusal:
    """The refusal with its field as the client knows it."""
    told = refusal.field
    if told is None:
        return refusal
    own = _EDITS.sub("edits", told) if names.get("branches") == "n" else told
    head = re.split(r"[.\[]", own, maxsplit=1)[0]
    refusal.field = names.get(head, head) + own[len(head) :]
    refusal.message = refusal.message.replace(told, refusal.field, 1)
    return refusal
