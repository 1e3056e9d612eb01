"""The gateway as a process: it listens until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import signal
from collections.abc import Coroutine
from typing import Any

import grpc.aio
from aiohttp import web

from axon_gateway import app, logs, tasks
from axon_gateway.config import Settings
from axon_gateway.web.connection import Runner

_log = logging.getLogger("axon_gateway")
#: Seconds that open requests have to end when the gateway stops, sockets aside.
_SHUTDOWN = 1.0


class CannotListen(Exception):
    """The gateway cannot listen on its address; the message says why."""


def run(settings: Settings) -> None:
    """Serve until a signal. Raises CannotListen."""
    _allow_sockets()
    try:
        _run(settings)
    except OSError as error:
        raise CannotListen(_explain(error, settings)) from error


def _allow_sockets() -> None:
    """Allows as many open files as the system permits. Every viewer is one; 1,024 is usual."""
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
    # Keeps gRPC's poller until the process ends. Otherwise it ends with the last channel, and the
    # loop, if it still has a wake-up to handle, reads from a closed file.
    grpc.aio.init_grpc_aio()  # type: ignore[attr-defined]
    stop, hurry = _signals()
    application = app.build(settings)
    runner = Runner(
        application,
        settings,
        access_log_class=logs.AccessLogger,
        shutdown_timeout=_SHUTDOWN,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        # With port 0 the system has picked the port, which only the log tells.
        host, port = runner.addresses[0][:2]
        _log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        await stop.wait()
        _log.info("stopping")
        await _first_of(app.drain(application), hurry.wait())
    finally:
        await runner.cleanup()


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """The events to stop and to stop without waiting. Ctrl-C or a second signal sets both."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def handle(number: int) -> None:
        if stop.is_set() or number == signal.SIGINT:
            hurry.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, handle, number)
    return stop, hurry


async def _first_of(*work: Coroutine[Any, Any, Any]) -> None:
    running = [asyncio.create_task(one) for one in work]
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    await tasks.cancel(running)


def _explain(error: OSError, settings: Settings) -> str:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; set AXON_PORT to a free port"
    return f"cannot listen on {where}: {error.strerror or error}"
