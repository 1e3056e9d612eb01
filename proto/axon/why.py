"""`axon why PROMPT [TOKEN]`: the features that made the model expect a token."""

from __future__ import annotations

import argparse
import json
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from axon import terminal
from axon.client import Client
from axon.graph_export import of_explanation
from axon.types import Effect, Explanation, Path, Removal

#: Effects shown.
_SHOWN = 20
#: Causes of a graph that are followed to the next source.
_FOLLOWED = 8


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    shared: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], None],
) -> None:
    """Adds `axon why`."""
    parser = commands.add_parser(
        "why",
        parents=[shared],
        help="measure which features made a token likely",
        description="Silences one feature at a time and runs the model again. Printed is by how "
        "much the token's log-probability changes, the largest change first: below 0, the feature "
        "spoke for the token.",
    )
    parser.add_argument("prompt", help="the text before the token")
    parser.add_argument(
        "target",
        nargs="?",
        help="a text that is one token, leading space included; default: the likeliest",
    )
    parser.add_argument("--rival", metavar="TEXT", help="compare with this token")
    parser.add_argument(
        "--source", action="append", dest="sources", metavar="ID", help="default: all; repeatable"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="most removals to try")
    parser.add_argument(
        "--path",
        metavar="SOURCE/FEATURE[@POSITION]",
        type=_removal,
        help="also print what this removal does to features of the next source",
    )
    parser.add_argument(
        "--graph",
        metavar="FILE",
        type=pathlib.Path,
        help="save the causes, and what the strongest of them do further on, in the graph format "
        "of circuit-tracer",
    )
    parser.add_argument("--show", type=int, default=_SHOWN, metavar="N", help="effects to print")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds for all of it")
    parser.set_defaults(run=run)


def _removal(text: str) -> Removal:
    name, _, position = text.partition("@")
    source, _, feature = name.rpartition("/")
    try:
        return Removal(source, int(feature), int(position) if position else None)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not SOURCE/FEATURE[@POSITION]") from None


def ask(client: Client, arguments: argparse.Namespace) -> None:
    """Explains one token and prints what was measured."""
    with terminal.passing() as tell:
        found = _ask(client, arguments, tell)
    if arguments.graph is not None:
        made = of_explanation(found, _further(client, arguments, found))
        arguments.graph.write_text(json.dumps(made, ensure_ascii=False, indent=1))
    if arguments.json:
        print(json.dumps(asdict(found), ensure_ascii=False))
    else:
        _print(found, arguments.show)


def _ask(
    client: Client, arguments: argparse.Namespace, tell: Callable[[str], object]
) -> Explanation:
    return client.explain(
        arguments.prompt,
        target=arguments.target,
        rival=arguments.rival,
        sources=arguments.sources,
        limit=arguments.limit,
        path=arguments.path,
        timeout=arguments.timeout,
        on_progress=lambda one: tell(f"axon: {one.measured} of {one.tried} removals measured"),
    )


def _further(client: Client, arguments: argparse.Namespace, found: Explanation) -> Iterator[Path]:
    """What the strongest causes, each at one position, do to features of the next source."""
    causes = [one for one in found.effects if one.logprob < 0 and one.position is not None]
    for cause in causes[:_FOLLOWED]:
        more = client.explain(
            arguments.prompt,
            target=found.target.token_id,
            rival=found.rival.token_id,
            # The path is asked for alone: one removal is the least that can be tried beside it.
            limit=1,
            path=Removal(cause.source, cause.feature, cause.position),
            timeout=arguments.timeout,
        )
        if more.path is not None:
            yield more.path


def _print(found: Explanation, shown: int) -> None:
    target, rival = found.target, found.rival
    print(
        f"{target.text!r} {math.exp(target.logprob):.1%} (logprob {target.logprob:.3f}), "
        f"rather than {rival.text!r} {math.exp(rival.logprob):.1%}: logit {found.logit:+.3f}"
    )
    texts = [token.text for token in found.tokens]
    rows = [("logprob", "logit", "activation", "feature", "at")]
    rows += [_row(effect, texts) for effect in distinct(found.effects)[:shown]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *numbers, feature, at in rows:
        aligned = "  ".join(f"{n:>{w}}" for n, w in zip(numbers, widths, strict=False))
        print(terminal.plain(f"{aligned}  {feature:{widths[3]}}  {at}"))
    if found.path:
        _print_path(found.path, texts, shown)
    print(_summary(found))


def distinct(effects: Sequence[Effect]) -> list[Effect]:
    """Without those everywhere that are the removal at the feature's only position once more."""
    single = {replace(one, position=None) for one in effects if one.position is not None}
    return [one for one in effects if one.position is not None or one not in single]


def _row(effect: Effect, texts: list[str]) -> tuple[str, str, str, str, str]:
    return (
        f"{effect.logprob:+.3f}",
        f"{effect.logit:+.3f}",
        f"{effect.activation:.2f}",
        f"{effect.source}/{effect.feature}",
        place(effect.position, texts),
    )


def place(position: int | None, texts: Sequence[str] | Mapping[int, str]) -> str:
    """Where a feature was silenced, among tokens with these texts."""
    return "everywhere" if position is None else f"{position} {texts[position]!r}"


def _print_path(path: Path, texts: list[str], shown: int) -> None:
    removal = path.removal
    at = place(removal.position, texts)
    print(terminal.plain(f"{removal.source}/{removal.feature} silenced ({at}), in {path.source}:"))
    for one in path.effects[:shown]:
        change = f"{one.before:.2f} -> {one.after:.2f}"
        print(terminal.plain(f"  {change:>16}  {one.feature}  {place(one.position, texts)}"))


def _summary(found: Explanation) -> str:
    told = (
        f"{found.tried} of {found.active} active features tried in {found.elapsed_ns / 1e6:.0f} ms"
    )
    if agreement := found.agreement:
        told += (
            f"; the gradient agrees with them by r = {agreement.pearson:.2f} and on "
            f"{agreement.top_5:.0%} of the five strongest"
        )
    return told
