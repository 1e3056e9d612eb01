"""`axon replay FILE`: a recording in the terminal, at its own pace, faster, or step by step."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axon import edits, recording, terminal
from axon.columns import Columns
from axon.recording import Frame, RecordingError

#: Features shown for each token and source in the table below the text.
_SHOWN = 3


def add_command(commands: Any) -> None:
    """Adds `replay` to an argparse set of commands."""
    parser = commands.add_parser(
        "replay",
        help="play a recording of a room",
        description="Plays a recording (a room's recording.jsonl, or the lines of /api/generate): "
        "the text as it came, then each token's strongest features with their labels.",
    )
    parser.add_argument("file", help="the recording; - reads standard input")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help="times its own pace; 0 waits for nothing (default: 1)",
    )
    pace.add_argument(
        "--step", action="store_true", help="show each token's features, and wait for Enter"
    )
    parser.add_argument("--json", action="store_true", help="write the frames, one a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Plays the file. Raises RecordingError."""
    frames = recording.load(_lines(arguments.file))
    playing = recording.play(frames, 0.0 if arguments.step else arguments.speed)
    if arguments.json:
        for frame in playing:
            print(terminal.plain(json.dumps(frame, ensure_ascii=False)), flush=True)
    elif arguments.step:
        _step(playing)
    else:
        _tell(playing)


def _speed(text: str) -> float:
    speed = float(text)
    if speed != 0 and not 0.001 <= speed <= 1_000_000:
        raise argparse.ArgumentTypeError("0, or 0.001 to 1000000")
    return speed


def _lines(file: str) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise RecordingError(error.strerror or str(error)) from None
    # Whatever is no text is no JSON either, and is refused as such.
    return data.decode(errors="replace").split("\n")


def _tell(frames: Iterator[Frame]) -> None:
    """Prints each generation's text as it comes, and then its features."""
    names = [""]
    tokens: list[list[Frame]] = [[]]
    columns = Columns(names)
    for frame in frames:
        match frame["type"]:
            case "started":
                names = recording.branches(frame)
                tokens, columns = [[] for _ in names], Columns(names)
            case "edited":
                print(_edited(frame))
            case "branch_ended":
                columns.end(_branch(names, frame))
            case "finished" | "error":
                if any(tokens):
                    columns.close()
                _print_branches(names, tokens)
                print(_ending(frame))
                tokens = [[] for _ in names]
        for token in recording.tokens(frame):
            # A prompt's tokens do not name their branch: their frame does.
            branch = _branch(names, frame)
            tokens[branch].append(token)
            columns.add(branch, token["token"], "step" in token)
    if any(tokens):
        print("\n\nthe recording ends here, while this generation was running")


def _branch(names: list[str], frame: Frame) -> int:
    """The frame's branch; the last one if the file names one that is not there."""
    branch: int = frame.get("branch", 0)
    return min(branch, len(names) - 1)


def _print_branches(names: list[str], tokens: list[list[Frame]]) -> None:
    for name, own in zip(names, tokens, strict=True):
        if own:
            print()
        if len(names) > 1:
            print(terminal.plain(name))
        for token in own:
            _print_token(token)


def _edited(frame: Frame) -> str:
    what = ", ".join(map(edits.described, recording.edited(frame))) or "no edits"
    where = f"branch {frame.get('branch', 0)}, from position {frame['position']} on"
    return terminal.plain(f"[{where}: {what}]")


def _step(frames: Iterator[Frame]) -> None:
    names = [""]
    for frame in frames:
        if frame["type"] == "started":
            names = recording.branches(frame)
        if frame["type"] == "edited":
            print(_edited(frame))
        for token in recording.tokens(frame):
            if len(names) > 1:
                print(terminal.plain(f"{names[_branch(names, frame)]}: "), end="")
            _print_token(token)
            # `step` counts generated tokens; the prompt's come in one go.
            if "step" in token:
                try:
                    input()
                except EOFError:
                    return
        if frame["type"] in ("finished", "error"):
            print(_ending(frame))


def _ending(frame: Frame) -> str:
    if frame["type"] == "error":
        return f"ended by an error: {terminal.plain(frame['message'])}\n"
    reason = terminal.plain(frame["reason"])
    return f"{frame['generated_tokens']} generated tokens, ended by {reason}\n"


def _print_token(token: Frame) -> None:
    """A line for the token and each source: its strongest features, with labels."""
    print(terminal.plain(f"{'+' if 'step' in token else ' '} {token['token']!r}"))
    by_source: dict[str, list[Frame]] = {}
    for feature in token["features"]:
        by_source.setdefault(feature["source"], []).append(feature)
    for source, features in by_source.items():
        strongest = [f for n, f in enumerate(features) if n < _SHOWN or "before" in f]
        shown = "; ".join(map(_name, strongest))
        print(terminal.plain(f"    {source}  {shown}"))


def _name(feature: Frame) -> str:
    label = f" {feature['label']}" if feature.get("label") else ""
    was = f" (was {feature['before']:.2f})" if "before" in feature else ""
    return f"{feature['id']}:{feature['activation']:.2f}{was}{label}"
