"""`python -m axon_inference`: serve until told to stop, list models, download, make the map, label
features, or check health.

Each command imports only what it needs, so that a health check every few seconds costs little.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace

from axon_service import logs, process
from axon_service.settings import SettingsError

from axon_inference.config import Settings
from axon_inference.labelling import arguments as labelling

_log = logging.getLogger("axon_inference")


def main() -> int:
    """Run what was asked for; the exit code is 0 after a clean end, 1 after a failure."""
    # Before gRPC is imported, which would otherwise print a line of its own per failed handshake.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    arguments = _parser().parse_args()
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"axon-inference: {error}", file=sys.stderr, flush=True)
        return process.give_up(os.environ) if arguments.command in ("serve", None) else 1
    if arguments.command == "healthcheck":
        from axon_inference.serving import healthcheck

        return healthcheck.main(settings, wait=arguments.wait)
    logs.configure(settings.log_level, settings.log_format)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells every request at INFO
    match arguments.command:
        case "models":
            return _told(lambda: _list(settings, arguments.names))
        case "download":
            return _told(lambda: _download(settings))
        case "map":
            return _told(lambda: _map(settings))
        case "label":
            return _told(lambda: _label(settings, arguments))
        case _:
            return _served(settings)


def _served(settings: Settings) -> int:
    from axon_inference.serving.service import PortInUse

    try:
        return asyncio.run(_serve(settings))
    except (PortInUse, SettingsError) as error:
        _log.error("%s", error)
    return process.give_up(os.environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m axon_inference",
        description="Serve a language model and its Sparse Autoencoders over gRPC (axon.v1).",
        epilog="Settings are read from the environment:\n" + Settings.help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="serve until told to stop (the default)")
    listing = commands.add_parser("models", help="list models, and which SAEs there are for them")
    listing.add_argument("names", nargs="*", metavar="NAME", help="a model, and a set of its SAEs")
    health = commands.add_parser(
        "healthcheck", help="check whether the service of these settings serves; exit code 0 if so"
    )
    health.add_argument("--wait", action="store_true", help="while it loads, wait for the outcome")
    commands.add_parser("download", help="download AXON_MODEL and AXON_SOURCES, and end")
    commands.add_parser("map", help="make the map of their features, keep it, and end")
    label = commands.add_parser("label", help="label their features by a text, and end")
    labelling.add(label)
    return parser


def _told(command: Callable[[], None]) -> int:
    try:
        command()
    except (ValueError, OSError) as error:
        print(f"axon-inference: {error}", file=sys.stderr)
        return 1
    return 0


def _list(settings: Settings, names: list[str]) -> None:
    from axon_inference.catalog import listing

    match names:
        case []:
            print(listing.overview(settings.dtype))
        case [model]:
            print(listing.details(model))
        case [model, release, *_]:
            print(listing.sources(model, release))


def _download(settings: Settings) -> None:
    from axon_inference.catalog.hub import fetch
    from axon_inference.catalog.selection import select

    wanted = select(settings.model, settings.sources).wanted
    fetch(wanted)
    _log.info("all of %s is on this machine", settings.model)


def _map(settings: Settings) -> None:
    from axon_inference.loading.container import require_libraries

    require_libraries()
    from axon_inference.loading.ready import load
    from axon_inference.map.mapper import ahead

    loaded = load(replace(settings, device="cpu", sae_dtype="float32", map="on", slots=1))
    assert loaded.mapper is not None
    if loaded.mapper.why_none:
        raise ValueError(loaded.mapper.why_none)
    found, path = ahead(
        loaded.mapper, lambda stage, done: _log.info("%3.0f%% %s", 100 * done, stage)
    )
    for storey in found.storeys:
        _log.info("%s: recall of the 10 nearest %.2f", storey.id, storey.recall)
    _log.info("%d pairs of kin, at %.1f%% of the width", len(found.lower), 100 * found.kin_distance)
    _log.info("the map is in %s", path)


def _label(settings: Settings, arguments: argparse.Namespace) -> None:
    from axon_inference.loading.container import require_libraries

    require_libraries()
    from axon_inference.labelling import command

    command.run(settings, command.wanted(arguments, os.environ.get("OPENAI_API_KEY", "")))


async def _serve(settings: Settings) -> int:
    from axon_inference.loading.starting import bring_up
    from axon_inference.serving.service import Service

    stop = asyncio.Event()
    failures: list[str] = []
    loop = asyncio.get_running_loop()

    def fail(reason: str) -> None:
        """End the process, from whichever thread: a supervisor then starts a fresh one."""
        _log.error("%s", reason)
        failures.append(reason)
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = Service(settings, on_fatal=fail)
    await service.listen()
    loading = asyncio.create_task(bring_up(service, wait=settings.on_failure == "wait"))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if loading.done() and not loading.exception():
        await stopping
    if not loading.done():
        # A thread that imports torch cannot be interrupted; nothing is lost by leaving at once.
        os._exit(0)
    stopping.cancel()
    await service.drain()
    return 1 if failures or loading.exception() else 0


if __name__ == "__main__":
    sys.exit(main())
