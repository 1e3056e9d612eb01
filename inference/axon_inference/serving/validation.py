"""From messages to what the engine is asked: defaults filled in, every bad field named."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.requests import (
    MAX_ALTERNATIVES,
    MAX_EDITS,
    MAX_FEATURE_ENTRIES,
    MAX_FEATURES,
    Branch,
    Change,
    Edit,
    Features,
    Origin,
    Request,
    Sampling,
    Served,
)

DEFAULT_MAX_TOKENS = 60
DEFAULT_FEATURE_ENTRIES = 10
MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_SOURCES = 1000
MAX_SOURCE_CHARACTERS = 256
MAX_NAME_CHARACTERS = 64
# Tokens a second: the slowest pace but none, and the fastest.
_PACES = (0.01, 1000)
# Below this a temperature would do what 0 does. 0 itself is allowed and means greedy.
MIN_TEMPERATURE = 0.001
# How much of a request an error quotes. Errors travel in gRPC's trailing metadata, of which clients
# take 8 KB; a byte beyond ASCII takes up to six there.
_QUOTED_BYTES = 48
_QUOTED_NAMES = 6


@dataclass(frozen=True)
class Violation:
    """One bad field, by its path in the request, what would be right, and a code for programs."""

    field: str
    description: str
    reason: str = "OUT_OF_RANGE"


class InvalidRequest(ValueError):
    """The request cannot be served as it stands."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations


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
    prompt_ids = _prompt(message.prompt, served, wrong)
    max_tokens = _max_tokens(message, served, wrong)
    sampling = _sampling(message.sampling, served, wrong)
    features = _features(message.features, served, wrong)
    branches = _branches(message.branches, model, sampling.seed, wrong)
    if message.pace != 0:
        _check(wrong, "pace", message.pace, *_PACES, also="0 or ")
    _check(wrong, "alternatives", message.alternatives, 0, MAX_ALTERNATIVES)
    if wrong:
        raise InvalidRequest(wrong)
    return Request(
        prompt_ids=tuple(prompt_ids),
        max_tokens=min(max_tokens, served.context_length - len(prompt_ids)),
        sampling=sampling,
        features=features,
        has_bos=served.bos_id is not None,
        branches=branches,
        pace=message.pace,
        alternatives=message.alternatives if message.HasField("alternatives") else None,
    )


def resolve_edits(
    edits: Sequence[pb.FeatureEdit], sources: Sequence[pb.Source]
) -> tuple[Edit, ...]:
    """Check the edits of a message `EditRequest` against the sources served.

    Raises:
        InvalidRequest: with one violation for every bad field.
    """
    wrong: list[Violation] = []
    found = _edits(edits, sources, "edits", wrong)
    if wrong:
        raise InvalidRequest(wrong)
    return found


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
    _check(wrong, "index", message.index, 0, sources[source].width - 1)
    _check(wrong, "limit", limit, 1, MAX_FEATURE_ENTRIES)
    if wrong:
        raise InvalidRequest(wrong)
    return FeatureQuery(source, message.index, limit)


def _prompt(prompt: str, served: Served, wrong: list[Violation]) -> list[int]:
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
    if unknown := [i for i in dict.fromkeys(ids) if not 0 <= i < served.vocab_size]:
        names = listed([quoted(served.piece(i)) for i in unknown])
        why = f"contains {names}, which the tokenizer knows but the model does not; leave it out"
        wrong.append(Violation("prompt", why, "UNKNOWN_TOKEN"))
    elif len(ids) > served.context_length:
        wrong.append(
            Violation(
                "prompt",
                f"has {len(ids)} tokens; the model reads at most {served.context_length}",
                "PROMPT_TOO_LONG",
            )
        )
    elif not ids:
        wrong.append(
            Violation("prompt", "has no tokens; write some text to continue", "EMPTY_PROMPT")
        )
    return ids


