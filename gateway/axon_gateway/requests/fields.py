"""Reads JSON, and the values in it; each refusal names the field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence

from axon_gateway.errors import Refusal

UINT32 = 2**32 - 1
UINT64 = 2**64 - 1
#: Characters of the name of a model, a source, or a feature (source and index).
MAX_NAME = 300
#: The largest 32-bit float, and the smallest one above 0 that has full precision.
_FLOAT32 = 3.4028234e38
_SMALLEST = 1.1754944e-38
#: More digits than any number that is valid here. Python refuses more than 4,300 digits, and is
#: slow to read slightly fewer.
_MAX_DIGITS = 40
_DECIMAL = re.compile(r"-?[0-9]{1,40}", re.ASCII)
#: Sources that a request may name. A client that wants more leaves `sources` out, for all.
MAX_SOURCES = 64


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


def wrong_type(name: str, wanted: str, value: object) -> Refusal:
    """The refusal of a value that is not `wanted`."""
    kinds = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    found = kinds.get(type(value), "null" if value is None else "a number")
    return Refusal("wrong_type", f"{name} must be {wanted}, not {found}", name)


def check_names(
    fields: Mapping[str, object], known: Sequence[str], also: str = "", path: str = ""
) -> None:
    """Refusal of the first field that is not `known`; those in `also` are named with them."""
    for name in fields:
        if name not in known:
            shown = path + ascii(name[:40])[1:-1]
            there = ", ".join([also, *known] if also else known)
            raise Refusal("unknown_field", f"there is no field {shown}; there are: {there}", shown)


def string(name: str, value: object) -> str:
    """Text."""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can hold half of a surrogate pair, which is not a character and has no UTF-8.
        message = f"{name} holds a lone surrogate, which is not text"
        raise Refusal("wrong_type", message, name) from None
    return value


def strings(name: str, value: object) -> list[str]:
    """A list of strings; a string alone is a list of one."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise Refusal("wrong_type", f"{name} must be a string or a list of strings", name)
    return [string(name, item) for item in values]


def sources(name: str, value: object) -> list[str]:
    """Bounded, because a refusal that quotes them has to fit into gRPC's metadata."""
    found = strings(name, value)
    if len(found) > MAX_SOURCES:
        message = f"{name} may list {MAX_SOURCES} sources; without {name}, all are meant"
        raise Refusal("out_of_range", message, name)
    if any(len(source) > MAX_NAME for source in found):
        raise Refusal("out_of_range", f"{name} has a name of over {MAX_NAME} characters", name)
    return found


def integer(largest: int) -> Callable[[str, object], int]:
    """A reader of integers from 0 to `largest`."""

    def read(name: str, value: object) -> int:
        if isinstance(value, float) and math.isinf(value):
            raise Refusal("out_of_range", f"{name} must be finite", name)
        if isinstance(value, bool) or not isinstance(value, int):
            fraction = isinstance(value, float)
            raise (
                wrong_type(name, "an integer", value)
                if not fraction
                else Refusal("wrong_type", f"{name} must be an integer, not {value}", name)
            )
        if not 0 <= value <= largest:
            raise Refusal("out_of_range", f"{name} must be 0 to {largest}", name)
        return value

    return read


#: An integer that the contract's unsigned fields hold.
uint32 = integer(UINT32)


def seed(name: str, value: object) -> int:
    """An integer, or its digits as a string, since JavaScript's numbers have 53 bits."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise Refusal("wrong_type", f"{name} must be an integer or its decimal digits", name)
        value = int(value)
    return integer(UINT64)(name, value)


def number(name: str, value: object) -> float:
    """A finite 32-bit number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, "a number", value)
    # Also true of NaN, which compares false with everything.
    if not -_FLOAT32 <= value <= _FLOAT32:
        raise Refusal("out_of_range", f"{name} must be a finite 32-bit number", name)
    return float(value)


def nonzero(name: str, value: object) -> float:
    """A number that does not become 0 in 32 bits, since 0 has a meaning of its own."""
    read = number(name, value)
    if 0 < abs(read) < _SMALLEST:
        message = f"{name} is too near to 0 for a 32-bit number; send 0 if you mean that"
        raise Refusal("out_of_range", message, name)
    return read


def boolean(name: str, value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise wrong_type(name, "true or false", value)
    return value
