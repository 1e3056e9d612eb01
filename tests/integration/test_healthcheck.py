"""`python -m axon_inference healthcheck`, the HEALTHCHECK of the container."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from axon_inference.config import Settings
from axon_inference.serving import healthcheck
from axon_inference.serving.service import Service

from .. import certificates
from ..ports import free_port
from .rig import serving


async def check(settings: Settings) -> int:
    return await asyncio.to_thread(healthcheck.main, settings)


async def test_it_says_whether_the_service_serves(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(host="127.0.0.1") as service:
        # In a container the service listens on all addresses.
        settings = Settings(host="0.0.0.0", port=service.port)
        assert await check(settings) == 0
        await service._say_serving(False)
        service._servicer.ready = None
        service.refuse("cannot serve: the model is broken")
        assert await check(settings) == 1
    assert await check(settings) == 1
    serves, broken, gone = capsys.readouterr().out.splitlines()
    assert serves == "axon-inference: serving"
    assert broken == "axon-inference: cannot serve: the model is broken"
    assert gone.startswith(f"axon-inference: no answer from 127.0.0.1:{settings.port}: ")


async def test_it_waits_for_a_service_that_is_about_to_serve(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healthcheck, "_PAUSE", 0.01)
    async with serving() as service:
        await service._say_serving(False)
        settings = Settings(port=service.port)
        line = "axon-inference: about to serve; try again in a moment\n"
        assert await asyncio.to_thread(healthcheck.main, settings) == 1
        assert capsys.readouterr().out == line
        waiting = asyncio.create_task(asyncio.to_thread(healthcheck.main, settings, wait=True))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await service._say_serving(True)
        assert await waiting == 0


@pytest.mark.parametrize(("code", "line"), [(0, "serving"), (1, "cannot serve: no")])
async def test_it_can_wait_until_loading_has_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: int, line: str
) -> None:
    monkeypatch.setattr(healthcheck, "_PAUSE", 0.01)
    async with serving() as service:
        fresh = Service(service.settings, on_fatal=pytest.fail)
        ready, service._servicer.ready = service._servicer.ready, None
        service._servicer.unavailable = fresh._servicer.unavailable
        await service._say_serving(False)
        settings = Settings(port=service.port)
        waiting = asyncio.create_task(asyncio.to_thread(healthcheck.main, settings, wait=True))
        for progress in ("fetching a file (1 of 2 GB)", "loading source a"):
            await asyncio.sleep(0.2)
            assert not waiting.done()
            service._report(progress)
        if code:
            service.refuse(line)
        else:
            service._servicer.ready = ready
            await service._say_serving(True)
        assert await waiting == code
    assert capsys.readouterr().out == f"axon-inference: {line}\n"


@pytest.mark.parametrize("name", ["DNS:axon.lab.example", "DNS:*.lab.example", "IP:192.0.2.1"])
async def test_it_does_not_check_the_certificates_name_or_authority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    made = certificates.make(tmp_path, name)
    guards = {"tls_cert": made.cert, "tls_key": made.key, "tokens": ("secret",)}
    async with serving(**guards) as service:
        settings = Settings(port=service.port, **guards)  # type: ignore[arg-type]
        assert await check(settings) == 0
        await service._say_serving(False)
        service._servicer.ready = None
        service.refuse("loading")
        assert await check(settings) == 1
    assert capsys.readouterr().out.splitlines()[1] == "axon-inference: loading"


def test_it_imports_no_large_package() -> None:
    program = (
        "import sys; from axon_inference import __main__; sys.argv[1:] = ['healthcheck'];"
        "__main__.main(); print(*sys.modules)"
    )
    command = [sys.executable, "-c", program]
    env = {"PYTHONPATH": ":".join(sys.path), "AXON_GRPC_PORT": str(free_port())}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert "no answer" in done.stdout
    assert not {"torch", "numpy", "transformers"} & set(done.stdout.split())
