"""From messages to what the engine is asked: defaults filled in, every bad field named."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.chat import Message, Unfit
from axon_inference.engine.requests import (
    MAX_ALTERNATIVES,
    MAX_FEATURE_ENTRIES,
    MAX_FEATURES,
    MAX_REMOVALS,
    Explain,
    Features,
    Request,
    Sampling,
    Served,
)
from axon_inference.serving.branches import branches
from axon_inference.serving.fields import InvalidRequest, Violation, check, listed, quoted

DEFAULT_MAX_TOKENS = 60
DEFAULT_FEATURE_ENTRIES = 10
DEFAULT_REMOVALS = 64
MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_SOURCES = 1000
MAX_SOURCE_CHARACTERS = 256
# Tokens a second: the slowest pace but none, and the fastest.
_PACES = (0.01, 1000)
# Below this a temperature would do what 0 does. 0 itself is allowed and means greedy.
MIN_TEMPERATURE = 0.001


#: Why a server explains nothing (Limits.max_removals is 0).
NO_REMOVALS = (
    "this server silences no feature: no source can be edited, or the model's layers carry a state "
    "along that cannot be taken back"
)


class UnknownSource(LookupError):
    """The server has no source of that name; the message says which it has."""


@dataclass(frozen=True)
class FeatureQuery:
    """A feature to read: its source and its index in it, and most entries of each list."""

    source: int
    index: int
    limit: int


def resolve(message: pb.GenerateRequest, served: Served, model: pb.GetModelResponse) -> Request:
    """Check a message and fill in what it leaves open. `model` describes the sources and the
    limits.

    Raises:
        InvalidRequest: with one violation for every bad field.
    """
    wrong: list[Violation] = []
    if message.messages:
        ids, roles = _conversation(message, served, wrong)
    else:
        ids, roles = prompt_ids(message.prompt, served, wrong), []
    max_tokens = _max_tokens(message, served, wrong)
    sampling = _sampling(message.sampling, served, wrong)
    features = _features(message.features, served, wrong)
    wanted = branches(message.branches, model, sampling.seed, wrong)
    if message.pace != 0:
        check(wrong, "pace", message.pace, *_PACES, also="0 or ")
    check(wrong, "alternatives", message.alternatives, 0, MAX_ALTERNATIVES)
    explain = None
    if message.HasField("explain"):
        explain = explain_options(
            message.explain, "explain", features.sources, served, model, wrong
        )
    if wrong:
        raise InvalidRequest(wrong)
    return Request(
        prompt_ids=tuple(ids),
        max_tokens=min(max_tokens, served.context_length - len(ids)),
        sampling=sampling,
        features=features,
        has_bos=served.bos_id is not None,
        branches=wanted,
        pace=message.pace,
        alternatives=message.alternatives if message.HasField("alternatives") else None,
        explain=explain,
        roles=tuple(roles),
    )


def resolve_map(message: pb.GetMapRequest, served: Served) -> list[str]:
    """The sources asked for; all of the server's if none are.

    Raises:
        InvalidRequest: one is not served.
    """
    wrong: list[Violation] = []
    names = sources(message.sources, served.sources, "sources", wrong)
    if wrong:
        raise InvalidRequest(wrong)
    return names


def resolve_feature(message: pb.GetFeatureRequest, sources: Sequence[pb.Source]) -> FeatureQuery:
    """Check a message against the sources served.

    Raises:
        UnknownSource: none of `sources` has that id.
        InvalidRequest: with one violation for every bad field.
    """
    names = [source.id for source in sources]
    if message.source not in names:
        raise UnknownSource(
            f"there is no source {quoted(message.source)}; there are {listed(names)}"
        )
    source = names.index(message.source)
    limit = message.limit if message.HasField("limit") else DEFAULT_FEATURE_ENTRIES
    wrong: list[Violation] = []
    check(wrong, "index", message.index, 0, sources[source].width - 1)
    check(wrong, "limit", limit, 1, MAX_FEATURE_ENTRIES)
    if wrong:
        raise InvalidRequest(wrong)
    return FeatureQuery(source, message.index, limit)


def prompt_ids(prompt: str, served: Served, wrong: list[Violation]) -> list[int]:
    """The tokens of the field `prompt`; none if it is bad, which goes to `wrong`."""
    if not prompt:
        wrong.append(Violation("prompt", "is empty; write some text to continue", "EMPTY_PROMPT"))
        return []
    if len(prompt) > served.max_prompt_characters:
        wrong.append(
            Violation(
                "prompt",
                f"has {len(prompt)} characters; at most {served.max_prompt_characters} are read",
                "PROMPT_TOO_LONG",
            )
        )
        return []
    try:
        ids = ([] if served.bos_id is None else [served.bos_id]) + served.encode(prompt)
    except Exception as error:  # tokenizers raise what they like, for instance without an <unk>
        why = f"cannot be read by the model's tokenizer ({quoted(str(error))}); change its text"
        wrong.append(Violation("prompt", why, "UNKNOWN_TOKEN"))
        return []
    _check_ids("prompt", ids, served, wrong)
    return ids


def _check_ids(field: str, ids: Sequence[int], served: Served, wrong: list[Violation]) -> None:
    if unknown := [i for i in dict.fromkeys(ids) if not 0 <= i < served.vocab_size]:
        names = listed([quoted(served.piece(i)) for i in unknown])
        why = f"contains {names}, which the tokenizer knows but the model does not; leave it out"
        wrong.append(Violation(field, why, "UNKNOWN_TOKEN"))
    elif len(ids) > served.context_length:
        why = f"has {len(ids)} tokens; the model reads at most {served.context_length}"
        wrong.append(Violation(field, why, "PROMPT_TOO_LONG"))
    elif not ids:
        why = "has no tokens; write some text to continue"
        wrong.append(Violation(field, why, "EMPTY_PROMPT"))


def _conversation(
    message: pb.GenerateRequest, served: Served, wrong: list[Violation]
) -> tuple[list[int], list[str]]:
    """The prompt that the field `messages` stands for, and the role of each of its tokens; none if
    it is bad, which goes to `wrong`."""
    said = [Message(one.role, one.content) for one in message.messages]
    size = sum(len(text) for one in said for text in one)
    bad: Violation | None = None
    if message.prompt:
        bad = Violation("messages", "is set, and prompt too; set one of them")
    elif served.chat is None:
        why = f"needs a chat template, which {served.model} has none of; set prompt instead"
        bad = Violation("messages", why, "NO_CHAT_TEMPLATE")
    elif (most := served.max_prompt_characters) < max(size, len(said)):
        why = f"has {len(said)} messages of {size} characters; at most {most} are read"
        bad = Violation("messages", why, "PROMPT_TOO_LONG")
    elif unnamed := [n for n, one in enumerate(said) if not one.role]:
        bad = Violation(f"messages[{unnamed[0]}].role", "is empty; write who speaks")
    if bad or served.chat is None:
        wrong.extend([bad] if bad else [])
        return [], []
    try:
        ids, roles = served.chat(said)
    except Unfit as error:
        why = quoted(str(error), 300)[1:-1]
        wrong.append(Violation(f"messages{error.field}", why, "UNFIT_FOR_TEMPLATE"))
        return [], []
    except Exception as error:  # as for `prompt`
        why = f"cannot be read by the model's tokenizer ({quoted(str(error))}); change its text"
        wrong.append(Violation("messages", why, "UNKNOWN_TOKEN"))
        return [], []
    if served.bos_id is not None and ids[:1] != [served.bos_id]:
        ids, roles = [served.bos_id, *ids], ["", *roles]
    _check_ids("messages", ids, served, wrong)
    return ids, roles


def _max_tokens(message: pb.GenerateRequest, served: Served, wrong: list[Violation]) -> int:
    if not message.HasField("max_tokens"):
        return DEFAULT_MAX_TOKENS
    check(wrong, "max_tokens", message.max_tokens, 0, served.context_length)
    return message.max_tokens


def _sampling(knobs: pb.SamplingOptions, served: Served, wrong: list[Violation]) -> Sampling:
    default = Sampling()
    chosen = Sampling(
        temperature=_set(knobs, "temperature", default.temperature),
        top_k=int(_set(knobs, "top_k", default.top_k)),
        top_p=_set(knobs, "top_p", default.top_p),
        repetition_penalty=_set(knobs, "repetition_penalty", default.repetition_penalty),
        seed=knobs.seed if knobs.HasField("seed") else secrets.randbits(63),
        stop=tuple(knobs.stop),
    )
    if chosen.temperature != 0:
        check(wrong, "sampling.temperature", chosen.temperature, MIN_TEMPERATURE, 10, also="0 or ")
    check(wrong, "sampling.top_k", chosen.top_k, 0, served.vocab_size)
    check(wrong, "sampling.top_p", chosen.top_p, 0, 1, above=True)
    check(wrong, "sampling.repetition_penalty", chosen.repetition_penalty, 0.1, 10)
    if len(chosen.stop) > MAX_STOPS:
        wrong.append(Violation("sampling.stop", f"has more than {MAX_STOPS} strings"))
    if any(not 1 <= len(stop) <= MAX_STOP_CHARACTERS for stop in chosen.stop):
        wrong.append(
            Violation("sampling.stop", f"each string needs 1 to {MAX_STOP_CHARACTERS} characters")
        )
    return chosen


def _features(knobs: pb.FeatureOptions, served: Served, wrong: list[Violation]) -> Features:
    default = Features()
    names = sources(knobs.sources, served.sources, "features.sources", wrong)
    top_k = int(_set(knobs, "top_k", default.top_k))
    threshold = _set(knobs, "threshold", default.threshold)
    check(wrong, "features.top_k", top_k, 0, MAX_FEATURES)
    check(wrong, "features.threshold", threshold, 0, math.inf)
    return Features(
        sources=tuple(served.sources.index(name) for name in names),
        top_k=top_k,
        threshold=threshold,
        include_bos=knobs.include_bos,
    )


def explain_options(
    asked: pb.ExplainOptions,
    field: str,
    among: Sequence[int],
    served: Served,
    model: pb.GetModelResponse,
    wrong: list[Violation],
) -> Explain:
    """Which removals a field asks for; all sources that it may name are `among` these."""
    if not model.limits.max_removals:
        wrong.append(Violation(field, f"cannot be served: {NO_REMOVALS}", "NOT_EDITABLE"))
    limit = asked.limit if asked.HasField("limit") else DEFAULT_REMOVALS
    check(wrong, f"{field}.limit", limit, 1, MAX_REMOVALS)
    path = f"{field}.sources"
    names = sources(asked.sources, [served.sources[n] for n in among], path, wrong)
    indices = [served.sources.index(name) for name in names]
    editable = [n for n in indices if not model.sources[n].not_editable]
    if asked.sources and len(editable) < len(indices):
        bad = next(n for n in indices if n not in editable)
        why = f"{served.sources[bad]} cannot be edited: {model.sources[bad].not_editable}"
        wrong.append(Violation(path, why, "NOT_EDITABLE"))
    if not asked.sources and not editable:
        wrong.append(Violation(path, "none of the sources can be edited", "NOT_EDITABLE"))
    return Explain(tuple(editable), limit)


def sources(
    asked: Sequence[str], there: Sequence[str], field: str, wrong: list[Violation]
) -> list[str]:
    """The sources asked for in a field, each once; all that are there if none are."""
    if len(asked) > MAX_SOURCES:
        wrong.append(Violation(field, f"has {len(asked)} names; it may have {MAX_SOURCES}"))
        return []
    if (longest := max(map(len, asked), default=0)) > MAX_SOURCE_CHARACTERS:
        why = f"has a name of {longest} characters; it may have {MAX_SOURCE_CHARACTERS}"
        wrong.append(Violation(field, why))
        return []
    names = list(dict.fromkeys(asked)) or list(there)
    if unknown := [quoted(name) for name in names if name not in there]:
        why = f"has no source {listed(unknown)}; there are {listed(there)}"
        wrong.append(Violation(field, why, "UNKNOWN_SOURCE"))
        return []
    return names


def _set(knobs: pb.SamplingOptions | pb.FeatureOptions, name: str, default: float) -> float:
    return getattr(knobs, name) if knobs.HasField(name) else default  # type: ignore[arg-type]
