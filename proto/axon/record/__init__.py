"""`axon record PROMPTS --parquet FOLDER`: the tokens and features of many prompts, as Parquet."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from axon import edits, options
from axon.errors import AxonError
from axon.record.folder import Folder
from axon.record.prompts import Prompts
from axon.record.streams import Recording

__all__ = ["Folder", "Prompts", "Recording", "add_command"]


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], shared: argparse.ArgumentParser
) -> None:
    """Adds `axon record`."""
    parser = commands.add_parser(
        "record",
        parents=[shared],
        help="write the features of many prompts to Parquet",
        description="Runs each prompt and writes one row a token. A recording that was stopped "
        "goes on where it was when it is started again in the same way. With --max-tokens 0 the "
        "prompts are only read.",
    )
    parser.add_argument(
        "prompts",
        type=Path,
        metavar="PROMPTS",
        help="a text file with one prompt a line; in a .jsonl file, each line is a JSON string or "
        'has a "prompt"',
    )
    parser.add_argument(
        "--parquet", type=Path, required=True, metavar="FOLDER", help="where the files go"
    )
    parser.add_argument(
        "--streams",
        type=int,
        metavar="N",
        help="prompts at a time (default: twice the server's slots)",
    )
    options.add_knobs(parser)
    options.add_edits(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    changes = arguments.edits or []
    knobs = {k: v for k, v in options.knobs(arguments).items() if v is not None}
    asked = {**knobs, "edits": [edits.written(edit) for edit in changes]}
    if arguments.streams is not None and arguments.streams < 1:
        raise AxonError("INVALID_ARGUMENT", "--streams must be at least 1")
    with Folder(arguments.parquet, Prompts(arguments.prompts), asked) as folder:
        recording = Recording(folder, {**knobs, "edits": changes or None}, _tell)
        address, connection = arguments.address, options.connection(arguments)
        try:
            asyncio.run(recording.run(address, connection, arguments.streams))
        finally:
            _tell(recording)
        _conclude(folder, arguments.json)


def _tell(recording: Recording) -> None:
    folder = recording.folder
    print(
        f"axon: {folder.done:,} of {folder.prompts.count:,} prompts, {recording.tokens:,} tokens "
        f"now, {recording.rate:,.0f} a second",
        file=sys.stderr,
    )


def _conclude(folder: Folder, as_json: bool) -> None:
    """Says what was refused. Raises AxonError if something was."""
    refused = folder.refused
    if as_json:
        told: dict[str, Any] = {"prompts": folder.done, "refused": refused}
        print(json.dumps({**told, "parquet": str(folder.path)}, ensure_ascii=False))
    if refused:
        number, why = next(iter(sorted(refused.items())))
        what = f"{len(refused)} of the prompts were refused and have no rows"
        raise AxonError("INVALID_ARGUMENT", f"{what}; prompt {number}: {why}")
