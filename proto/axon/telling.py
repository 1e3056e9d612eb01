"""A generation on a terminal: its text as it comes, then each branch's tokens and features."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from axon import edits, terminal, why
from axon.columns import Columns
from axon.edits import Branch
from axon.types import (
    BranchEnded,
    Edited,
    Event,
    Finished,
    Queued,
    SourceFeatures,
    Started,
    Token,
    TokenEffects,
    Tokens,
)

_KINDS: Mapping[type, str] = {BranchEnded: "branch_ended", TokenEffects: "effects"}
#: Features shown for each token and source in the table below the text.
_SHOWN = 5
#: Causes shown for each token.
_CAUSES = 3


def line(event: Event) -> str:
    """One event as JSON, its kind under "type"."""
    kind = _KINDS.get(type(event)) or type(event).__name__.lower()
    return json.dumps({"type": kind, **asdict(event)}, ensure_ascii=False)


def tell(events: Iterator[Event]) -> None:
    """Prints the text as it comes, then the table of features, then how it ended."""
    tokens: list[Token] = []
    branches: tuple[Branch, ...] = ()
    columns = Columns([""])
    for event in events:
        match event:
            case Queued():
                print(f"axon: waiting, {event.position} ahead", file=sys.stderr)
            case Started():
                branches = event.branches
                columns = Columns([branch.name for branch in branches] or [""])
            case Tokens():
                tokens += event.tokens
                for token in event.tokens:
                    columns.add(token.branch, token.text, token.generated)
            case Edited():
                what = ", ".join(map(edits.described, event.edits)) or "no edits"
                where = f"branch {event.branch}, from position {event.position} on"
                print(terminal.plain(f"axon: {where}: {what}"), file=sys.stderr)
            case TokenEffects():
                own = {t.position: t.text for t in tokens if t.branch == event.branch}
                columns.aside(_causes(event, own, branches))
            case BranchEnded():
                columns.end(event.branch)
            case Finished():
                columns.close()
                _print_branches(branches, tokens)
                seconds = event.timings.decode_ns / 1e9
                print(
                    f"\n{event.prompt_tokens} prompt + {event.generated_tokens} generated tokens, "
                    f"{seconds:.2f} s of decoding, ended by {event.reason}"
                )


def _causes(event: TokenEffects, texts: Mapping[int, str], branches: Sequence[Branch]) -> str:
    """The strongest causes of a token, on one line; `texts` are those of its branch by position."""
    token = why.place(event.position, texts)
    if len(branches) > 1:
        token = f"{branches[event.branch].name}: {token}"
    if event.rival is None:
        return f"  why {token}: there was no time to measure"
    told = ", ".join(
        f"{one.source}/{one.feature} at {why.place(one.position, texts)} {one.logprob:+.2f}"
        for one in why.distinct(event.effects)[:_CAUSES]
    )
    return f"  why {token} rather than {event.rival.text!r}: {told or 'no feature was active'}"


def _print_branches(branches: Sequence[Branch], tokens: Sequence[Token]) -> None:
    """The table of each branch; of several also its name, its edits and its text."""
    if len(branches) < 2:
        print()
        _print_features(tokens)
        return
    for number, branch in enumerate(branches):
        own = [token for token in tokens if token.branch == number]
        changes = ", ".join(map(edits.described, branch.edits))
        print()
        print(terminal.plain(f"{branch.name}: {changes}".rstrip(": ")))
        print(terminal.lines("".join(token.text for token in own)))
        _print_features(own)


def _print_features(tokens: Sequence[Token]) -> None:
    width = max((len(repr(token.text)) for token in tokens), default=0)
    for token in tokens:
        label = f"{'+' if token.generated else ' '} {token.text!r:{width}}"
        for found in token.source_features:
            print(f"{label}  {found.source}  {_strongest(found)}")
            label = " " * len(label)
        if not token.source_features:
            print(label.rstrip())
        if token.alternatives:
            chances = (f"{a.text!r} {math.exp(a.logprob):.1%}" for a in token.alternatives)
            print(f"{' ' * len(label)}  next  {'  '.join(chances)}")


def _strongest(found: SourceFeatures) -> str:
    """The strongest features, and all that edits changed, with their activation before."""
    before = {one.feature: one.before for one in found.edited}
    silent = [(one.feature, one.after) for one in found.edited if one.feature not in found.ids]
    pairs = list(zip(found.ids, found.activations, strict=True))
    shown = pairs[:_SHOWN] + [pair for pair in pairs[_SHOWN:] if pair[0] in before] + silent
    return "  ".join(
        f"{id_}:{activation:.2f}" + (f" (was {before[id_]:.2f})" if id_ in before else "")
        for id_, activation in shown
    )
