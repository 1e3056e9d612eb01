"""The messages that ask the server for something, from what callers give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict, Unpack

from axon.edits import CHANGES, Branch, Edit, EditError, check
from axon.errors import AxonError, FieldViolation
from axon.types import Removal
from axon.v1 import inference_pb2 as pb


class Explaining(TypedDict, total=False):
    """Which removals are tried for each generated token."""

    sources: str | Sequence[str] | None
    limit: int | None


class Knobs(TypedDict, total=False):
    """What a generation may be asked for; what is left out or None means the server's default."""

    max_tokens: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    repetition_penalty: float | None
    seed: int | None
    stop: str | Sequence[str] | None
    sources: str | Sequence[str] | None
    feat_k: int | None
    act_threshold: float | None
    include_bos: bool | None
    #: Continuations side by side; `edits` alone means one with these edits.
    branches: Sequence[Branch] | None
    edits: Edit | Sequence[Edit] | None
    #: Most tokens a second of each branch.
    pace: float | None
    #: Likeliest next tokens at each position.
    alternatives: int | None
    #: Causes of each generated token, where the server has room; {}: by its defaults.
    explain: Explaining | None


class Question(TypedDict, total=False):
    """What may be said of an explanation beside the text; see `Client.explain`."""

    position: int | None
    target: str | int | None
    rival: str | int | None
    sources: str | Sequence[str] | None
    limit: int | None
    edits: Edit | Sequence[Edit] | None
    #: How many of the tokens are a prompt's, for edits limited to those or to the others.
    prompt_tokens: int | None
    path: Removal | None


#: Where each knob lies in GenerateRequest.
FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "max_tokens": "max_tokens",
    "temperature": "sampling.temperature",
    "top_k": "sampling.top_k",
    "top_p": "sampling.top_p",
    "repetition_penalty": "sampling.repetition_penalty",
    "seed": "sampling.seed",
    "stop": "sampling.stop",
    "sources": "features.sources",
    "feat_k": "features.top_k",
    "act_threshold": "features.threshold",
    "include_bos": "features.include_bos",
    "branches": "branches",
    "pace": "pace",
    "alternatives": "alternatives",
    "explain": "explain",
}

_WHERE: Mapping[str | None, pb.EditWhere.ValueType] = {
    "while_firing": pb.EDIT_WHERE_WHILE_FIRING,
    "everywhere": pb.EDIT_WHERE_EVERYWHERE,
}
_ORIGIN: Mapping[str | None, pb.TokenOrigin.ValueType] = {
    "prompt": pb.TOKEN_ORIGIN_PROMPT,
    "generated": pb.TOKEN_ORIGIN_GENERATED,
}


def generate_request(prompt: str, knobs: Mapping[str, Any]) -> pb.GenerateRequest:
    """The message for a prompt and `Knobs`.

    Raises AxonError (INVALID_ARGUMENT, naming the field) for a value that the message cannot hold,
    such as a negative or a fractional count; ranges are the server's to judge. TypeError for a knob
    that does not exist.
    """
    knobs = dict(knobs)
    edits = knobs.pop("edits", None)
    if unknown := knobs.keys() - FIELDS.keys() | ({"prompt"} & knobs.keys()):
        raise TypeError(f"unknown knob: {', '.join(sorted(unknown))}")
    request = pb.GenerateRequest()
    for name, value in {"prompt": prompt, **knobs}.items():
        if value is not None and name not in ("branches", "explain"):
            _assign(request, name, value)
    if (explain := knobs.get("explain")) is not None:
        _fill_options(request.explain, "explain", explain.get("sources"), explain.get("limit"))
    branches = knobs.get("branches")
    if edits is not None and branches is not None:
        raise _invalid("edits", "go into the branches, or into one branch alone: give one of both")
    if edits is not None:
        request.branches.add(edits=_edits(edits, "edits"))
    for number, branch in enumerate(branches or ()):
        request.branches.append(_branch(branch, f"branches[{number}]"))
    return request


