"""Edits of features: checked, and as the words that people write.

In `axon-demo/2-res/1353 swap 1683 generated from 12` a feature comes first, then one change
(`set V`, `scale S`, `add V`, `swap FEATURE`, `silence`), then where it applies (`while firing`,
`everywhere`, `prompt`, `generated`, `from POSITION`, `to POSITION`, `bos`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Where = Literal["while_firing", "everywhere"]
Origin = Literal["prompt", "generated"]

CHANGES = ("set", "scale", "add", "swap_with")
_UINT32 = 2**32 - 1
_FLOAT32 = 3.4028234e38
#: Characters of a source's id.
_MAX_SOURCE = 256


class EditError(ValueError):
    """An edit that cannot be sent; `field` is the one at fault, "" where that is the whole edit."""

    def __init__(self, field: str, description: str, reason: str = "OUT_OF_RANGE") -> None:
        super().__init__(f"{field} {description}".lstrip())
        self.field = field
        self.description = description
        #: OUT_OF_RANGE, WRONG_TYPE or UNKNOWN_FIELD.
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Edit:
    """Changes one feature while a branch runs: exactly one of `set`, `scale`, `add`, `swap_with`.

    With a the feature's activation on the unedited vector, in the SAE's units, it becomes `set`,
    `scale` * a (0 silences it), or a + `add`; with `swap_with`, it becomes 0 and that feature of
    the same source grows by a.
    """

    source: str
    feature: int
    set: float | None = None
    scale: float | None = None
    add: float | None = None
    swap_with: int | None = None
    #: None: while the feature fires, but everywhere for `add`.
    where: Where | None = None
    #: None: at the prompt's tokens and at generated ones.
    origin: Origin | None = None
    #: The first and the last position that it may apply to; None: no bound.
    first_position: int | None = None
    last_position: int | None = None
    #: Whether a prepended BOS is edited, too.
    include_bos: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several continuations of a prompt."""

    #: For people; "": the server's choice.
    name: str = ""
    #: In force from the start.
    edits: tuple[Edit, ...] = ()
    #: None: the request's, so that branches differ by their edits alone.
    seed: int | None = None


def check(edit: Edit) -> None:
    """Raises EditError for an edit that no server can take, whatever its model has."""
    if not isinstance(edit.source, str) or not 0 < len(edit.source) <= _MAX_SOURCE:
        wrong = f"must be the id of a source, of up to {_MAX_SOURCE} characters"
        raise EditError("source", wrong, "WRONG_TYPE")
    _check_count("feature", edit.feature)
    given = [name for name in CHANGES if getattr(edit, name) is not None]
    if len(given) != 1:
        what = "needs one" if not given else f"has {' and '.join(given)}; it needs one"
        raise EditError("", f"{what} of {', '.join(CHANGES)}")
    for name in ("set", "scale", "add"):
        _check_strength(name, getattr(edit, name))
    for name in ("swap_with", "first_position", "last_position"):
        if (value := getattr(edit, name)) is not None:
            _check_count(name, value)
    _check_choice("where", edit.where, ("while_firing", "everywhere"))
    _check_choice("origin", edit.origin, ("prompt", "generated"))
    if not isinstance(edit.include_bos, bool):
        raise EditError("include_bos", "must be true or false", "WRONG_TYPE")
    if (edit.first_position or 0) > (_UINT32 if edit.last_position is None else edit.last_position):
        raise EditError("last_position", "must not be before first_position")


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise EditError(name, f"must be an integer, not {value!r:.40}", "WRONG_TYPE")
    if not 0 <= value <= _UINT32:
        raise EditError(name, f"must be 0 to {_UINT32}")


