"""`make run`: start Redis, inference and gateway, show their logs, and stop them in order.

No ready-made process manager does all of this: stop gateway, inference and Redis one after another,
so that no service loses one that it needs; end when one of them ends; leave nothing when killed.
"""

import errno
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from axon_dev.console import ROOT, STATE, VENV, Problem, say
from axon_dev.install import PYTHON, on_path, setup

COLOURS = {"redis": 35, "inference": 33, "gateway": 36}
NOT_OURS = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
NOT_OURS |= {"PYTHON", "TORCH", "ARGS", "SOURCE", "TO"}
# Stops what is left when the runner was killed: its input closes then. Reads a process id for each
# service and stops the last one first. Then it ends its own process group, where all of them are.
GUARD = """
trap '' INT TERM HUP
pids=; while read -r pid; do pids="$pid $pids"; done
for pid in $pids; do
    kill -TERM "$pid"; tries=50
    while kill -0 "$pid" && [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done
done 2>/dev/null
kill -KILL 0
"""


@dataclass
class Service:
    """A program to run. It has `grace_s` to end; a `quiet` one shows its output only on failure."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    grace_s: float = 10.0
    quiet: bool = False


class Running:
    """A started service, the last lines it printed, and the thread that reads them."""

    def __init__(self, service: Service, group: int) -> None:
        self.service = service
        self.tail: deque[str] = deque(maxlen=15)
        self.process = subprocess.Popen(
            service.command,
            cwd=ROOT,
            env=service.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=group,  # so that Ctrl-C reaches only the runner
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for data in self.process.stdout:
            # A progress bar overwrites its line after each \r.
            line = data.decode(errors="replace").rstrip().rpartition("\r")[2]
            self.tail.append(line)
            if not self.service.quiet:
                show(self.service.name, line)

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def stop(self, hurry: bool) -> bool:
        """Stop it, and kill it after its grace period. Returns whether to hurry, after Ctrl-C."""
        self.process.terminate()
        try:
            self.process.wait(0 if hurry else self.service.grace_s)
        except subprocess.TimeoutExpired:
            pass
        except KeyboardInterrupt:
            hurry = True
        if self.process.poll() is None:
            show(self.service.name, "does not stop; killing it")
            self.process.kill()
        self.process.wait()
        self.reader.join(1)
        return hurry


def show(name: str, line: str) -> None:
    """Print a line of a service with the service's name in front."""
    prefix = f"{name:<9} |"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        prefix = f"\033[{COLOURS.get(name, 0)}m{prefix}\033[0m"
    say(f"{prefix} {line}")


def run() -> int:
    """Run Axon until Ctrl-C; the exit code is 0 then, and 1 when a service ended by itself."""
    audience = Audience()
    host = os.environ.get("AXON_HOST") or "127.0.0.1"
    page, grpc = port("AXON_PORT", 8000), port("AXON_GRPC_PORT", 50051)
    require_free(host, {"AXON_PORT": page, "AXON_GRPC_PORT": grpc})
    setup()
    with tempfile.TemporaryDirectory(prefix="axon-") as private:
        return serve(
            services(host, page, grpc, Path(private, "redis.sock")),
            f"http://{reachable(host)}:{page}",
            f"{reachable(host)}:{grpc}",
            audience,
        )


def services(host: str, page: int, grpc: int, redis: Path) -> list[Service]:
    """The services to start, in this order: Redis and inference only if no others are named.

    The path of Redis' socket must be short: the system allows about 100 characters.
    """
    env = {name: value for name, value in os.environ.items() if name not in NOT_OURS} | {
        "PYTHONUNBUFFERED": "1",
        "AXON_HOST": host,
        "AXON_PORT": str(page),
        "AXON_GRPC_PORT": str(grpc),
        "AXON_INFERENCE": f"{reachable(host)}:{grpc}",
    }
    own_redis = not env.get("AXON_REDIS_URL")
    if own_redis:
        env["AXON_REDIS_URL"] = f"unix://{redis}"
    # The gateway authenticates to inference like any other caller.
    for ours, theirs in (
        ("AXON_BACKEND_TOKEN", "AXON_GRPC_TOKENS"),
        ("AXON_BACKEND_TLS_CA", "AXON_GRPC_TLS_CERT"),
    ):
        if theirs in env:
            env.setdefault(ours, env[theirs])
    if (STATE / "labels").is_dir():
        env.setdefault("AXON_LABELS", str(STATE / "labels"))
    # After Ctrl-C, streams get 1 second to end, since somebody is waiting.
    drain = env.setdefault("AXON_DRAIN_SECONDS", "1")
    grace = 5 + (float(drain) if drain.replace(".", "", 1).isdigit() else 0)
    started = [Service("gateway", (str(PYTHON), "-m", "axon_gateway"), env, grace)]
    if not env.get("AXON_BACKENDS"):
        started.insert(0, Service("inference", (str(PYTHON), "-m", "axon_inference"), env))
    if own_redis:
        started.insert(0, Service("redis", redis_command(redis, page), env, 5, quiet=True))
    return started