def explain_request(text: str | Sequence[int], **question: Unpack[Question]) -> pb.ExplainRequest:
    """The message that asks why a token came after a text, which may be given as its tokens.

    Raises AxonError (INVALID_ARGUMENT, naming the field) for a value that it cannot hold.
    """
    request = pb.ExplainRequest(edits=_edits(question.get("edits") or (), "edits"))
    if isinstance(text, str):
        with _naming("prompt", "prompt", text):
            request.prompt = text
    else:
        with _naming("token_ids", "token_ids", text):
            request.token_ids.extend(text)
    for name in ("position", "prompt_tokens"):
        if (value := question.get(name)) is not None:
            with _naming(name, name, value):
                setattr(request, name, value)
    for name in ("target", "rival"):
        if (token := question.get(name)) is not None:
            kind = "text" if isinstance(token, str) else "token_id"
            with _naming(name, f"{name}.{kind}", token):
                setattr(getattr(request, name), kind, token)
    _fill_options(request.options, "options", question.get("sources"), question.get("limit"))
    if path := question.get("path"):
        for name in ("source", "feature", "position"):
            if (value := getattr(path, name)) is not None:
                with _naming("path", f"path.{name}", value):
                    setattr(request.path, name, value)
    return request


def _fill_options(
    options: pb.ExplainOptions,
    path: str,
    sources: str | Sequence[str] | None,
    limit: int | None,
) -> None:
    options.SetInParent()
    if sources is not None:
        with _naming("sources", f"{path}.sources", sources):
            options.sources.extend([sources] if isinstance(sources, str) else sources)
    if limit is not None:
        with _naming("limit", f"{path}.limit", limit):
            options.limit = limit


def edit_request(generation: str, branch: int, edits: Edit | Sequence[Edit]) -> pb.EditRequest:
    """The message that replaces a branch's edits.

    Raises AxonError (INVALID_ARGUMENT, naming the field) for a value that it cannot hold.
    """
    request = pb.EditRequest(edits=_edits(edits, "edits"))
    for name, value in (("generation", generation), ("branch", branch)):
        with _naming(name, name, value):
            setattr(request, name, value)
    return request


def _branch(branch: Branch, path: str) -> pb.Branch:
    if not isinstance(branch, Branch):
        raise _invalid(path, f"must be a Branch, not {branch!r:.40}")
    message = pb.Branch(edits=_edits(branch.edits, f"{path}.edits"))
    for name, value in (("name", branch.name), ("seed", branch.seed)):
        if value is not None:
            with _naming(f"{path}.{name}", f"{path}.{name}", value):
                setattr(message, name, value)
    return message


def _edits(given: Edit | Sequence[Edit], path: str) -> list[pb.FeatureEdit]:
    edits = [given] if isinstance(given, Edit) else given
    return [_edit(edit, f"{path}[{number}]") for number, edit in enumerate(edits)]


def _edit(edit: Edit, path: str) -> pb.FeatureEdit:
    if not isinstance(edit, Edit):
        raise _invalid(path, f"must be an Edit, not {edit!r:.40}")
    try:
        check(edit)
    except EditError as error:
        raise _invalid(f"{path}.{error.field}".rstrip("."), error.description) from None
    fields = ("source", "feature", *CHANGES, "first_position", "last_position", "include_bos")
    given = {name: getattr(edit, name) for name in fields}
    with _naming(f"{path}.source", f"{path}.source", edit.source):
        return pb.FeatureEdit(
            **{name: value for name, value in given.items() if value is not None},
            where=_WHERE.get(edit.where, pb.EDIT_WHERE_UNSPECIFIED),
            origin=_ORIGIN.get(edit.origin, pb.TOKEN_ORIGIN_UNSPECIFIED),
        )


def _invalid(field: str, description: str) -> AxonError:
    violation = FieldViolation(field, description)
    return AxonError("INVALID_ARGUMENT", f"{field} {description}", (violation,))


def feature_request(source: str, index: int, limit: int | None) -> pb.GetFeatureRequest:
    """The message for one feature; `limit` None means the server's default.

    Raises AxonError (INVALID_ARGUMENT, naming the field) for a value that it cannot hold.
    """
    request = pb.GetFeatureRequest()
    given = {"source": source, "index": index, **({} if limit is None else {"limit": limit})}
    for name, value in given.items():
        with _naming(name, name, value):
            setattr(request, name, value)
    return request


def _assign(request: pb.GenerateRequest, name: str, value: object) -> None:
    """Sets one knob, or raises AxonError naming it."""
    owner, _, field = FIELDS[name].rpartition(".")
    message = getattr(request, owner) if owner else request
    with _naming(name, FIELDS[name], value):
        if name in ("stop", "sources"):
            values = [value] if isinstance(value, str) else value
            getattr(message, field).extend(values)
        else:
            setattr(message, field, value)


@contextmanager
def _naming(name: str, field: str, value: object) -> Iterator[None]:
    """A block that sets a field: a value that it cannot hold becomes an AxonError naming it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        violation = FieldViolation(field, f"{value!r} does not fit: {error}")
        message_text = f"{name}: {violation.description}"
        raise AxonError("INVALID_ARGUMENT", message_text, (violation,)) from error
