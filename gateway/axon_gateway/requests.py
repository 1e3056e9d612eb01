"""What clients send: JSON, checked here for form; the inference service checks ranges.

Whatever is wrong with a message by itself (not JSON, wrong type, a number no field can hold) is
refused here with the name of the field. What depends on the model (the longest prompt, which
sources exist) is refused by the inference service; `backends.statuses` translates that.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from axon.messages import generate_request
from axon.v1 import inference_pb2 as pb

from axon_gateway.errors import Refusal

_UINT32 = 2**32 - 1
_UINT64 = 2**64 - 1
#: The largest 32-bit float, and the smallest one above 0 that has full precision.
_FLOAT32 = 3.4028234e38
_SMALLEST = 1.1754944e-38
#: More digits than any number that is valid here. Python refuses more than 4,300 digits, and is
#: slow to read slightly fewer.
_MAX_DIGITS = 40
_DECIMAL = re.compile(r"-?[0-9]{1,40}", re.ASCII)
#: Numbers of a camera's pose: more than any page needs, and few enough to keep.
_MAX_POSE = 32
#: Characters of the name of a model, a source, or a feature (source and index).
_MAX_NAME = 300
#: Sources that a request may name. A client that wants more leaves `sources` out, for all.
_MAX_SOURCES = 64


@dataclass(frozen=True, slots=True)
class Generate:
    """The client asks for a generation."""

    request: pb.GenerateRequest
    #: The model that is to run it; None: the default one.
    model: str | None = None
    #: Whether the message named its type. Clients of the earlier demo do not.
    typed: bool = True


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
    """Where the presenter looks: the camera, the chosen feature and token, None where none is."""

    pose: tuple[float, ...]
    feature: str | None
    token: int | None


@dataclass(frozen=True, slots=True)
class Ping:
    """The client has heard nothing for a while and checks the connection."""


@dataclass(frozen=True, slots=True)
class Enter:
    """The tokens of a client that keeps them out of its address: the first message on `/ws?enter`.

    `access` is its access token, `token` a room's presenter token; "" where it has none.
    """

    access: str
    token: str


Command = Generate | Stop | Open | Share | View | Ping


def parse(data: bytes | str, max_bytes: int) -> Command:
    """A socket's message. Without `type` it is a generate request. Raises Refusal."""
    fields = decode(data, max_bytes)
    typed = "type" in fields
    kind = fields.pop("type", "generate")
    if not isinstance(kind, str):
        raise Refusal("wrong_type", "type must be a string", "type")
    if kind == "generate":
        model = fields.pop("model", None)
        name = None if model is None else _string("model", model)
        return Generate(generate(fields), name, typed)
    if kind == "stop":
        return Stop()
    if kind == "open":
        return Open(_boolean("open", fields.get("open")))
    if kind == "share":
        return Share()
    if kind == "view":
        return _view(fields)
    if kind == "ping":
        return Ping()
    known = "generate, stop, open, share, view or ping"
    raise Refusal("unknown_type", f"type must be {known}, not {kind[:40]!a}", "type")


def enter(data: bytes | str, max_bytes: int) -> Enter:
    """A socket's first message, if it has to be `enter`. Raises Refusal."""
    fields = decode(data, max_bytes)
    if fields.get("type") != "enter":
        raise Refusal("unknown_type", "the first message on /ws?enter must be enter", "type")
    tokens = {name: fields.get(name) or "" for name in ("access", "token")}
    return Enter(**{name: _string(name, value) for name, value in tokens.items()})


def decode(data: bytes | str, max_bytes: int) -> dict[str, object]:
    """The JSON object in `data`, which may have `max_bytes`. Raises Refusal."""
    if len(data) > max_bytes:
        raise Refusal("message_too_big", f"a message may have {max_bytes} bytes; this one has more")
    try:
        text = data if isinstance(data, str) else data.decode()
        value = json.loads(text, parse_int=_integer_literal)
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid_json", f"the message is not JSON: {_plain(error)}") from None
    if not isinstance(value, dict):
        raise Refusal("invalid_json", "the message must be a JSON object")
    return value


def _integer_literal(digits: str) -> int | float:
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf


def _plain(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start}"
    return str(error)


