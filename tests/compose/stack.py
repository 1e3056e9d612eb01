"""Axon in containers, started by `docker compose` under a separate project name."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from ..ports import free_port

ROOT = Path(__file__).resolve().parents[2]
#: Seconds to load torch, SAELens and the model on a busy machine.
START_SECONDS = 240.0

Frame = dict[str, Any]


def docker(*arguments: str, check: bool = True, seconds: float = 120) -> str:
    """The output of a docker command."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0 or not check, f"docker {arguments}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Stack:
    """A Compose project on free ports; `variables` are added to its environment."""

    def __init__(self, project: str, **variables: str) -> None:
        self.project = project
        self.port, self.grpc_port = free_port(), free_port()
        self.variables = {
            "COMPOSE_PROJECT_NAME": project,
            "AXON_TAG": "test",
            "AXON_HOST": "127.0.0.1",
            "AXON_PORT": str(self.port),
            "AXON_GRPC_PORT": str(self.grpc_port),
            **variables,
        }
        self.files: list[Path] = [ROOT / "compose.yaml"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, **self.variables}

    def compose(
        self, *arguments: str, check: bool = True, seconds: float = 900
    ) -> subprocess.CompletedProcess[str]:
        files = [part for file in self.files for part in ("--file", str(file))]
        done = subprocess.run(
            ["docker", "compose", *files, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done

    def up(self, *arguments: str) -> None:
        self.compose("up", "--detach", *arguments)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's running containers."""
        return self.compose("ps", "--quiet", service).stdout.split()

    def inspect(self, service: str) -> dict[str, Any]:
        """The output of `docker inspect` for a service's first container, running or ended."""
        ids = self.compose("ps", "--all", "--quiet", service).stdout.split()
        found: dict[str, Any] = json.loads(docker("inspect", ids[0]))[0]
        return found

    def health(self, service: str) -> str:
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def logs(self, service: str) -> str:
        return self.compose("logs", "--no-log-prefix", service).stdout

    def wait_until(self, what: str, true: Any, seconds: float = START_SECONDS) -> None:
        """Waits until `true()`; raises TimeoutError with the logs after `seconds`."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                logs = self.compose("logs", "--tail", "15").stdout
                raise TimeoutError(f"{what}: not within {seconds:g} s\n{logs}")
            time.sleep(0.5)

    async def ready(self, seconds: float = START_SECONDS) -> None:
        """Waits until /readyz answers 200."""
        reason: object = None
        try:
            async with asyncio.timeout(seconds), aiohttp.ClientSession() as http:
                while True:
                    try:
                        async with http.get(f"{self.url}/readyz") as answer:
                            if answer.status == 200:
                                return
                            reason = await answer.text()
                    except aiohttp.ClientError as error:
                        reason = error
                    await asyncio.sleep(0.5)
        except TimeoutError:
            logs = self.compose("logs", "--tail", "15").stdout
            raise TimeoutError(f"not ready within {seconds:g} s: {reason}\n{logs}") from None

    def kill_process(self, container: str, program: str) -> None:
        """Kills a container's process from inside, as a crash would; Docker then restarts it."""
        find = (
            "for p in /proc/[0-9]*; do "
            f'case "$(tr "\\0" " " <$p/cmdline 2>/dev/null)" in *docker-init*|*tini*|*"sh -c"*) ;; '
            f'*"{program}"*) kill -9 "${{p#/proc/}}";; esac; done'
        )
        docker("exec", container, "sh", "-c", find, check=False)


async def receive(socket: aiohttp.ClientWebSocketResponse, seconds: float = 60) -> list[Frame]:
    """The frames of one message."""
    frame: Frame = json.loads(await socket.receive_str(timeout=seconds))
    return list(frame["frames"]) if frame["type"] == "batch" else [frame]


async def until(
    socket: aiohttp.ClientWebSocketResponse, type_: str, seconds: float = 60
) -> list[Frame]:
    """All frames up to the first of a type."""
    frames: list[Frame] = []
    async with asyncio.timeout(seconds):
        while not any(frame["type"] == type_ for frame in frames):
            frames += await receive(socket, seconds)
    return frames


def text(frames: list[Frame]) -> str:
    """The generated text in these frames."""
    return "".join(frame["token"] for frame in frames if frame["type"] == "token")
