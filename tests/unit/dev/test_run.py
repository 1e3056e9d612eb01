"""`make run` in a process of its own that gets real signals, with small services."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axon_dev import run
from axon_dev.console import Problem
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests.patience import PATIENCE
from tests.ports import free_port

DEV = Path(__file__).parents[3] / ".dev"

# Answers /readyz 503 twice, or LATER times, then 200; ends on SIGTERM.
GATEWAY = """
import http.server, json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("gateway ends")))
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        self.send_response(503 if Handler.asked <= int(os.environ.get("LATER", 2)) else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"error": "not_ready", "message": "a model loads"}).encode())
    def log_message(self, *_): pass
print("10%\\r99%")
http.server.HTTPServer(("127.0.0.1", int(os.environ["AXON_PORT"])), Handler).serve_forever()
"""
# Starts a child that it does not stop.
INFERENCE = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
def end(*_):
    if "STUBBORN" not in os.environ:
        sys.exit(print("inference ends"))
signal.signal(signal.SIGTERM, end)
print("serving", os.environ.get("AXON_MODEL"), f"pids={os.getpid()},{child.pid}")
deadline = time.monotonic() + float(os.environ.get("DIES_AFTER", 300))
while time.monotonic() < deadline: time.sleep(0.1)
sys.exit("no memory left")
"""
RUNNER = """
import os, sys
sys.path.insert(0, {dev!r})
import dev
from axon_dev import run
run.STEADY = float(os.environ.get("STEADY", 60))
run.WAITS = tuple(map(float, os.environ.get("WAITS", "0 0").split()))
def start():
    gone, port = run.audience(), run.port("AXON_PORT", 8000)
    env = dict(os.environ)
    services = [run.Service("redis", (sys.executable, "-uc", "input; import time; print('hidden'); time.sleep(300)"), env, True),
                run.Service("inference", (sys.executable, "-uc", {inference!r}), env),
                run.Service("gateway", (sys.executable, "-uc", {gateway!r}), env)]
    return run.serve(services, f"http://127.0.0.1:{{port}}", "", gone, int(os.environ.get("GRACE", 10)))
dev.COMMANDS = {{"run": start}}
sys.argv = ["dev.py", "run"]
sys.exit(dev.main())
"""  # noqa: E501
PROGRAM = RUNNER.format(dev=str(DEV), inference=INFERENCE, gateway=GATEWAY)


class Runner(subprocess.Popen[str]):
    """A started runner, and what it has printed."""

    seen = ""

    def until(self, text: str) -> str:
        assert self.stdout is not None
        while text not in self.seen:
            line = self.stdout.readline()
            assert line, f"{text!r} is not in:\n{self.seen}"
            self.seen += line
        return self.seen

    def rest(self) -> str:
        assert self.stdout is not None
        self.seen += self.stdout.read()
        assert "Traceback" not in self.seen
        assert "hidden" not in self.seen
        return self.seen

    def pids(self) -> list[int]:
        found = re.search(r"pids=([\d,]+)", self.until("pids="))
        assert found
        return [int(pid) for pid in found[1].split(",")]