def generate(fields: dict[str, object]) -> pb.GenerateRequest:
    """The request in a decoded object without its `type`. Raises Refusal."""
    for name in fields:
        if name != "prompt" and name not in _KNOBS:
            shown = ascii(name[:40])[1:-1]
            known = ", ".join(["model", *_KNOBS])
            raise Refusal("unknown_field", f"there is no field {shown}; there are: {known}", shown)
    prompt = fields.pop("prompt", "")
    if prompt == "":
        raise Refusal("empty_prompt", "prompt must not be empty", "prompt")
    knobs = {
        # null means the same as leaving the field out.
        name: _KNOBS[name](name, value)
        for name, value in fields.items()
        if value is not None
    }
    return generate_request(_string("prompt", prompt), knobs)


def _view(fields: dict[str, object]) -> View:
    pose, feature, token = (fields.get(name) for name in ("pose", "feature", "token"))
    if not isinstance(pose, list):
        raise _wrong_type("pose", "a list of numbers", pose)
    if len(pose) > _MAX_POSE:
        raise Refusal("out_of_range", f"pose may have {_MAX_POSE} numbers", "pose")
    name = None if feature is None else _string("feature", feature)
    if name is not None and len(name) > _MAX_NAME:
        raise Refusal("out_of_range", f"feature may have {_MAX_NAME} characters", "feature")
    return View(
        pose=tuple(_number("pose", number) for number in pose),
        feature=name,
        token=None if token is None else _integer(_UINT32)("token", token),
    )


def _wrong_type(name: str, wanted: str, value: object) -> Refusal:
    kinds = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    found = kinds.get(type(value), "null" if value is None else "a number")
    return Refusal("wrong_type", f"{name} must be {wanted}, not {found}", name)


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, "a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can hold half of a surrogate pair, which is not a character and has no UTF-8.
        message = f"{name} holds a lone surrogate, which is not text"
        raise Refusal("wrong_type", message, name) from None
    return value


def _strings(name: str, value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise Refusal("wrong_type", f"{name} must be a string or a list of strings", name)
    return [_string(name, item) for item in values]


def _sources(name: str, value: object) -> list[str]:
    """Bounded, because a refusal that quotes them has to fit into gRPC's metadata."""
    sources = _strings(name, value)
    if len(sources) > _MAX_SOURCES:
        message = f"{name} may list {_MAX_SOURCES} sources; without {name}, all are meant"
        raise Refusal("out_of_range", message, name)
    if any(len(source) > _MAX_NAME for source in sources):
        raise Refusal("out_of_range", f"{name} has a name of over {_MAX_NAME} characters", name)
    return sources


def _integer(largest: int) -> Callable[[str, object], int]:
    def read(name: str, value: object) -> int:
        if isinstance(value, float) and math.isinf(value):
            raise Refusal("out_of_range", f"{name} must be finite", name)
        if isinstance(value, bool) or not isinstance(value, int):
            fraction = isinstance(value, float)
            raise (
                _wrong_type(name, "an integer", value)
                if not fraction
                else Refusal("wrong_type", f"{name} must be an integer, not {value}", name)
            )
        if not 0 <= value <= largest:
            raise Refusal("out_of_range", f"{name} must be 0 to {largest}", name)
        return value

    return read


def _seed(name: str, value: object) -> int:
    """An integer, or its digits as a string, since JavaScript's numbers have 53 bits."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise Refusal("wrong_type", f"{name} must be an integer or its decimal digits", name)
        value = int(value)
    return _integer(_UINT64)(name, value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(name, "a number", value)
    # Also true of NaN, which compares false with everything.
    if not -_FLOAT32 <= value <= _FLOAT32:
        raise Refusal("out_of_range", f"{name} must be a finite 32-bit number", name)
    return float(value)


def _float(name: str, value: object) -> float:
    """A number that does not become 0 in 32 bits, since 0 has a meaning of its own."""
    number = _number(name, value)
    if 0 < abs(number) < _SMALLEST:
        message = f"{name} is too near to 0 for a 32-bit number; send 0 if you mean that"
        raise Refusal("out_of_range", message, name)
    return number


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(name, "true or false", value)
    return value


_KNOBS: dict[str, Callable[[str, object], object]] = {
    "max_tokens": _integer(_UINT32),
    "temperature": _float,
    "top_k": _integer(_UINT32),
    "top_p": _float,
    "repetition_penalty": _float,
    "seed": _seed,
    "stop": _strings,
    "feat_k": _integer(_UINT32),
    "act_threshold": _float,
    "sources": _sources,
    "include_bos": _boolean,
}
