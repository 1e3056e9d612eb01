"""`axon mcp`: the model and its features as tools for agents, over the Model Context Protocol."""

from __future__ import annotations

import argparse
from typing import Any

from axon import extras, options
from axon.agents.tools import Tools
from axon.labels import read_labels

_INSTRUCTIONS = """\
A language model whose inside can be read and changed while it runs. Sparse Autoencoders (SAEs)
split its residual stream at each token into features. A feature is named SOURCE/INDEX; a source
is one SAE at one layer. `model` lists the sources. `features` reads a text, `feature` tells what
one feature does, `twin` runs a prompt with and without edits of features, and `why` measures
which features made the model expect a token. Each number is measured on this model. A feature
that fires at a word need not stand for that word: check with `feature` and `twin`."""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `axon mcp`."""
    parser = commands.add_parser(
        "mcp",
        help="offer the model and its features to an agent, as an MCP server",
        description="A server of the Model Context Protocol on standard input and output.",
    )
    options.add_connection(parser)
    parser.add_argument(
        "--labels",
        metavar="FOLDER",
        help="labels of features, in Neuronpedia's export format (as for AXON_LABELS)",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    made = server(
        Tools(
            arguments.address,
            options.connection(arguments),
            read_labels(arguments.labels) if arguments.labels else {},
        )
    )
    made.run("stdio")


def server(tools: Tools) -> Any:
    """The MCPServer with these tools. Raises AxonError without the package `mcp`."""
    made = extras.load("mcp.server", "mcp").MCPServer(
        "axon", instructions=_INSTRUCTIONS, log_level="ERROR"
    )
    for tool in (tools.model, tools.generate, tools.features, tools.feature, tools.twin, tools.why):
        made.add_tool(tool, structured_output=False)
    return made