@contextmanager
def runner(*command: str, **variables: str) -> Iterator[Runner]:
    environment = os.environ | {"AXON_PORT": str(free_port()), "AXON_MODEL": "my-model"} | variables
    with Runner(
        command or (sys.executable, "-c", PROGRAM),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return not Path("/proc/self").exists()


def assert_ended(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.02)


def test_the_url_is_printed_when_everything_is_ready() -> None:
    with runner(AXON_PORT=(port := str(free_port()))) as process:
        text = process.until("Axon is ready")
    assert f"Axon is ready:  http://127.0.0.1:{port}\n" in text
    assert text.index("Waiting: a model loads") < text.index("Axon is ready")
    assert "inference | serving my-model" in text
    assert "gateway   | 99%" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("when", ["pids=", "Axon is ready"])
def test_a_signal_stops_all_services_in_order(number: signal.Signals, when: str) -> None:
    with runner() as process:
        pids = process.pids()
        process.until(when)
        process.send_signal(number)
        text = process.rest()
        assert process.wait(PATIENCE) == 0
    if "ready" in when:
        assert text.index("gateway ends") < text.index("inference ends")
    assert text.index("inference ends") < text.index("has stopped")
    assert_ended(pids)


def test_a_service_that_does_not_stop_is_killed_after_its_grace_period() -> None:
    with runner(STUBBORN="1", GRACE="1") as process:
        pids = process.pids()
        process.until("Axon is ready")
        process.send_signal(signal.SIGINT)
        assert "inference | does not stop; killing it" in process.rest()
    assert_ended(pids)


def test_a_second_signal_ends_the_waiting() -> None:
    with runner(STUBBORN="1", GRACE="50") as process:
        pids = process.pids()
        process.until("Axon is ready")
        process.send_signal(signal.SIGINT)
        process.until("gateway ends")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert "Killing what still runs." in process.rest()
        assert process.wait(PATIENCE) == 0
    assert_ended(pids)


def test_a_service_that_dies_is_named_and_ends_the_run() -> None:
    with runner(DIES_AFTER="0.5", LATER="1000") as process:
        pids = process.pids()
        text = process.rest()
        assert process.wait(PATIENCE) == 1
    assert "inference ended with exit code 1; stopping the rest." in text
    assert text.index("stopping the rest") < text.rindex("    no memory left")
    assert_ended(pids)


def test_a_service_that_was_killed_after_it_had_served_is_started_again() -> None:
    with runner(STEADY="0") as process:
        for _ in range(2):
            process.seen = ""
            pids = process.pids()
            process.until("Axon is ready")
            os.kill(pids[0], signal.SIGKILL)
            process.until("inference was killed by SIGKILL; starting it again.")
        process.seen = ""
        assert process.pids() != pids
        process.until("Axon is ready")
        process.send_signal(signal.SIGINT)
        text = process.rest()
        assert process.wait(PATIENCE) == 0
    assert text.index("gateway ends") < text.index("inference ends")
    assert_ended(pids)


def test_a_service_that_is_killed_again_and_again_ends_the_run() -> None:
    with runner(WAITS="0 0.1") as process:
        pids = []
        for words in ("starting it again.", "starting it again in 0.1 s.", "stopping the rest."):
            process.until("Axon is ready")
            pids += process.pids()
            process.seen = ""
            os.kill(pids[-2], signal.SIGKILL)
            process.until(f"inference was killed by SIGKILL; {words}")
        process.rest()
        assert process.wait(PATIENCE) == 1
    assert_ended(pids)


def test_nothing_outlives_a_guard_that_was_killed() -> None:
    with runner() as process:
        pids = process.pids()
        process.until("Axon is ready")
        os.kill(os.getpgid(pids[0]), signal.SIGKILL)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert_ended(pids)


def test_nothing_outlives_a_runner_that_was_killed() -> None:
    """The services still stop in order."""
    with runner() as process:
        pids = process.pids()
        process.until("Axon is ready")
        group = os.getpgid(pids[0])
        assert group not in (process.pid, os.getpgid(process.pid))
        process.kill()
    assert_ended([*pids, group])


def test_a_closed_terminal_stops_all_services() -> None:
    """No signal is sent here, as when the terminal has signalled only `make`."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"AXON_PORT": str(free_port())},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen = b""
        while b"Axon is ready" not in seen:
            seen += os.read(ours, 1000)
        os.close(ours)
        assert process.wait(PATIENCE) == 0


def test_a_run_ends_with_the_make_that_started_it() -> None:
    text = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PROGRAM!r}])"
    with runner(sys.executable, "-c", text) as make:
        make.until("Axon is ready")
        make.kill()
        assert "Axon has stopped." in make.rest()


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith("AXON_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(run, "STATE", tmp_path)
    return monkeypatch


def services() -> list[run.Service]:
    return run.services("127.0.0.1", 8000, 6000, Path("/run/x/redis.sock"))


def test_services_get_their_settings_as_variables(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AXON_SOURCES", "a,b")
    variables.setenv("AXON_GRPC_TOKENS", "x,y")
    variables.setenv("AXON_GRPC_TLS_CERT", "cert.pem")
    variables.setenv("AXON_BACKEND_TLS_CA", "ca.pem")
    started = services()
    assert [service.name for service in started] == ["redis", "inference", "gateway"]
    for service in started[1:]:
        assert service.environment["AXON_INFERENCE"] == "127.0.0.1:6000"
        assert service.environment["AXON_REDIS_URL"] == "unix:///run/x/redis.sock"
        assert service.environment["AXON_SOURCES"] == "a,b"
    # The gateway gets the token and the authority for gRPC.
    assert started[2].environment["AXON_BACKEND_TOKEN"] == "x,y"
    assert started[2].environment["AXON_BACKEND_TLS_CA"] == "ca.pem"


def test_the_users_own_redis_and_backends_are_used(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AXON_REDIS_URL", "redis://cache:6379/1")
    assert [service.name for service in services()] == ["inference", "gateway"]
    variables.setenv("AXON_BACKENDS", "gpu1:50051,gpu2:50051")
    [gateway] = services()
    assert gateway.environment["AXON_REDIS_URL"] == "redis://cache:6379/1"


def test_labels_that_were_fetched_are_used(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "AXON_LABELS" not in services()[-1].environment
    (tmp_path / "labels").mkdir()
    assert services()[-1].environment["AXON_LABELS"] == str(tmp_path / "labels")
    variables.setenv("AXON_LABELS", "/mine")
    assert services()[-1].environment["AXON_LABELS"] == "/mine"


def test_only_this_user_can_reach_the_redis_of_a_run(
    variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Uses the real redis-server of this machine."""
    path = tmp_path / "s"
    redis = run.services("127.0.0.1", 8000, 6000, path)[0]
    with subprocess.Popen(redis.command, stdout=subprocess.DEVNULL) as server:
        try:
            # It may listen only after its socket is there.
            patient = Retry(ConstantBackoff(0.05), int(PATIENCE / 0.05))
            with Redis(unix_socket_path=str(path), retry=patient) as client:
                assert client.config_get("port") == {"port": "0"}
                assert client.config_get("dir") == {"dir": str(tmp_path / "redis")}
            assert path.stat().st_mode & 0o077 == 0
        finally:
            server.terminate()


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "127.0.0.1"), ("192.168.1.5", "192.168.1.5"), ("::1", "[::1]")],
)
def test_the_url_is_one_that_works_here(host: str, url: str) -> None:
    assert run.reachable(host) == url


