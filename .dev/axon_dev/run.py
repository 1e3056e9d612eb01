"""`make run`: start Redis, inference and gateway, show their logs, and stop them in order.

No ready-made process manager does all of this: stop gateway, inference and Redis one after another,
so that no service loses one that it needs; say when Axon can be used; leave nothing when killed.
"""

import contextlib
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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from axon_dev.console import ROOT, STATE, Problem, say
from axon_dev.install import PYTHON, setup

COLOURS = {"redis": 35, "inference": 33, "gateway": 36}
#: Seconds before each further start of a service that ends again and again. One that has run for
#: STEADY seconds begins anew.
WAITS = (0.0, 1.0, 3.0, 10.0, 30.0)
STEADY = 60.0
# Stops the services, also when the runner was killed: its input closes then. Its arguments are the
# seconds that each has to end, and the names in the order in which to stop them. It reads a name
# and a process id for each start. Last, it kills its process group, so that no child is left.
GUARD = """
trap '' INT TERM HUP PIPE
grace=$1; shift
while read -r name pid; do eval "pid_$name=$pid"; done
for name; do
    eval "pid=\\$pid_$name"; tries=${grace}0
    kill -TERM "$pid" || continue
    while kill -0 "$pid"; do
        if [ $((tries -= 1)) -le 0 ]; then
            printf '%-9s | does not stop; killing it\\n' "$name"; kill -KILL "$pid"; break
        fi
        sleep 0.1
    done
done 2>/dev/null
kill -KILL 0
"""


@dataclass
class Service:
    """A program to run; a `quiet` one shows its output only on failure."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    quiet: bool = False
    #: Axon was ready once while it ran.
    served: bool = field(default=False, init=False)
    #: How often it has ended without having run for long, and when it is to be started again.
    failures: int = field(default=0, init=False)
    again: float | None = field(default=None, init=False)

    def start(self, guard: "subprocess.Popen[bytes]") -> None:
        """Start it, in the guard's process group, so that Ctrl-C reaches only the runner."""
        self.tail: deque[str] = deque(maxlen=15)
        self.started, self.again = time.monotonic(), None
        try:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, process_group=guard.pid,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except OSError as error:
            raise Problem(f"{self.name} cannot be started: {error}") from None
        assert guard.stdin is not None
        guard.stdin.write(f"{self.name} {self.process.pid}\n".encode())
        guard.stdin.flush()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        prefix = f"{self.name:<9} |"
        if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
            prefix = f"\033[{COLOURS[self.name]}m{prefix}\033[0m"
        assert self.process.stdout is not None
        for data in self.process.stdout:
            # A progress bar overwrites its line after each \r.
            line = data.decode(errors="replace").rstrip().rpartition("\r")[2]
            self.tail.append(line)
            if not self.quiet:
                say(f"{prefix} {line}")

    def wait(self) -> float | None:
        """It has ended: the seconds after which to start it again; None if that is no use.

        One that has never served would end again for the same reason.
        """
        if time.monotonic() - self.started >= STEADY:
            self.failures = 0
        if not self.served or self.failures >= len(WAITS):
            return None
        wait = WAITS[self.failures]
        self.failures += 1
        self.again = time.monotonic() + wait
        return wait

    @property
    def outcome(self) -> str:
        """How it ended, in words; empty while it runs."""
        code = self.process.poll()
        if code is None:
            return ""
        self.reader.join(1)
        killed = f"was killed by {signal.Signals(-code).name}" if code < 0 else ""
        return killed or f"ended with exit code {code}"


def run() -> int:
    """Run Axon until Ctrl-C; the exit code is 0 then, and 1 when a service failed."""
    gone = audience()
    host = os.environ.get("AXON_HOST") or "127.0.0.1"
    page, grpc = port("AXON_PORT", 8000), port("AXON_GRPC_PORT", 50051)
    require_free(host, {"AXON_PORT": page, "AXON_GRPC_PORT": grpc})
    setup()
    # After Ctrl-C, streams get 1 second to end, since somebody is waiting.
    drain = os.environ.setdefault("AXON_DRAIN_SECONDS", "1")
    grace = 10 + int(drain if drain.isdecimal() else 0)
    at = reachable(host)
    with tempfile.TemporaryDirectory(prefix="axon-") as private:
        to_start = services(host, page, grpc, Path(private, "redis.sock"))
        return serve(to_start, f"http://{at}:{page}", f"{at}:{grpc}", gone, grace)


