"""`python -m axon_gateway` serves until SIGINT or SIGTERM; or fetches labels, or asks how it is.

Each command imports what it needs: a probe that runs every few seconds should cost little.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

from axon_gateway import config
from axon_gateway.config import ConfigError


def main() -> int:
    """Returns the exit code: 1 if it cannot start, or, asked for its health, is not well."""
    # Before gRPC is imported: it would tell each failed handshake beside our log, in its own form.
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
    """The command and what is behind it; each reads its own."""
    if arguments and arguments[0] in ("labels", "healthcheck"):
        return arguments[0], arguments[1:]
    argparse.ArgumentParser(
        prog="python -m axon_gateway",
        description="Axon's gateway: the page, its socket and its JSON interface.",
        epilog="`python -m axon_gateway labels SOURCE` fetches labels ahead,\n"
        "`python -m axon_gateway healthcheck` says whether a gateway is well.\n\n"
        "environment variables:\n" + config.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    return "serve", []


def _fail(error: Exception, *, wait: bool) -> int:
    """Says why it cannot start; with `wait`, the process stays until a signal.

    A restart policy would start it again at once, for ever.
    """
    print(f"axon_gateway: {error}", file=sys.stderr, flush=True)
    if wait:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(1))
        signal.pause()
    return 1


if __name__ == "__main__":
    sys.exit(main())
