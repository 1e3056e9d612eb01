"""The branches of a request and their edits: defaults filled in, every bad field named."""

from __future__ import annotations

import math
from collections.abc import Sequence

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.requests import MAX_EDITS, Branch, Change, Edit, Origin
from axon_inference.serving.fields import InvalidRequest, Violation, check, listed, quoted

_MAX_NAME_CHARACTERS = 64
_ORIGINS = {
    pb.TOKEN_ORIGIN_UNSPECIFIED: Origin.ANY,
    pb.TOKEN_ORIGIN_PROMPT: Origin.PROMPT,
    pb.TOKEN_ORIGIN_GENERATED: Origin.GENERATED,
}


def resolve_edits(
    asked: Sequence[pb.FeatureEdit], sources: Sequence[pb.Source]
) -> tuple[Edit, ...]:
    """Check the edits of a message `EditRequest` against the sources served.

    Raises:
        InvalidRequest: with one violation for every bad field.
    """
    wrong: list[Violation] = []
    found = edits_of(asked, sources, "edits", wrong)
    if wrong:
        raise InvalidRequest(wrong)
    return found


def branches(
    asked: Sequence[pb.Branch], model: pb.GetModelResponse, seed: int, wrong: list[Violation]
) -> tuple[Branch, ...]:
    """The branches of a request with this seed, one if none are asked for; bad fields go to
    `wrong`."""
    if len(asked) > (most := model.limits.max_branches):
        wrong.append(Violation("branches", f"has {len(asked)} branches; it may have {most}"))
        return ()
    found = []
    for number, branch in enumerate(asked or [pb.Branch()]):
        path = f"branches[{number}]"
        if len(branch.name) > _MAX_NAME_CHARACTERS:
            why = f"has {len(branch.name)} characters; it may have {_MAX_NAME_CHARACTERS}"
            wrong.append(Violation(f"{path}.name", why))
        edits = edits_of(branch.edits, model.sources, f"{path}.edits", wrong)
        own = branch.seed if branch.HasField("seed") else seed
        found.append(Branch(branch.name or str(number + 1), edits, own))
    return tuple(found)


def edits_of(
    asked: Sequence[pb.FeatureEdit],
    sources: Sequence[pb.Source],
    path: str,
    wrong: list[Violation],
) -> tuple[Edit, ...]:
    """Edits in the field `path` of a request; bad fields go to `wrong`."""
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
    check(wrong, f"{path}.feature", asked.feature, 0, last)
    kind = asked.WhichOneof("change")
    value, partner = 0.0, 0
    if kind is None:
        wrong.append(Violation(path, "needs one of set, scale, add, swap_with"))
        return None
    if kind == "swap_with":
        partner = asked.swap_with
        check(wrong, f"{path}.swap_with", partner, 0, last)
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