def services(host: str, page: int, grpc: int, redis: Path) -> list[Service]:
    """The services to start, in this order: Redis and inference only if no others are named.

    The path of Redis' socket must be short: the system allows about 100 characters.
    """
    env = os.environ | {
        "PYTHONUNBUFFERED": "1",
        "AXON_HOST": host,
        "AXON_PORT": str(page),
        "AXON_GRPC_PORT": str(grpc),
        "AXON_INFERENCE": f"{reachable(host)}:{grpc}",
    }
    started = [Service("gateway", (PYTHON, "-m", "axon_gateway"), env)]
    if not env.get("AXON_BACKENDS"):
        started.insert(0, Service("inference", (PYTHON, "-m", "axon_inference"), env))
    if not env.get("AXON_REDIS_URL"):
        env["AXON_REDIS_URL"] = f"unix://{redis}"
        (data := STATE / "redis").mkdir(parents=True, exist_ok=True)
        # Only this user can connect, through a file. Two Axons of one checkout have two files.
        access = ("--port", "0", "--unixsocket", str(redis), "--unixsocketperm", "700")
        kept = ("--dir", str(data), "--dbfilename", f"axon-{page}.rdb", "--loglevel", "warning")
        started.insert(0, Service("redis", ("redis-server", *access, *kept), env, quiet=True))
    # The gateway authenticates to inference like any other caller.
    for ours, theirs in (
        ("AXON_BACKEND_TOKEN", "AXON_GRPC_TOKENS"),
        ("AXON_BACKEND_TLS_CA", "AXON_GRPC_TLS_CERT"),
    ):
        if theirs in env:
            env.setdefault(ours, env[theirs])
    if (STATE / "labels").is_dir():
        env.setdefault("AXON_LABELS", str(STATE / "labels"))
    return started


def serve(
    to_start: list[Service], url: str, grpc: str, gone: Callable[[], bool], grace: int = 10
) -> int:
    """Run services until a signal comes, one fails, or the terminal or `make` is gone.

    One that ends after it has served is started again, a few times and after growing waits.
    """
    order = [service.name for service in reversed(to_start)]
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "guard", str(grace), *order], stdin=subprocess.PIPE, process_group=0
    )
    running: list[Service] = []
    code = 0
    told: str | None = ""
    try:
        for service in to_start:
            service.start(guard)
            running.append(service)
        while code == 0 and not gone():
            for one in running:
                if one.again is not None and time.monotonic() >= one.again:
                    one.start(guard)
            if ended := next((one for one in running if one.again is None and one.outcome), None):
                if (wait := ended.wait()) is not None:
                    later = f" in {wait:g} s" if wait else ""
                    say(f"\n{ended.name} {ended.outcome}; starting it again{later}.")
                    told = ""
                else:
                    say(f"\n{ended.name} {ended.outcome}; stopping the rest. Its last lines:")
                    say("\n".join(f"    {line}" for line in ended.tail))
                    code = 1
            elif told is not None and (reason := why_not(url)) != told:
                told = reason
                if reason:
                    say(f"Waiting: {reason}")
                else:
                    say(f"\n  Axon is ready:  {url}\n\n  gRPC: {grpc}    Stop: Ctrl-C\n")
                    for service in running:
                        service.served = True
            time.sleep(0.3)
    except KeyboardInterrupt:
        pass
    finally:
        if code == 0:
            say("\nStopping ...")
        _stop(guard, running)
    if code == 0:
        say("Axon has stopped.")
    return code


def _stop(guard: "subprocess.Popen[bytes]", running: list[Service]) -> None:
    """Let the guard stop all services in order; a second signal kills them at once."""
    assert guard.stdin is not None
    guard.stdin.close()
    try:
        while guard.poll() is None:
            for service in running:
                service.process.poll()  # or the guard would see it as long as nobody asks
            time.sleep(0.05)
    except KeyboardInterrupt:
        say("Killing what still runs.")
    with contextlib.suppress(OSError):  # as a rule, the guard has done so
        os.killpg(guard.pid, signal.SIGKILL)
    guard.wait()
    for service in running:
        service.reader.join(1)


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


def audience() -> Callable[[], bool]:
    """Whether, later, the terminal has been closed or the `make` that started us has ended.

    A signal does not always arrive. When a terminal that runs `make` directly is closed (ssh -t),
    the signal goes to `make` alone, which keeps waiting for us. A killed `make` sends none.
    """
    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
    parent = os.getppid()
    return lambda: os.getppid() != parent or not all(map(os.isatty, terminals))


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
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for variable, number in ports.items():
        try:
            # As servers do: with SO_REUSEADDR, so that a port whose last connection is closing
            # counts as free, and without SO_REUSEPORT, so that two never share one.
            socket.create_server((host, number), family=family).close()
        except OSError as error:
            trouble = {
                errno.EADDRINUSE: "is in use",
                errno.EACCES: "may not be used by this user",
            }.get(error.errno or 0)
            if trouble is None:
                raise Problem(f"AXON_HOST={host} is not an address of this machine.") from None
            other = number + 1 if number < 65535 else number - 1
            raise Problem(
                f"Port {number} on {host} {trouble}. "
                f"Choose another: make {target} {variable}={other}"
            ) from None
