"""`python -m axon_gateway`: serve until SIGINT or SIGTERM, fetch labels, or check a gateway.

Each command imports only what it needs, so that a health check every few seconds costs little.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

from axon_gateway import config
from axon_gateway.config import ConfigError


def main() -> int:
    """Returns the exit code: 1 if the command fails or the gateway checked is not healthy."""
    # Before gRPC is imported, which would otherwise print a line of its own per failed handshake.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    command, arguments = _command(sys.argv[1:])
    try:
        settings = config.from_environment(os.environ)
    except ConfigError as error:
        return _fail(error, wait=command == "serve" and config.waits(os.environ))
    if command == "healthcheck":
        from axon_gateway import healthcheck

        return healthcheck.main(arguments, settings)
    from axon_gateway import logs

    logs.configure(settings.log_level, settings.log_format)
    if command == "labels":
        from axon_gateway.labels import fetch

        return fetch.main(arguments, settings)
    from axon_gateway import serving

    try:
        serving.run(settings)
    except serving.CannotListen as error:
        return _fail(error, wait=config.waits(os.environ))
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
        "environment variables:\n" + config.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    return "serve", []


def _fail(error: Exception, *, wait: bool) -> int:
    """Prints why the gateway cannot start; with `wait`, then waits for a signal.

    For containers: a restart policy would start the process again at once, for ever.
    """
    print(f"axon_gateway: {error}", file=sys.stderr, flush=True)
    if wait:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(1))
        signal.pause()
    return 1


if __name__ == "__main__":
    sys.exit(main())