def _max_tokens(message: pb.GenerateRequest, served: Served, wrong: list[Violation]) -> int:
    if not message.HasField("max_tokens"):
        return DEFAULT_MAX_TOKENS
    _check(wrong, "max_tokens", message.max_tokens, 0, served.context_length)
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
        _check(wrong, "sampling.temperature", chosen.temperature, MIN_TEMPERATURE, 10, also="0 or ")
    _check(wrong, "sampling.top_k", chosen.top_k, 0, served.vocab_size)
    _check(wrong, "sampling.top_p", chosen.top_p, 0, 1, above=True)
    _check(wrong, "sampling.repetition_penalty", chosen.repetition_penalty, 0.1, 10)
    if len(chosen.stop) > MAX_STOPS:
        wrong.append(Violation("sampling.stop", f"has more than {MAX_STOPS} strings"))
    if any(not 1 <= len(stop) <= MAX_STOP_CHARACTERS for stop in chosen.stop):
        wrong.append(
            Violation("sampling.stop", f"each string needs 1 to {MAX_STOP_CHARACTERS} characters")
        )
    return chosen


def _branches(
    asked: Sequence[pb.Branch], model: pb.GetModelResponse, seed: int, wrong: list[Violation]
) -> tuple[Branch, ...]:
    if len(asked) > (most := model.limits.max_branches):
        wrong.append(Violation("branches", f"has {len(asked)} branches; it may have {most}"))
        return ()
    found = []
    for number, branch in enumerate(asked or [pb.Branch()]):
        path = f"branches[{number}]"
        if len(branch.name) > MAX_NAME_CHARACTERS:
            why = f"has {len(branch.name)} characters; it may have {MAX_NAME_CHARACTERS}"
            wrong.append(Violation(f"{path}.name", why))
        edits = _edits(branch.edits, model.sources, f"{path}.edits", wrong)
        own = branch.seed if branch.HasField("seed") else seed
        found.append(Branch(branch.name or str(number + 1), edits, own))
    return tuple(found)


def _edits(
    asked: Sequence[pb.FeatureEdit],
    sources: Sequence[pb.Source],
    path: str,
    wrong: list[Violation],
) -> tuple[Edit, ...]:
    if len(asked) > MAX_EDITS:
        wrong.append(Violation(path, f"has {len(asked)} edits; it may have {MAX_EDITS}"))
        return ()
    found = [_edit(edit, sources, f"{path}[{n}]", wrong) for n, edit in enumerate(asked)]
    return tuple(edit for edit in found if edit)


def _edit(
    asked: pb.FeatureEdit, sources: Sequence[pb.Source], path: str, wrong: list[Violation]
) -> Edit | None:
    index = next((n for n, source in enumerate(sources) if source.id == asked.source), None)
    if index is None:
        names = listed([source.id for source in sources])
        why = f"there is no source {quoted(asked.source)}; there are {names}"
        wrong.append(Violation(f"{path}.source", why, "UNKNOWN_SOURCE"))
        return None
    if why := sources[index].not_editable:
        why = f"{asked.source} cannot be edited: {why}"
        wrong.append(Violation(f"{path}.source", why, "NOT_EDITABLE"))
        return None
    last = sources[index].width - 1
    _check(wrong, f"{path}.feature", asked.feature, 0, last)
    kind = asked.WhichOneof("change")
    value, partner = 0.0, 0
    if kind is None:
        wrong.append(Violation(path, "needs one of set, scale, add, swap_with"))
        return None
    if kind == "swap_with":
        partner = asked.swap_with
        _check(wrong, f"{path}.swap_with", partner, 0, last)
        if partner == asked.feature:
            why = "is the feature itself; it needs another one"
            wrong.append(Violation(f"{path}.swap_with", why))
    elif not math.isfinite(value := getattr(asked, kind)):
        wrong.append(Violation(f"{path}.{kind}", f"is {value}; it must be finite"))
    if asked.where not in pb.EditWhere.values():
        why = f"is {asked.where}, which this server does not know"
        wrong.append(Violation(f"{path}.where", why))
    if asked.origin not in _ORIGINS:
        why = f"is {asked.origin}, which this server does not know"
        wrong.append(Violation(f"{path}.origin", why))
    until = asked.last_position if asked.HasField("last_position") else None
    if until is not None and until < asked.first_position:
        why = f"is {until}, before first_position, which is {asked.first_position}"
        wrong.append(Violation(f"{path}.last_position", why))
    everywhere = asked.where == pb.EDIT_WHERE_EVERYWHERE or (
        asked.where == pb.EDIT_WHERE_UNSPECIFIED and kind == "add"
    )
    return Edit(
        source=index,
        feature=asked.feature,
        change=Change(kind),
        value=value,
        swap_with=partner,
        everywhere=everywhere,
        origin=_ORIGINS.get(asked.origin, Origin.ANY),
        first=asked.first_position,
        last=until,
        include_bos=asked.include_bos,
    )


