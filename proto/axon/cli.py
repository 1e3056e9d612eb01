"""The `axon` command: `generate`, `why`, `model`, `feature`, `map`, `record` and `mcp`, straight
over gRPC, and `replay`, which needs no server."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from axon import agents, options, record, replay, telling, terminal, why
from axon.client import Client
from axon.edits import Branch
from axon.errors import AxonError
from axon.feature_map import NONE, FeatureMap, MapProgress
from axon.recording import RecordingError
from axon.types import Feature, Model

_EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code. Errors are one line on stderr."""
    arguments = _parser().parse_args(argv)
    terminal.prepare()
    try:
        run: Callable[[argparse.Namespace], None] = arguments.run
        run(arguments)
    except RecordingError as error:
        print(terminal.plain(f"axon: {arguments.file}: {error}"), file=sys.stderr)
        return 1
    except AxonError as error:
        hint = " (--token or AXON_GRPC_TOKEN)" if error.code == "UNAUTHENTICATED" else ""
        print(terminal.plain(f"axon: {error.message}{hint}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain again while exiting.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _asking(
    ask: Callable[[Client, argparse.Namespace], None],
) -> Callable[[argparse.Namespace], None]:
    """A command that talks to the server."""

    def run(arguments: argparse.Namespace) -> None:
        with Client(arguments.address, **options.connection(arguments)) as client:
            ask(client, arguments)

    return run


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    options.add_connection(shared)
    shared.add_argument("--json", action="store_true", help="write JSON")
    parser = argparse.ArgumentParser(
        prog="axon", description="Watch a language model's features as it generates."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    generate = commands.add_parser(
        "generate",
        parents=[shared],
        help="continue a prompt",
        description="Continues a prompt: the text as it comes, then each token's strongest "
        "features. With --json: one event a line. Unset knobs are the server's defaults.",
        epilog="An EDIT is a feature, one change, and where it applies: 'axon-demo/2-res/1353 swap "
        "1683'. Changes: set V, scale S, add V, swap FEATURE, silence; V in the SAE's units. "
        "Where: while firing (but add: everywhere), everywhere, prompt, generated, from POSITION, "
        "to POSITION, bos.",
    )
    generate.add_argument("prompt", help="text to continue")
    options.add_knobs(generate)
    _add_edits(generate)
    generate.add_argument(
        "--explain",
        action="store_true",
        help="tell the causes of each generated token as they come",
    )
    generate.set_defaults(run=_asking(_generate))
    model = commands.add_parser(
        "model", parents=[shared], help="describe the model, its sources, limits and defaults"
    )
    model.set_defaults(run=_asking(_model))
    feature = commands.add_parser(
        "feature",
        parents=[shared],
        help="read one feature off the weights",
        description="The tokens whose logits a feature raises and lowers most, per unit of its "
        "activation, and the features of its source with the most similar decoder rows.",
    )
    feature.add_argument("source", help="source id, as `axon model` lists them")
    feature.add_argument("index", type=int, help="feature index")
    feature.add_argument("--limit", type=int, metavar="N", help="entries of each list")
    feature.set_defaults(run=_asking(_feature))
    why.add_command(commands, shared, _asking(why.ask))
    map_ = commands.add_parser(
        "map",
        parents=[shared],
        help="the map of all features: how good it is, and its places as a file",
        description="What lies near on the map has a similar decoder row; kin lie in one column.",
    )
    map_.add_argument(
        "--source", action="append", dest="sources", metavar="ID", help="default: all; repeatable"
    )
    map_.add_argument(
        "--parquet", metavar="FILE", type=Path, help="write one row a feature (needs pyarrow)"
    )
    map_.set_defaults(run=_asking(_map))
    record.add_command(commands, shared)
    agents.add_command(commands)
    replay.add_command(commands)
    return parser


def _add_edits(parser: argparse.ArgumentParser) -> None:
    group = options.add_edits(parser)
    group.add_argument(
        "--twin", action="store_true", help="show the text as it would be beside the edited one"
    )
    group.add_argument("--pace", type=float, metavar="N", help="most tokens a second")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds for all of it")


def _branches(arguments: argparse.Namespace) -> list[Branch] | None:
    """The branches that `--edit` and `--twin` mean; None: one, as it is."""
    if arguments.twin and not arguments.edits:
        raise AxonError("INVALID_ARGUMENT", "--twin shows what an edit changes: add --edit")
    if not arguments.edits:
        return None
    edited = Branch("edited", tuple(arguments.edits))
    return [Branch("as is"), edited] if arguments.twin else [edited]


def _generate(client: Client, arguments: argparse.Namespace) -> None:
    with client.generate(
        arguments.prompt,
        timeout=arguments.timeout,
        branches=_branches(arguments),
        pace=arguments.pace,
        explain={} if arguments.explain else None,
        **options.knobs(arguments),
    ) as events:
        if arguments.json:
            for event in events:
                print(telling.line(event), flush=True)
        else:
            telling.tell(events)


def _model(client: Client, arguments: argparse.Namespace) -> None:
    model = client.model()
    if arguments.json:
        print(json.dumps(asdict(model), ensure_ascii=False))
    else:
        _print_model(model)


def _print_model(model: Model) -> None:
    info, limits, load = model.info, model.limits, model.load
    print(
        f"{model.model}: {info.n_layers} layers, d_model {info.d_model}, "
        f"vocabulary {info.vocab_size}, {info.dtype} on {info.device}"
    )
    for source in model.sources:
        line = f"  {source.id}  {source.hook_name}  {source.width} features  {source.architecture}"
        print(line + (f"  not editable: {source.not_editable}" if source.not_editable else ""))
    megabytes = limits.cache_bytes / 1e6
    print(
        f"context {limits.context_length} tokens, {limits.slots} slots in {megabytes:.0f} MB "
        f"({load.running} running, {load.queued} of {limits.max_queue} queued)"
    )
    defaults = asdict(model.defaults)
    print("defaults: " + ", ".join(f"{k}={v}" for k, v in defaults.items() if v not in (None, ())))


def _feature(client: Client, arguments: argparse.Namespace) -> None:
    feature = client.feature(arguments.source, arguments.index, limit=arguments.limit)
    if arguments.json:
        print(json.dumps(asdict(feature), ensure_ascii=False))
    else:
        _print_feature(feature)


def _print_feature(feature: Feature) -> None:
    for name, effects in (("promotes", feature.promoted), ("suppresses", feature.suppressed)):
        print(f"{name:10}  " + "  ".join(f"{e.text!r} {e.logit:+.2f}" for e in effects))
    near = "  ".join(f"{n.index} ({n.cosine:.2f})" for n in feature.neighbors)
    print(f"{'neighbors':10}  {near}")
    for one in feature.kin:
        both_ways = ", mutual" if one.mutual else ""
        print(f"{'kin':10}  {one.source}/{one.feature} ({one.cosine:.2f}{both_ways})")
    for example in feature.examples:
        peak = max(example.activations)
        marked = (
            f"[{text}]" if value > 0.5 * peak else text
            for text, value in zip(example.tokens, example.activations, strict=True)
        )
        print(terminal.plain(f"{peak:10.2f}  {''.join(marked)}"))


def _map(client: Client, arguments: argparse.Namespace) -> None:
    def told(progress: MapProgress) -> None:
        print(f"axon: making the map: {progress.done:4.0%} {progress.stage}", file=sys.stderr)

    found = client.get_map(arguments.sources or (), on_progress=told)
    if arguments.parquet:
        found.write_parquet(arguments.parquet)
    if arguments.json:
        about = {"model": found.model, "hash": found.hash, "kin_distance": found.kin_distance}
        sources = [asdict(source) for source in found.sources]
        districts = [asdict(district) for district in found.districts]
        told_of = {**about, "sources": sources, "districts": districts}
        print(json.dumps(told_of, ensure_ascii=False))
    else:
        _print_map(found)


def _print_map(found: FeatureMap) -> None:
    print(f"{found.model}: {len(found.x)} features, map {found.hash}")
    for source in found.sources:
        line = (
            f"  {source.id}  {source.width} features  recall of the 10 nearest {source.recall:.2f}"
        )
        print(line + (f"  apart: {source.apart}" if source.apart else ""))
    pairs = sum(one != NONE for one in found.kin)
    print(f"{pairs} pairs of kin, at {found.kin_distance:.1%} of the map's width (median)")
    levels = [sum(one.level == level for one in found.districts) for level in (0, 1)]
    print(f"{levels[0]} large districts, {levels[1]} small ones")