def redis_command(socket: Path, page: int) -> tuple[str, ...]:
    """A private Redis: only this user can connect, through a file.

    The page's port is in the data's name, so that two Axons of one checkout have two files.
    """
    data = STATE / "redis"
    data.mkdir(parents=True, exist_ok=True)
    program = "redis-server" if on_path("redis") else str(VENV / "bin" / "redis-server")
    access = ("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700")
    place = ("--dir", str(data), "--dbfilename", f"axon-{page}.rdb")
    return (program, *access, *place, "--daemonize", "no", "--loglevel", "warning")


def serve(to_start: list[Service], url: str, grpc: str, audience: "Audience") -> int:
    """Run services until a signal comes, one of them ends, or the terminal or `make` is gone."""
    guard = subprocess.Popen(
        ["sh", "-c", GUARD],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    assert guard.stdin is not None
    running: list[Running] = []
    code = 0
    try:
        for service in to_start:
            running.append(_start(service, guard.pid))
            guard.stdin.write(f"{running[-1].process.pid}\n".encode())
            guard.stdin.flush()
        told: str | None = ""
        while not audience.gone():
            if lost := next((one for one in running if one.process.poll() is not None), None):
                lost.reader.join(1)
                say(f"\n{lost.service.name} {lost.outcome}; stopping the rest. Its last lines:")
                say("\n".join(f"    {line}" for line in lost.tail))
                code = 1
                break
            if told is not None and (reason := why_not(url)) != told:
                told = reason
                if reason:
                    say(f"Waiting: {reason}")
                else:
                    say(f"\n  Axon is ready:  {url}\n\n  gRPC: {grpc}    Stop: Ctrl-C\n")
            time.sleep(0.3)
    except KeyboardInterrupt:
        pass
    finally:
        if code == 0:
            say("\nStopping ...")
        hurry = False
        for one in reversed(running):
            hurry = one.stop(hurry)
        guard.stdin.close()  # ends their children, too
        guard.wait()
    if code == 0:
        say("Axon has stopped.")
    return code


def _start(service: Service, group: int) -> Running:
    try:
        return Running(service, group)
    except OSError as error:
        raise Problem(f"{service.name} cannot be started: {error}") from None


def why_not(url: str) -> str | None:
    """The reason why the gateway at `url` is not ready to generate; None when it is."""
    # This machine itself is never reached through a proxy.
    tls = ssl.create_default_context()
    # Nor is anything secret asked: its certificate names another host than 127.0.0.1.
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
    )
    try:
        with direct.open(f"{url}/readyz", timeout=5):
            return None
    except urllib.error.HTTPError as answer:
        try:
            return str(json.load(answer)["message"])
        except (ValueError, KeyError, TypeError):
            return f"the gateway answers {answer.code}"
    except OSError:
        return "the gateway is starting"


class Audience:
    """The terminal and the `make` at the start of the command; create it as early as possible.

    A signal does not always arrive. When a terminal that runs `make` directly is closed (ssh -t),
    the signal goes to `make` alone, which keeps waiting for us. A killed `make` sends none.
    """

    def __init__(self) -> None:
        self._terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None

    def gone(self) -> bool:
        """Whether the terminal was closed, or the `make` that started us has ended."""
        closed = not all(os.isatty(descriptor) for descriptor in self._terminals)
        return closed or self._make not in (None, os.getppid())


def reachable(host: str) -> str:
    """The host, as in a URL, by which this machine reaches what listens on `host`."""
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def port(variable: str, default: int) -> int:
    """The port in an environment variable. Raises Problem when the text is not a port."""
    text = os.environ.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise Problem(f"{variable}={text} is not a port: use a number from 1 to 65535.")
    return int(text)


def require_free(host: str, ports: dict[str, int], target: str = "run") -> None:
    """Raise Problem unless a server can listen on every port; `ports` has the variables' names."""
    if len(set(ports.values())) < len(ports):
        raise Problem(f"{' and '.join(ports)} must differ; both are {next(iter(ports.values()))}.")
    for variable, number in ports.items():
        if trouble := _trouble(host, number):
            other = number + 1 if number < 65535 else number - 1
            raise Problem(
                f"Port {number} on {host} {trouble}. "
                f"Choose another: make {target} {variable}={other}"
            )


def _trouble(host: str, number: int) -> str | None:
    foreign = Problem(f"AXON_HOST={host} is not an address of this machine.")
    try:
        found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        raise foreign from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            # Servers set SO_REUSEADDR too: a port whose last connection is closing counts as free.
            # Never set SO_REUSEPORT here: gRPC listens with it, so the port of another Axon would
            # look free, and each of the two would get half of the callers.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                probe.listen(1)
            except PermissionError:
                return "may not be used by this user"
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise foreign from None
                return "is in use"
    return None
