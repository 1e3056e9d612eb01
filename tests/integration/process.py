"""Runs `python -m axon_inference` as a user or a supervisor does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ..patience import PATIENCE

#: Seconds for a process that imports torch, transformers and SAELens on a busy machine.
START_SECONDS = 150.0

#: Imports torch, transformers and SAELens once, which takes most of a start, and then forks.
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    ["axon_inference.loading.ready", "axon_inference.serving.service", "sae_lens", __name__]
)


@contextmanager
def serving(*arguments: str, **variables: object) -> Iterator[subprocess.Popen[str]]:
    """The process, with these settings in its environment; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "axon_inference", *arguments],
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Forked:
    """A process that runs the same from its `main` on, without the seconds of imports before.

    It knows as much of `subprocess.Popen` as the tests need. `program` is Python code to run
    instead of the package. Variables that are read by imports (HF_HOME) have no effect.
    """

    def __init__(self, program: str, variables: dict[str, str]) -> None:
        reader, writer = _FORKING.Pipe(duplex=False)
        self._process = _FORKING.Process(target=_run, args=(program, variables, writer))
        self._process.start()
        writer.close()
        self.stderr = os.fdopen(os.dup(reader.fileno()))

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid
        os.kill(self._process.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def communicate(self, timeout: float) -> tuple[None, str]:
        """What is left of its log, once it has ended."""
        self._process.join(timeout)
        assert self.returncode is not None, "it did not end in time"
        return None, self.stderr.read()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.stderr.close()


def _run(program: str, variables: dict[str, str], errors: Connection) -> None:
    from axon_inference import __main__

    os.dup2(errors.fileno(), 2)
    errors.close()
    os.environ.update(variables)
    sys.argv = ["axon_inference"]
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    exec(program, {})
    sys.exit(__main__.main())


def _end_with_the_tests() -> None:
    tests = multiprocessing.parent_process()
    assert tests
    tests.join()
    os._exit(1)


@contextmanager
def forked(program: str = "", **variables: object) -> Iterator[Forked]:
    """Such a process, killed at the end if it still runs."""
    process = Forked(program, {name: str(value) for name, value in variables.items()})
    try:
        yield process
    finally:
        process.kill()


def end(process: subprocess.Popen[str] | Forked) -> tuple[int, str]:
    """Exit code and log of a process that ends by itself."""
    _, errors = process.communicate(timeout=START_SECONDS)
    assert process.returncode is not None
    return process.returncode, errors


def healthcheck(**variables: object) -> tuple[int, str]:
    """Exit code and output of `python -m axon_inference healthcheck` with these settings."""
    env = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    command = [sys.executable, "-m", "axon_inference", "healthcheck"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=2 * PATIENCE)
    return done.returncode, done.stdout + done.stderr


def wait_until_serving(port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        deadline = time.monotonic() + START_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            answer = stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=left)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            time.sleep(0.1)
    pytest.fail("the service did not become ready")
