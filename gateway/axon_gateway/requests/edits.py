"""Branches and edits as clients send them: as in the contract, and also in units of maxima."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from axon import edits
from axon.edits import Branch, EditError
from axon.v1 import inference_pb2 as pb

from axon_gateway.errors import Refusal
from axon_gateway.requests.fields import seed, string, wrong_type

#: The contract's bounds. No message may hold more, so that reading one takes no time.
MAX_BRANCHES = MAX_EDITS = 8
BRANCH = ("name", "edits", "seed")


@dataclass(frozen=True, slots=True)
class InMaxima:
    """An edit whose strength is a multiple of the largest activation known of its feature."""

    #: Part of the request; its strength is to be replaced.
    edit: pb.FeatureEdit
    #: Its name in the client's message, such as `branches[0].edits[1]`.
    field: str


@dataclass(frozen=True, slots=True)
class Edits:
    """The edits of one branch, and which of them are in maxima."""

    edits: tuple[edits.Edit, ...]
    in_maxima: frozenset[int]
    field: str

    def among(self, messages: Sequence[pb.FeatureEdit]) -> Iterable[InMaxima]:
        """Those in maxima, of the messages that were made of all of them."""
        for number in sorted(self.in_maxima):
            yield InMaxima(messages[number], f"{self.field}[{number}]")


def read_branches(name: str, value: object) -> list[tuple[Branch, Edits]]:
    """The branches in a JSON list. Raises Refusal."""
    if not isinstance(value, list):
        raise wrong_type(name, "a list of branches", value)
    if len(value) > MAX_BRANCHES:
        raise Refusal("out_of_range", f"{name} may have {MAX_BRANCHES} branches", name)
    return [_branch(f"{name}[{number}]", one) for number, one in enumerate(value)]


def _branch(path: str, value: object) -> tuple[Branch, Edits]:
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    for key in value:
        if key not in BRANCH:
            field = f"{path}.{ascii(key[:40])[1:-1]}"
            message = f"there is no field {field}; a branch has: {', '.join(BRANCH)}"
            raise Refusal("unknown_field", message, field)
    name, drawn, given = value.get("name"), value.get("seed"), value.get("edits")
    found = read_edits(f"{path}.edits", [] if given is None else given)
    branch = Branch(
        name="" if name is None else string(f"{path}.name", name),
        edits=found.edits,
        seed=None if drawn is None else seed(f"{path}.seed", drawn),
    )
    return branch, found


def read_edits(name: str, value: object) -> Edits:
    """The edits in a JSON list, or one alone. Raises Refusal."""
    values = [value] if isinstance(value, dict) else value
    if not isinstance(values, list):
        raise wrong_type(name, "a list of edits", value)
    if len(values) > MAX_EDITS:
        raise Refusal("out_of_range", f"{name} may have {MAX_EDITS} edits", name)
    read = [_edit(f"{name}[{number}]", one) for number, one in enumerate(values)]
    in_maxima = frozenset(number for number, (_, in_max) in enumerate(read) if in_max)
    return Edits(tuple(edit for edit, _ in read), in_maxima, name)


def _edit(path: str, value: object) -> tuple[edits.Edit, bool]:
    """An edit, and whether its strength is in maxima."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    unit = value.get("unit")
    if unit not in (None, "max"):
        raise Refusal("wrong_type", f'{path}.unit must be "max", or left out', f"{path}.unit")
    string(f"{path}.source", value.get("source"))
    try:
        edit = edits.read({key: one for key, one in value.items() if key != "unit"})
    except EditError as error:
        raise _refusal(path, error) from None
    if unit == "max" and edit.set is None and edit.add is None:
        raise Refusal("out_of_range", f"{path}.unit is for set and add alone", f"{path}.unit")
    return edit, unit == "max"


def _refusal(path: str, error: EditError) -> Refusal:
    field = f"{path}.{error.field}".rstrip(".")
    message = f"{field} {error.description}"
    match error.reason:
        case "WRONG_TYPE":
            return Refusal("wrong_type", message, field)
        case "UNKNOWN_FIELD":
            return Refusal("unknown_field", message, field)
    return Refusal("out_of_range", message, field)