def _check_strength(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EditError(name, f"must be a number, not {value!r:.40}", "WRONG_TYPE")
    # Also true of NaN, which compares false with everything.
    if not -_FLOAT32 <= value <= _FLOAT32:
        raise EditError(name, "must be a finite 32-bit number")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise EditError(name, f"must be {' or '.join(choices)}, not {value!r:.40}", "WRONG_TYPE")


def read(values: object) -> Edit:
    """An edit from Axon's JSON form, where null is the same as nothing. Raises EditError."""
    if not isinstance(values, Mapping):
        raise EditError("", "must be an object", "WRONG_TYPE")
    known = [field.name for field in fields(Edit)]
    for name in values:
        if name not in known:
            shown = ascii(name)[1:41].rstrip("'")
            raise EditError(shown, f"is not known; there are: {', '.join(known)}", "UNKNOWN_FIELD")
    given = {name: value for name, value in values.items() if value is not None}
    edit = Edit(**{"source": None, "feature": None, **given})
    check(edit)
    return edit


def written(edit: Edit) -> dict[str, Any]:
    """The edit in Axon's JSON form, without what is not set."""
    return {k: v for k, v in asdict(edit).items() if v is not None and v is not False}


def parse(text: str) -> Edit:
    """The edit that words describe. Raises ValueError, which says what is wrong."""
    feature, *words = text.split() or [""]
    source, _, index = feature.rpartition("/")
    if not source or not index.isdecimal():
        example = "SOURCE/INDEX, as in axon-demo/2-res/1353"
        raise ValueError(f"an edit begins with a feature, {example}; {feature!r} is none")
    values: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        for name, value in _meaning(word, rest).items():
            if name in values:
                raise ValueError(f"{word!r} says again, or otherwise, what was said before it")
            values[name] = value
    if not values.keys() & set(CHANGES):
        raise ValueError(f"no change: add one of {_WORDS}")
    edit = Edit(source, int(index), **values)
    check(edit)
    return edit


_WORDS = "set V, scale S, add V, swap FEATURE, silence"


def _meaning(word: str, rest: Iterator[str]) -> dict[str, Any]:
    """What a word sets, with the word after it where it takes one."""
    match word:
        case "set" | "scale" | "add":
            return {word: _number(word, rest)}
        case "silence":
            return {"scale": 0.0}
        case "swap":
            return {"swap_with": _count(word, rest)}
        case "from":
            return {"first_position": _count(word, rest)}
        case "to":
            return {"last_position": _count(word, rest)}
        case "everywhere":
            return {"where": "everywhere"}
        case "while" if next(rest, "") == "firing":
            return {"where": "while_firing"}
        case "prompt" | "generated":
            return {"origin": word}
        case "bos":
            return {"include_bos": True}
    places = "while firing, everywhere, prompt, generated, from POSITION, to POSITION, bos"
    raise ValueError(f"{word!r} is not known; there are {_WORDS}, {places}")


def _count(word: str, rest: Iterator[str]) -> int:
    number = next(rest, "")
    if not number.isdecimal():
        raise ValueError(f"{word!r} needs a whole number after it, not {number!r}")
    return int(number)


def _number(word: str, rest: Iterator[str]) -> float:
    number = next(rest, "")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{word!r} needs a finite number after it, not {number!r}")
    return value


def described(edit: Edit) -> str:
    """The edit in the words that `parse` reads, without what goes without saying."""
    words = [f"{edit.source}/{edit.feature}"]
    if edit.scale == 0:
        words.append("silence")
    elif edit.swap_with is not None:
        words.append(f"swap {edit.swap_with}")
    else:
        for name in ("set", "scale", "add"):
            if (value := getattr(edit, name)) is not None:
                words.append(f"{name} {value:.9g}")
    usual = "while_firing" if edit.add is None else "everywhere"
    if edit.where not in (None, usual):
        words.append(str(edit.where).replace("_", " "))
    if edit.origin is not None:
        words.append(edit.origin)
    if edit.first_position:
        words.append(f"from {edit.first_position}")
    if edit.last_position is not None:
        words.append(f"to {edit.last_position}")
    if edit.include_bos:
        words.append("bos")
    return " ".join(words)
