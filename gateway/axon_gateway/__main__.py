"""`python -m axon_gateway`: serve until SIGINT or SIGTERM, fetch labels, or check a gateway.

Each command imports only what it needs, so that a health check every few seconds costs little.
"""

from __future__ import annotations

import argparse
import os
import sys

from axon_service import logs, process
from axon_service.settings import SettingsError

from axon_gateway.config import Settings


def main() -> int:
    """Returns the exit code: 1 if the command fails or the gateway checked is not healthy."""
    # Before gRPC is imported, which would otherwise print a line of its own per failed handshake.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    command, arguments = _command(sys.argv[1:])
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        return _failed(error, serving=command == "serve")
    if command == "healthcheck":
        from axon_gateway import healthcheck

        return healthcheck.main(arguments, settings)
    logs.configure(settings.log_level, settings.log_format, clock="%H:%M:%S")
    if command == "labels":
        from axon_gateway.labels import fetch

        return fetch.main(arguments, settings)
    from axon_gateway import serving

    try:
        serving.run(settings)
    except serving.CannotListen as error:
        return _failed(error, serving=True)
    return 0


def _command(arguments: list[str]) -> tuple[str, list[str]]:
    """The command and its arguments, which the command itself parses."""
    if arguments and arguments[0] in ("labels", "healthcheck"):
        return arguments[0], arguments[1:]
    argparse.ArgumentParser(
        prog="python -m axon_gateway",
        description="Axon's gateway: the page, its socket and its JSON interface.",
        epilog="`python -m axon_gateway labels SOURCE` fetches labels ahead,\n"
        "`python -m axon_gateway healthcheck` checks whether a gateway answers.\n\n"
        "environment variables:\n" + Settings.help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    return "serve", []


def _failed(error: Exception, *, serving: bool) -> int:
    print(f"axon_gateway: {error}", file=sys.stderr, flush=True)
    return process.give_up(os.environ) if serving else 1


if __name__ == "__main__":
    sys.exit(main())
