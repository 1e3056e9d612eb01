"""`python -m axon_gateway` serves until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import resource
import signal
import sys

import grpc.aio
from aiohttp import web

from axon_gateway import app, config, label_fetch, logs
from axon_gateway.config import ConfigError, Settings

_log = logging.getLogger("axon_gateway")
#: Seconds that open requests have to end when the gateway stops, sockets aside.
_SHUTDOWN = 1.0


def main() -> int:
    """Returns the exit code: 1 if it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m axon_gateway",
        description="Axon's gateway: the page, its socket and its JSON interface.",
        epilog="`python -m axon_gateway labels SOURCE` fetches labels ahead.\n\n"
        "environment variables:\n" + config.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments = sys.argv[1:]
    if arguments[:1] != ["labels"]:
        parser.parse_args(arguments)
    try:
        settings = config.from_environment(os.environ)
    except ConfigError as error:
        print(f"axon_gateway: {error}", file=sys.stderr)
        return 1
    logs.configure(settings.log_level, settings.log_format)
    if arguments[:1] == ["labels"]:
        return label_fetch.main(arguments[1:], settings)
    _allow_sockets()
    try:
        _run(settings)
    except OSError as error:
        print(f"axon_gateway: {_explain(error, settings)}", file=sys.stderr)
        return 1
    return 0


def _allow_sockets() -> None:
    """As many open files as the system lets us have: every viewer is one, and 1,024 is usual."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run(settings: Settings) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(settings))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    # Holds gRPC's poller to the end of the process. Otherwise it ends with the last channel, while
    # the loop may still have its wake-up to handle, and reads from a file that is closed.
    grpc.aio.init_grpc_aio()  # type: ignore[attr-defined]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_, stop.set)
    runner = web.AppRunner(
        app.build(settings),
        access_log_class=logs.AccessLogger,
        # A client that leaves ends its generation at once, not when the next token is written.
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        # With port 0 the system has picked one; the log is where to find it.
        host, port = runner.addresses[0][:2]
        _log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        await stop.wait()
        _log.info("stopping")
    finally:
        await runner.cleanup()


def _explain(error: OSError, settings: Settings) -> str:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; set AXON_PORT to a free port"
    return f"cannot listen on {where}: {error.strerror or error}"


if __name__ == "__main__":
    sys.exit(main())
