"""Options of the `axon` command that several of its commands have."""

from __future__ import annotations

import argparse
import os
from typing import Any

from axon import edits
from axon.channel import DEFAULT_ADDRESS
from axon.edits import Edit

_KNOBS = (
    *("max_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "seed", "stop"),
    *("sources", "feat_k", "act_threshold", "include_bos", "alternatives"),
)


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Where the server is, and what it wants."""
    parser.add_argument(
        "--address", default=DEFAULT_ADDRESS, help="inference server (default: %(default)s)"
    )
    parser.add_argument(
        "--tls", action="store_true", help="over TLS, with a certificate that the system trusts"
    )
    parser.add_argument(
        "--ca",
        metavar="FILE",
        help="over TLS, with a certificate that this PEM file's owner signed",
    )
    parser.add_argument(
        "--token",
        help="access token, if the server wants one (default: the variable AXON_GRPC_TOKEN, which "
        "other users of this machine cannot read)",
    )
    parser.add_argument(
        "--connect-timeout",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds to wait for the server (default: 10)",
    )


def connection(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `Client` and `AsyncClient` are told beside the address."""
    return {
        "tls": arguments.ca or arguments.tls,
        "token": arguments.token or os.environ.get("AXON_GRPC_TOKEN"),
        "connect_timeout": arguments.connect_timeout,
    }


def add_knobs(parser: argparse.ArgumentParser) -> None:
    """What a generation may be asked for."""
    knobs = parser.add_argument_group("knobs")
    knobs.add_argument("--max-tokens", type=int, metavar="N", help="most tokens to generate")
    knobs.add_argument("--temperature", type=float, metavar="T", help="0 is greedy")
    knobs.add_argument("--top-k", type=int, metavar="K", help="among the K likeliest; 0: all")
    knobs.add_argument(
        "--top-p", type=float, metavar="P", help="among the likeliest up to this sum"
    )
    knobs.add_argument("--repetition-penalty", type=float, metavar="R", help="1 changes nothing")
    knobs.add_argument("--seed", type=int, metavar="N", help="repeat a run")
    knobs.add_argument("--stop", action="append", metavar="TEXT", help="end with it; repeatable")
    knobs.add_argument(
        "--source", action="append", dest="sources", metavar="ID", help="default: all; repeatable"
    )
    knobs.add_argument("--feat-k", type=int, metavar="K", help="features per token and source")
    knobs.add_argument("--act-threshold", type=float, metavar="A", help="activations above it only")
    knobs.add_argument(
        "--include-bos", action="store_const", const=True, help="features of the BOS token too"
    )
    knobs.add_argument(
        "--alternatives", type=int, metavar="N", help="the N likeliest next tokens at each position"
    )


def add_edits(parser: argparse.ArgumentParser) -> Any:
    """`--edit`. Returns its group."""
    group = parser.add_argument_group("edits")
    group.add_argument(
        "--edit",
        action="append",
        dest="edits",
        type=_edit,
        metavar="EDIT",
        help="change a feature while the model runs; repeatable",
    )
    return group


def knobs(arguments: argparse.Namespace) -> dict[str, Any]:
    """The knobs that were given; None: the server's default."""
    return {name: getattr(arguments, name) for name in _KNOBS}


def _edit(text: str) -> Edit:
    try:
        return edits.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
