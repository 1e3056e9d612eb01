"""Questions why a token came, and what a generation is to tell of its own tokens' causes."""

from __future__ import annotations

from dataclasses import dataclass

from axon.requests import edit_request
from axon.v1 import inference_pb2 as pb

from axon_gateway.errors import Refusal
from axon_gateway.requests.edits import InMaxima, read_edits
from axon_gateway.requests.fields import (
    boolean,
    check_names,
    sources,
    string,
    uint32,
    wrong_type,
)

#: Characters of the id that a socket gives its question.
MAX_ID = 64
#: The fields of a question.
FIELDS = (
    "model",
    "prompt",
    "token_ids",
    "position",
    "prompt_tokens",
    "target",
    "rival",
    "sources",
    "limit",
    "edits",
    "path",
    "progress",
)


@dataclass(frozen=True, slots=True)
class Explain:
    """The client asks why a token came."""

    request: pb.ExplainRequest
    #: The model that is to answer; None: the one of its sources, or the default.
    model: str | None = None
    in_maxima: tuple[InMaxima, ...] = ()
    #: Whether each measurement is told as it comes.
    progress: bool = False
    #: Names the question in its answer, on a socket.
    id: str = ""

    @property
    def sources(self) -> list[str]:
        """The sources that it names."""
        edited = [one.source for one in self.request.edits]
        return [*self.request.options.sources, *filter(None, [*edited, self.request.path.source])]


@dataclass(frozen=True, slots=True)
class CancelExplain:
    """The client no longer wants an answer."""

    id: str


def explain(fields: dict[str, object]) -> Explain:
    """The question in a decoded object without `type` and `id`. Raises Refusal."""
    check_names(fields, FIELDS)
    given = {name: value for name, value in fields.items() if value is not None}
    request = pb.ExplainRequest(options=_options("", given))
    _read_text(given, request)
    for name in ("position", "prompt_tokens"):
        if name in given:
            setattr(request, name, uint32(name, given[name]))
    for name in ("target", "rival"):
        if name in given:
            getattr(request, name).CopyFrom(_token(name, given[name]))
    if "path" in given:
        request.path.CopyFrom(_removal(given["path"]))
    found = read_edits("edits", given.get("edits", []))
    request.edits.extend(edit_request("", 0, found.edits).edits)
    return Explain(
        request,
        None if "model" not in given else string("model", given["model"]),
        tuple(found.among(request.edits)),
        "progress" in given and boolean("progress", given["progress"]),
    )


def explain_on_socket(fields: dict[str, object]) -> Explain | CancelExplain:
    """The same on a socket, where `id` names the question, and `cancel` ends it."""
    id_ = string("id", fields.pop("id", None))
    if not 0 < len(id_) <= MAX_ID:
        raise Refusal("out_of_range", f"id must have 1 to {MAX_ID} characters", "id")
    if (cancel := fields.pop("cancel", None)) is not None and boolean("cancel", cancel):
        check_names(fields, (), "id, cancel")
        return CancelExplain(id_)
    try:
        asked = explain(fields)
    except Refusal as refusal:
        refusal.id = id_
        raise
    return Explain(asked.request, asked.model, asked.in_maxima, asked.progress, id_)


def explain_options(name: str, value: object) -> pb.ExplainOptions:
    """What a generation is to tell of its tokens' causes. Raises Refusal."""
    if not isinstance(value, dict):
        raise wrong_type(name, "an object with sources and limit", value)
    check_names(value, ("sources", "limit"), path=f"{name}.")
    return _options(f"{name}.", {key: one for key, one in value.items() if one is not None})


def _options(path: str, given: dict[str, object]) -> pb.ExplainOptions:
    options = pb.ExplainOptions()
    if "sources" in given:
        options.sources.extend(sources(f"{path}sources", given["sources"]))
    if "limit" in given:
        options.limit = uint32(f"{path}limit", given["limit"])
    return options


def _read_text(given: dict[str, object], request: pb.ExplainRequest) -> None:
    """Sets the prompt or the tokens, of which exactly one is given."""
    if "token_ids" in given:
        if "prompt" in given:
            raise Refusal("out_of_range", "give prompt or token_ids, not both", "token_ids")
        ids = given["token_ids"]
        if not isinstance(ids, list):
            raise wrong_type("token_ids", "a list of integers", ids)
        if not ids:
            raise Refusal("empty_prompt", "token_ids must not be empty", "token_ids")
        request.token_ids.extend(uint32("token_ids", id_) for id_ in ids)
        return
    request.prompt = string("prompt", given.get("prompt", ""))
    if not request.prompt:
        raise Refusal("empty_prompt", "prompt must not be empty", "prompt")


def _token(name: str, value: object) -> pb.TokenChoice:
    if isinstance(value, dict):
        check_names(value, ("token_id",), path=f"{name}.")
        return pb.TokenChoice(token_id=uint32(f"{name}.token_id", value.get("token_id")))
    if not isinstance(value, str):
        raise wrong_type(name, 'a text, or an object such as {"token_id": 7}', value)
    if not string(name, value):
        raise Refusal("out_of_range", f"{name} must not be empty", name)
    return pb.TokenChoice(text=value)


def _removal(value: object) -> pb.Removal:
    if not isinstance(value, dict):
        raise wrong_type("path", "an object with source, feature and position", value)
    check_names(value, ("source", "feature", "position"), path="path.")
    [source] = sources("path.source", string("path.source", value.get("source")))
    position = value.get("position")
    return pb.Removal(
        source=source,
        feature=uint32("path.feature", value.get("feature")),
        position=None if position is None else uint32("path.position", position),
    )