_ORIGINS = {
    pb.TOKEN_ORIGIN_UNSPECIFIED: Origin.ANY,
    pb.TOKEN_ORIGIN_PROMPT: Origin.PROMPT,
    pb.TOKEN_ORIGIN_GENERATED: Origin.GENERATED,
}


def _features(knobs: pb.FeatureOptions, served: Served, wrong: list[Violation]) -> Features:
    default = Features()
    names = _sources(knobs.sources, served, wrong)
    top_k = int(_set(knobs, "top_k", default.top_k))
    threshold = _set(knobs, "threshold", default.threshold)
    _check(wrong, "features.top_k", top_k, 0, MAX_FEATURES)
    _check(wrong, "features.threshold", threshold, 0, math.inf)
    return Features(
        sources=tuple(served.sources.index(name) for name in names),
        top_k=top_k,
        threshold=threshold,
        include_bos=knobs.include_bos,
    )


def _sources(asked: Sequence[str], served: Served, wrong: list[Violation]) -> list[str]:
    """The sources asked for, each once; all of the server's if none are."""
    field = "features.sources"
    if len(asked) > MAX_SOURCES:
        wrong.append(Violation(field, f"has {len(asked)} names; it may have {MAX_SOURCES}"))
        return []
    if (longest := max(map(len, asked), default=0)) > MAX_SOURCE_CHARACTERS:
        why = f"has a name of {longest} characters; it may have {MAX_SOURCE_CHARACTERS}"
        wrong.append(Violation(field, why))
        return []
    names = list(dict.fromkeys(asked)) or list(served.sources)
    if unknown := [quoted(name) for name in names if name not in served.sources]:
        why = f"has no source {listed(unknown)}; there are {listed(served.sources)}"
        wrong.append(Violation(field, why, "UNKNOWN_SOURCE"))
        return []
    return names


def quoted(text: str) -> str:
    """A value of a request as an error message shows it: in quotes, and cut if it is long."""
    whole = text.encode(errors="replace")
    cut = whole[:_QUOTED_BYTES].decode(errors="ignore")
    return repr(cut + "..." if len(whole) > _QUOTED_BYTES else cut)


def listed(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - _QUOTED_NAMES
    return ", ".join(names[:_QUOTED_NAMES]) + (f" and {more} more" if more > 0 else "")


def _set(knobs: pb.SamplingOptions | pb.FeatureOptions, name: str, default: float) -> float:
    return getattr(knobs, name) if knobs.HasField(name) else default  # type: ignore[arg-type]


def _check(
    wrong: list[Violation],
    field: str,
    value: float,
    low: float,
    high: float,
    above: bool = False,
    also: str = "",
) -> None:
    """Note a value outside [low, high], or (low, high] if `above`, or not a finite number.

    `also` says in the message what else is allowed.
    """
    # Written so that NaN, which compares false with everything, is refused.
    inside = low < value <= high if above else low <= value <= high
    # Bounds such as 0.1 are not exact in float32, which messages use.
    near = not above and math.isclose(value, low, rel_tol=1e-6)
    if math.isinf(value) or not (inside or near):
        begins = f"above {low}" if above else f"{low}"
        limits = f"{begins} to {high}" if math.isfinite(high) else f"{begins} or more"
        shown = value if isinstance(value, int) else f"{value:g}"
        wrong.append(Violation(field, f"is {shown}; it must be {also}{limits}"))
