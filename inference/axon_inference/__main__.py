"""`python -m axon_inference`: serve until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys

from .config import Settings, SettingsError

_log = logging.getLogger("axon_inference")


def main() -> int:
    """Run the service; the exit code is 0 after a clean stop, 1 after a failure."""
    _parser().parse_args()
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        print(f"axon-inference: {error}", file=sys.stderr)
        return 1
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    return asyncio.run(_serve(settings))


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="python -m axon_inference",
        description="Serve a language model and its Sparse Autoencoders over gRPC (axon.v1).",
        epilog="Settings are read from the environment:\n" + Settings.help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


async def _serve(settings: Settings) -> int:
    from .service import PortInUse, Service

    stop = asyncio.Event()
    failures: list[str] = []
    loop = asyncio.get_running_loop()

    def fail(reason: str) -> None:
        """End the process, from whichever thread: a supervisor then starts a fresh one."""
        failures.append(reason)
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = Service(settings, on_fatal=fail)
    try:
        await service.listen()
    except PortInUse as error:
        _log.error("%s Set AXON_GRPC_PORT to another port.", error)
        return 1
    loading = asyncio.create_task(service.load())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    failure = loading.exception() if loading.done() else None
    if failure:
        failures.append(_reason(failure))
    else:
        await stopping
    if failures:
        _log.error("%s", failures[0])
    if not loading.done():
        # A thread that imports torch cannot be interrupted; nothing is lost by leaving at once.
        os._exit(0)
    stopping.cancel()
    await service.drain()
    return 1 if failures else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, (ValueError, OSError)):
        return f"cannot serve: {error}"
    logging.getLogger("axon_inference").error("loading failed", exc_info=error)
    return f"cannot serve: {error!r}"


if __name__ == "__main__":
    sys.exit(main())
