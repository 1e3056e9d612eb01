"""`make run`: set up what has changed, then start Redis, inference and gateway and stop them."""

import asyncio
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from axon_dev import environment, page, ports, ready, redis
from axon_dev.audience import Audience
from axon_dev.console import Problem, say
from axon_dev.paths import LABELS, STATE, VENV_PYTHON
from axon_dev.supervisor import Running, Service, Supervisor

COLOURS = {"redis": 35, "inference": 33, "gateway": 36}
NOT_OURS = (
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "PYTHON",
    "TORCH",
    "ARGS",
    "SOURCE",
    "TO",
)


@dataclass(frozen=True)
class Settings:
    """Where Axon listens, and its Redis; all other variables go to the services unchanged."""

    host: str
    port: int
    grpc_port: int
    redis_url: str | None

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the variables. Raises Problem for an invalid port."""
        return cls(
            host=os.environ.get("AXON_HOST") or "127.0.0.1",
            port=ports.from_environment("AXON_PORT", 8000),
            grpc_port=ports.from_environment("AXON_GRPC_PORT", 50051),
            redis_url=os.environ.get("AXON_REDIS_URL") or None,
        )

    @property
    def reachable_host(self) -> str:
        """The host, as in a URL, by which this machine reaches what listens on `host`."""
        if self.host in ("0.0.0.0", "::"):
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{self.reachable_host}:{self.port}"


def run() -> int:
    """Run Axon until Ctrl-C; the exit code is 0 then, and 1 when a service ended by itself."""
    audience = Audience()
    settings = Settings.from_environment()
    ports.require_free(
        settings.host, {"AXON_PORT": settings.port, "AXON_GRPC_PORT": settings.grpc_port}
    )
    environment.setup()
    page.build()
    with tempfile.TemporaryDirectory(prefix="axon-") as private:
        to_start = services(settings, Path(private, "redis.sock"))
        return asyncio.run(serve(settings, to_start, audience))


def services(settings: Settings, socket: Path) -> list[Service]:
    """The services to start, in this order.

    No Redis is started when AXON_REDIS_URL is set, and no inference when AXON_BACKENDS is. The path
    of `socket` must be short: the system allows about 100 characters, and a checkout's folder may
    be longer.
    """
    common = {name: value for name, value in os.environ.items() if name not in NOT_OURS} | {
        "PYTHONUNBUFFERED": "1",
        "AXON_HOST": settings.host,
        "AXON_PORT": str(settings.port),
        "AXON_GRPC_PORT": str(settings.grpc_port),
        "AXON_INFERENCE": f"{settings.reachable_host}:{settings.grpc_port}",
        "AXON_REDIS_URL": settings.redis_url or f"unix://{socket}",
    }
    # The gateway authenticates to inference like any other caller.
    for ours, theirs in (
        ("AXON_BACKEND_TOKEN", "AXON_GRPC_TOKENS"),
        ("AXON_BACKEND_TLS_CA", "AXON_GRPC_TLS_CERT"),
    ):
        if theirs in common:
            common.setdefault(ours, common[theirs])
    if LABELS.is_dir():
        common.setdefault("AXON_LABELS", str(LABELS))
    inference = Service("inference", (str(VENV_PYTHON), "-m", "axon_inference"), common, grace_s=10)
    # After Ctrl-C, streams get 1 second to end, since somebody is waiting.
    drain = common.get("AXON_DRAIN_SECONDS", "1")
    gateway = Service(
        "gateway",
        (str(VENV_PYTHON), "-m", "axon_gateway"),
        {**common, "AXON_DRAIN_SECONDS": drain},
        grace_s=5 + (float(drain) if drain.replace(".", "", 1).isdigit() else 0),
    )
    # With inference services elsewhere, one started here would only use memory.
    python = [gateway] if common.get("AXON_BACKENDS") else [inference, gateway]
    if settings.redis_url:
        return python
    data = STATE / "redis"
    data.mkdir(parents=True, exist_ok=True)
    # The port is in the file's name so that two Axons from one checkout use two files.
    command = redis.command(data, socket, f"axon-{settings.port}.rdb")
    return [Service("redis", tuple(command), common, grace_s=5, quiet=True), *python]


async def serve(settings: Settings, to_start: list[Service], audience: Audience) -> int:
    """Run the services until a signal comes, a service ends, or the terminal or `make` is gone."""
    stop = asyncio.Event()
    async with Supervisor(show) as supervisor:
        _on_signals(stop, supervisor)
        tasks = {
            asyncio.create_task(stop.wait()),
            asyncio.create_task(audience.wait_gone()),
            lost := asyncio.create_task(supervisor.first_end()),
            start := asyncio.create_task(_bring_up(settings, to_start, supervisor)),
        }
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if start.done() and start.exception() is None:
            await asyncio.wait(tasks - {start}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        if start.done() and not start.cancelled():
            start.result()  # raises what went wrong
        if lost.done() and not stop.is_set():
            _report(lost.result())
            await supervisor.stop()
            return 1
        say("\nStopping ...")
        await supervisor.stop()
        say("Axon has stopped.")
        return 0


def show(name: str, line: str) -> None:
    """Print a line of a service's output with the service's name in front."""
    prefix = f"{name:<9} |"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        prefix = f"\033[{COLOURS.get(name, 0)}m{prefix}\033[0m"
    say(f"{prefix} {line}")


def _on_signals(stop: asyncio.Event, supervisor: Supervisor) -> None:
    """Stop all services in order on Ctrl-C, SIGTERM or SIGHUP; a second signal ends the waiting."""

    def received() -> None:
        if stop.is_set():
            supervisor.hurry()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup, SIGHUP stays ignored
            asyncio.get_running_loop().add_signal_handler(number, received)


async def _bring_up(settings: Settings, to_start: list[Service], supervisor: Supervisor) -> None:
    for service in to_start:
        try:
            await supervisor.start(service)
        except OSError as error:
            raise Problem(f"{service.name} cannot be started: {error}") from None
    await ready.wait(settings.url)
    say(f"\n  Axon is ready:  {settings.url}\n")
    say(f"  gRPC: {settings.reachable_host}:{settings.grpc_port}    Stop: Ctrl-C\n")


def _report(lost: Running) -> None:
    say(f"\n{lost.service.name} {lost.outcome}; stopping the rest. Its last lines:")
    for line in lost.tail:
        say(f"    {line}")
