"""Arguments of the command, which are there before torch is imported."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Those of the command."""
    parser.add_argument(
        "text", type=Path, metavar="TEXT", help="a text file of what the model reads"
    )
    parser.add_argument(
        "--to", type=Path, default=Path("labels"), metavar="FOLDER", help="default: %(default)s"
    )
    parser.add_argument(
        "--tokens", type=int, default=200_000, metavar="N", help="most to read (%(default)s)"
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="have a language model explain features: an address with OpenAI's API, up to and with "
        "/v1; its key is in OPENAI_API_KEY",
    )
    parser.add_argument("--explainer", metavar="MODEL", help="the model there")
    parser.add_argument(
        "--explain",
        type=int,
        default=100,
        metavar="N",
        help="features of each source that it explains (%(default)s), by how often they fire",
    )
