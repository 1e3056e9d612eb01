"""The messages of a socket, and of `/api/generate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from axon.requests import edit_request, generate_request
from axon.v1 import inference_pb2 as pb

from axon_gateway.errors import Refusal
from axon_gateway.requests.conversation import read_messages
from axon_gateway.requests.edits import InMaxima, read_branches, read_edits
from axon_gateway.requests.explain import (
    CancelExplain,
    Explain,
    explain,
    explain_on_socket,
    explain_options,
)
from axon_gateway.requests.fields import (
    MAX_NAME,
    boolean,
    check_names,
    decode,
    nonzero,
    number,
    seed,
    sources,
    string,
    strings,
    uint32,
    wrong_type,
)
from axon_gateway.requests.hall import (
    MAX_ID,
    CloseQuestion,
    LeaveLine,
    Question,
    Vote,
    close_question,
    leave_line,
    person,
    vote,
)
from axon_gateway.requests.hall import question as hall_question

#: Numbers of a camera's pose: more than any page needs, and few enough to keep.
MAX_POSE = 32
#: Filters of a view, and characters of one.
MAX_FILTERS = 16
MAX_FILTER = 300


@dataclass(frozen=True, slots=True)
class Generate:
    """The client asks for a generation."""

    request: pb.GenerateRequest
    #: The model that is to run it; None: the default one.
    model: str | None = None
    #: Whether the message named its type. Clients of the earlier demo do not.
    typed: bool = True
    in_maxima: tuple[InMaxima, ...] = ()
    #: Whether `edits` stood alone, and not in a branch.
    edits_alone: bool = False
    #: What the client is called if it has to wait in the room's line; "": the room finds a name.
    name: str = ""

    @property
    def branches(self) -> int:
        """How many continuations it asks for."""
        return max(1, len(self.request.branches))

    @property
    def text(self) -> str:
        """What is to be continued or answered, as far as its length goes."""
        return self.request.prompt or "".join(one.content for one in self.request.messages)


@dataclass(frozen=True, slots=True)
class Edit:
    """The client gives a branch of the running generation other edits."""

    #: Without the generation.
    request: pb.EditRequest
    in_maxima: tuple[InMaxima, ...]
    #: The message again, for the gateway that runs the generation.
    text: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The client asks to stop the running one."""


@dataclass(frozen=True, slots=True)
class Open:
    """The presenter lets everybody in the room generate, or only itself again."""

    open: bool


@dataclass(frozen=True, slots=True)
class Share:
    """The presenter makes the room available to others."""


@dataclass(frozen=True, slots=True)
class View:
    """Where the presenter looks: the camera, the chosen feature and token, None where none is.

    `filters` and `sources` are what is on show; `filters` is None if the page does not tell them.
    """

    pose: tuple[float, ...]
    feature: str | None
    token: int | None
    filters: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """The client has heard nothing for a while and checks the connection."""


@dataclass(frozen=True, slots=True)
class Enter:
    """The tokens of a client that keeps them out of its address: the first message on `/ws?enter`.

    `access` is its access token, `token` a room's presenter token; "" where it has none. `voter`
    tells a browser that comes back from another one, for votes.
    """

    access: str
    token: str
    voter: str = ""


Command = (
    Generate
    | Edit
    | Stop
    | Explain
    | CancelExplain
    | Open
    | Share
    | View
    | Ping
    | Question
    | Vote
    | CloseQuestion
    | LeaveLine
)


def parse(data: bytes | str, max_bytes: int) -> Command:
    """A socket's message. Without `type` it is a generate request. Raises Refusal."""
    fields = decode(data, max_bytes)
    typed = "type" in fields
    kind = fields.pop("type", "generate")
    if not isinstance(kind, str):
        raise Refusal("wrong_type", "type must be a string", "type")
    match kind:
        case "generate":
            return generate(fields, typed)
        case "edit":
            return edit(fields)
        case "stop":
            return Stop()
        case "explain":
            return explain_on_socket(fields)
        case "open":
            return Open(boolean("open", fields.get("open")))
        case "share":
            return Share()
        case "view":
            return _view(fields)
        case "ping":
            return Ping()
        case "question":
            return hall_question(fields)
        case "vote":
            return vote(fields)
        case "close":
            return close_question(fields)
        case "leave":
            return leave_line(fields)
    known = "generate, edit, stop, explain, open, share, view, question, vote, close, leave or ping"
    raise Refusal("unknown_type", f"type must be {known}, not {kind[:40]!a}", "type")


