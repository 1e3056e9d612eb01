"""The part of `make run` that runs services, in a separate process that gets real signals."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axon_dev import redis, run
from axon_dev.console import Problem

from tests.ports import free_port

DEV = Path(__file__).parents[3] / ".dev"

# Answers /readyz 503 twice, then 200; ends on SIGTERM.
GATEWAY = """
import http.server, json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("gateway ends")))
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        self.send_response(503 if Handler.asked < 3 else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"error": "not_ready", "message": "a model loads"}).encode())
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["AXON_PORT"])), Handler).serve_forever()
"""
INFERENCE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("inference ends")))
print("serving", os.environ.get("AXON_MODEL"))
time.sleep(float(os.environ.get("DIES_AFTER", 60)))
sys.exit("no memory left")
"""
RUNNER = """
import asyncio, os, sys
sys.path.insert(0, {dev!r})
from axon_dev import cli, run
from axon_dev.audience import Audience
from axon_dev.supervisor import Service
def start():
    settings = run.Settings.from_environment()
    services = [Service("inference", (sys.executable, "-uc", {inference!r})),
                Service("gateway", (sys.executable, "-uc", {gateway!r}))]
    return asyncio.run(run.serve(settings, services, Audience()))
cli.COMMANDS = {{"run": start}}
sys.argv = ["dev.py", "run"]
sys.exit(cli.main())
"""
PROGRAM = RUNNER.format(dev=str(DEV), inference=INFERENCE, gateway=GATEWAY)


@contextmanager
def runner(**variables: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"AXON_PORT": str(free_port()), "AXON_MODEL": "my-model"} | variables
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} is not in:\n{seen}")


def rest(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.read()


def test_the_url_is_printed_when_everything_is_ready() -> None:
    with runner(AXON_PORT=(port := str(free_port()))) as process:
        text = read_until(process, "Axon is ready")
    assert f"Axon is ready:  http://127.0.0.1:{port}\n" in text
    assert text.index("Waiting: a model loads") < text.index("Axon is ready")
    assert "inference | serving my-model" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_services_in_order_without_a_traceback(number: signal.Signals) -> None:
    with runner() as process:
        read_until(process, "Axon is ready")
        started = time.monotonic()
        process.send_signal(number)
        text = rest(process)
        assert process.wait(10) == 0
    assert time.monotonic() - started < 5
    assert "Traceback" not in text
    assert text.index("gateway ends") < text.index("inference ends") < text.index("has stopped")


def test_a_signal_while_starting_stops_what_has_started() -> None:
    with runner() as process:
        read_until(process, "serving my-model")
        process.send_signal(signal.SIGINT)
        text = rest(process)
        assert process.wait(10) == 0
    assert "inference ends" in text
    assert "Traceback" not in text


def test_a_service_that_dies_is_named_and_ends_the_run() -> None:
    with runner(DIES_AFTER="0.5") as process:
        text = rest(process)
        assert process.wait(10) == 1
    assert "inference ended with exit code 1; stopping the rest." in text
    assert text.index("stopping the rest") < text.rindex("    no memory left")
    assert "gateway ends" in text
    assert "Traceback" not in text


def test_a_closed_terminal_stops_all_services() -> None:
    """No signal is sent here, as when the terminal has signalled only `make`."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"AXON_PORT": str(free_port())}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment,
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
        assert process.wait(10) == 0


def test_a_run_ends_with_the_make_that_started_it() -> None:
    text = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PROGRAM!r}])"
    environment = os.environ | {"AXON_PORT": str(free_port()), "MAKELEVEL": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", text], env=environment, stdout=subprocess.PIPE, text=True
    ) as make:
        read_until(make, "Axon is ready")
        make.kill()
        assert "Axon has stopped." in rest(make)


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AXON_HOST", "AXON_PORT", "AXON_GRPC_PORT", "AXON_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("192.168.1.5", "http://192.168.1.5:8000"),
        ("::1", "http://[::1]:8000"),
    ],
)
def test_the_url_is_one_that_works_here(variables: pytest.MonkeyPatch, host: str, url: str) -> None:
    variables.setenv("AXON_HOST", host)
    assert run.Settings.from_environment().url == url


def test_services_get_their_settings_as_variables(
    variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables.setenv("AXON_GRPC_PORT", "6000")
    variables.setenv("AXON_SOURCES", "a,b")
    variables.setenv("MAKELEVEL", "1")
    variables.setattr(run, "STATE", tmp_path)
    variables.setattr(redis, "binary", lambda: "redis-server")
    started = run.services(run.Settings.from_environment(), Path("/run/x/redis.sock"))
    assert [service.name for service in started] == ["redis", "inference", "gateway"]
    for service in started[1:]:
        assert service.environment["AXON_INFERENCE"] == "127.0.0.1:6000"
        assert service.environment["AXON_REDIS_URL"] == "unix:///run/x/redis.sock"
        assert service.environment["AXON_SOURCES"] == "a,b"
        assert "MAKELEVEL" not in service.environment


def test_the_users_own_redis_is_used(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AXON_REDIS_URL", "redis://cache:6379/1")
    started = run.services(run.Settings.from_environment(), Path("/run/x/redis.sock"))
    assert [service.name for service in started] == ["inference", "gateway"]
    assert started[1].environment["AXON_REDIS_URL"] == "redis://cache:6379/1"


def test_a_port_in_use_is_reported_before_the_set_up(variables: pytest.MonkeyPatch) -> None:
    import socket

    variables.setattr(run.environment, "setup", lambda: pytest.fail("the set-up has begun"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        variables.setenv("AXON_PORT", str(server.getsockname()[1]))
        with pytest.raises(Problem, match="in use"):
            run.run()
