"""Runs `python -m axon_inference` as a user or a supervisor does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc


@contextmanager
def serving(
    *arguments: str, program: str = "", **variables: object
) -> Iterator[subprocess.Popen[str]]:
    """The process, with these settings in its environment; killed at the end if it still runs.

    `program` is Python code to run instead of the package.
    """
    env = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    process = subprocess.Popen(
        [sys.executable, *(["-c", program] if program else ["-m", "axon_inference"]), *arguments],
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str], seconds: float = 50) -> tuple[int, str]:
    _, errors = process.communicate(timeout=seconds)
    return process.returncode, errors


def healthcheck(**variables: object) -> tuple[int, str]:
    """Exit code and output of `python -m axon_inference healthcheck` with these settings."""
    env = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    command = [sys.executable, "-m", "axon_inference", "healthcheck"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def wait_until_serving(port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for _ in range(1000):
            answer = stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            time.sleep(0.1)
    pytest.fail("the service did not become ready")