def test_a_port_in_use_is_reported_before_the_set_up(variables: pytest.MonkeyPatch) -> None:
    """Also one that is shared by SO_REUSEPORT, as gRPC's is, and one taken on all addresses."""
    variables.setattr(run, "setup", lambda: pytest.fail("the set-up has begun"))
    for address, reuse in (("127.0.0.1", False), ("127.0.0.1", True), ("", False)):
        with socket.create_server((address, 0), reuse_port=reuse) as server:
            port = server.getsockname()[1]
            variables.setenv("AXON_PORT", str(free_port()))
            variables.setenv("AXON_GRPC_PORT", str(port))
            said = rf"Port {port} on 127.0.0.1 is in use.*make run AXON_GRPC_PORT={port + 1}$"
            with pytest.raises(Problem, match=said):
                run.run()


def test_a_port_whose_last_connection_is_closing_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # closes first, so that its port stays in TIME_WAIT
    run.require_free("127.0.0.1", {"AXON_PORT": port})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"AXON_PORT": "8000", "AXON_GRPC_PORT": "8000"}, "must differ; both are 8000"),
        ({"AXON_HOST": "192.0.2.1"}, "AXON_HOST=192.0.2.1 is not an address of this machine"),
        ({"AXON_HOST": "no such host"}, "AXON_HOST=no such host is not an address"),
        *(
            ({"AXON_PORT": text}, f"AXON_PORT={text} is not")
            for text in ("0", "65536", "80.5", "٨")
        ),
    ],
)
def test_a_wrong_address_is_refused_in_one_line(
    variables: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    for name, value in settings.items():
        variables.setenv(name, value)
    variables.setattr(run, "setup", lambda: pytest.fail("the set-up has begun"))
    with pytest.raises(Problem, match=said) as problem:
        run.run()
    assert "\n" not in str(problem.value)
