"""`python -m axon_gateway healthcheck`, the HEALTHCHECK of the container."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys

import pytest
from axon_gateway import healthcheck
from axon_gateway.config import Settings

from ...ports import free_port
from .fake_inference import FakeInference
from .harness import Running
from .test_outages import until_ready


async def test_it_reports_the_gateways_state(
    gateway: Running, inference: FakeInference, capsys: pytest.CaptureFixture[str]
) -> None:
    async def check(*arguments: str) -> int:
        return await asyncio.to_thread(healthcheck.main, arguments, settings)

    port = int(gateway.url.rpartition(":")[2])
    settings = dataclasses.replace(gateway.gateway.settings, host="0.0.0.0", port=port)
    await until_ready(gateway)
    assert await check() == 0
    assert await check("--ready") == 0
    await inference.stop()
    assert await check() == 0
    assert await check("--ready") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["axon_gateway: ok", "axon_gateway: ready", "axon_gateway: ok"]
    assert lines[3] == f"axon_gateway: no inference service answers at {inference.address}"


def test_without_a_gateway_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert healthcheck.main([], Settings(port=port)) == 1
    assert f"no answer from 127.0.0.1:{port}: " in capsys.readouterr().out


def test_it_imports_no_large_package() -> None:
    program = (
        "import sys; from axon_gateway import __main__; sys.argv[1:] = ['healthcheck'];"
        "__main__.main(); print(*sys.modules)"
    )
    command = [sys.executable, "-c", program]
    # Compose sets some variables to an empty text.
    unset = {"AXON_BACKEND_TLS_CA": "", "AXON_BACKEND_TOKEN": ""}
    env = {"PYTHONPATH": ":".join(sys.path), "AXON_PORT": str(free_port()), **unset}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert "no answer" in done.stdout
    assert not {"grpc", "aiohttp", "redis", "prometheus_client"} & set(done.stdout.split())