def enter(data: bytes | str, max_bytes: int) -> Enter:
    """A socket's first message, if it has to be `enter`. Raises Refusal."""
    fields = decode(data, max_bytes)
    if fields.get("type") != "enter":
        raise Refusal("unknown_type", "the first message on /ws?enter must be enter", "type")
    given = {name: fields.get(name) for name in ("access", "token", "voter")}
    found = {name: "" if value is None else value for name, value in given.items()}
    entered = Enter(**{name: string(name, value) for name, value in found.items()})
    if len(entered.voter) > MAX_ID:
        raise Refusal("out_of_range", f"voter may have {MAX_ID} characters", "voter")
    return entered


def generate(fields: dict[str, object], typed: bool = True) -> Generate:
    """The request in a decoded object without `type`; it is emptied. Raises Refusal."""
    model = fields.pop("model", None)
    prompt = fields.pop("prompt", "")
    called = fields.pop("name", None)
    conversation = fields.pop("messages", None)
    check_names(fields, (*KNOBS, "branches", "edits", "explain"), "model, messages, name")
    if conversation is not None:
        if prompt not in ("", None):
            raise Refusal("out_of_range", "give prompt or messages, not both", "messages")
        prompt = ""
    elif prompt == "":
        raise Refusal("empty_prompt", "prompt must not be empty", "prompt")
    branches, edits = fields.pop("branches", None), fields.pop("edits", None)
    causes = fields.pop("explain", None)
    if branches is not None and edits is not None:
        message = "edits go into the branches, or, without branches, into the only one"
        raise Refusal("out_of_range", message, "edits")
    # null means the same as leaving the field out.
    knobs = {name: KNOBS[name](name, value) for name, value in fields.items() if value is not None}
    if branches is not None:
        read = read_branches("branches", branches)
        knobs["branches"], found = [branch for branch, _ in read], [own for _, own in read]
    else:
        found = [] if edits is None else [read_edits("edits", edits)]
        knobs["edits"] = found[0].edits if found else None
    request = generate_request(string("prompt", prompt), knobs)
    if conversation is not None:
        request.messages.extend(read_messages("messages", conversation))
    if causes is not None:
        request.explain.CopyFrom(explain_options("explain", causes))
    in_maxima = (
        one
        for own, branch in zip(found, request.branches, strict=True)
        for one in own.among(branch.edits)
    )
    return Generate(
        request,
        None if model is None else string("model", model),
        typed,
        tuple(in_maxima),
        edits is not None,
        "" if called is None else person("name", called),
    )


def question(data: bytes | str, max_bytes: int) -> Explain:
    """The body of `/api/explain`. Raises Refusal."""
    return explain(decode(data, max_bytes))


def edit(fields: dict[str, object]) -> Edit:
    """The edit in a decoded object without its `type`. Raises Refusal."""
    check_names(fields, ("branch", "edits"))
    if (edits := fields.get("edits")) is None:
        raise wrong_type("edits", "a list of edits, empty to end all", None)
    found = read_edits("edits", edits)
    branch = fields.get("branch")
    index = 0 if branch is None else uint32("branch", branch)
    request = edit_request("", index, found.edits)
    return Edit(request, tuple(found.among(request.edits)), json.dumps(fields))


def _view(fields: dict[str, object]) -> View:
    pose, feature, token = (fields.get(name) for name in ("pose", "feature", "token"))
    if not isinstance(pose, list):
        raise wrong_type("pose", "a list of numbers", pose)
    if len(pose) > MAX_POSE:
        raise Refusal("out_of_range", f"pose may have {MAX_POSE} numbers", "pose")
    name = None if feature is None else string("feature", feature)
    if name is not None and len(name) > MAX_NAME:
        raise Refusal("out_of_range", f"feature may have {MAX_NAME} characters", "feature")
    filters, shown = fields.get("filters"), fields.get("sources")
    return View(
        pose=tuple(number("pose", one) for one in pose),
        feature=name,
        token=None if token is None else uint32("token", token),
        filters=None if filters is None else _filters(filters),
        sources=None if shown is None else tuple(sources("sources", shown)),
    )


def _filters(value: object) -> tuple[str, ...]:
    found = strings("filters", value)
    if len(found) > MAX_FILTERS or any(len(one) > MAX_FILTER for one in found):
        message = f"filters may be {MAX_FILTERS}, of {MAX_FILTER} characters each"
        raise Refusal("out_of_range", message, "filters")
    return tuple(found)


#: The knobs of a generation, and what reads each.
KNOBS: dict[str, Callable[[str, object], object]] = {
    "max_tokens": uint32,
    "temperature": nonzero,
    "top_k": uint32,
    "top_p": nonzero,
    "repetition_penalty": nonzero,
    "seed": seed,
    "stop": strings,
    "feat_k": uint32,
    "act_threshold": nonzero,
    "sources": sources,
    "include_bos": boolean,
    "pace": nonzero,
    "alternatives": uint32,
}
