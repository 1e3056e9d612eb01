"""`make up`, `make up-gpu`, `make down`: Axon in containers.

Beyond Compose: check the ports first, wait until Axon is ready, and explain failures.
"""

import json
import os
import re
import shutil
import subprocess
import time
from typing import Any

from axon_dev.console import ROOT, Problem, run_step, say
from axon_dev.run import reachable, require_free, why_not

CPU, GPU = "compose.yaml", "compose.gpu.yaml"
OLDEST = (2, 20)  # the first Compose with `include`, which compose.gpu.yaml uses
INSTALL = "install Docker Engine with its Compose plugin (on Debian docker.io and docker-compose)"
#: Published ports of the containers, and the variables that set the host's ports.
VARIABLES = {8080: "AXON_PORT", 50051: "AXON_GRPC_PORT"}
#: Seconds for which services may be in trouble without any change before `make up` fails.
PATIENCE = 30.0


def up() -> None:
    """Build and start Axon on this machine's CPU, and return when it is ready."""
    _bring_up(CPU, "up")


def up_gpu() -> None:
    """Build and start Axon on an NVIDIA GPU, and return when it is ready."""
    _bring_up(GPU, "up-gpu")


def down() -> None:
    """Stop and remove the containers; their volumes stay."""
    require_engine()
    # The CPU's file has all services, and both files have the same project name.
    run_step("Stopping Axon", _command(CPU, "--profile", "*", "down", "--remove-orphans"))
    say("Labels, rooms and models are kept (docker compose down --volumes removes them).")


def _bring_up(file: str, target: str) -> None:
    require_engine()
    config = json.loads(_ask(file, "config", "--format", "json"))
    places = {
        VARIABLES[port["target"]]: (port.get("host_ip") or "0.0.0.0", int(port["published"]))
        for port in config["services"]["frontend"]["ports"]
    }
    if not _ask(file, "ps", "--quiet", "frontend").strip():
        for variable, (host, port) in places.items():
            require_free(host, {variable: port}, target)
    if os.environ.get("AXON_REGISTRY") or "AXON_REGISTRY" in _kept():
        run_step("Downloading the images", _command(file, "pull", "--quiet"))
    else:
        run_step("Building the images", _command(file, "--progress", "plain", "build"))
    run_step("Starting the services", _command(file, "up", "--detach", "--remove-orphans"))
    urls = {name: f"{reachable(host)}:{port}" for name, (host, port) in places.items()}
    tls = "ssl" in config["services"]["frontend"].get("environment", {}).get("AXON_LISTEN", "")
    page = f"http{'s' if tls else ''}://{urls['AXON_PORT']}"
    _wait(file, page)
    say(f"\n  Axon is ready:  {page}\n")
    say(f"  gRPC: {urls['AXON_GRPC_PORT']}    Logs: docker compose logs    Stop: make down\n")
    if lines := forgotten(file):
        say("  This holds until the next `docker compose up`. To keep it, write into .env:")
        say("".join(f"    {line}\n" for line in lines))


def forgotten(file: str) -> list[str]:
    """Lines that .env lacks: what of this choice a plain `docker compose up` does not know."""
    chosen = {name: os.environ.get(name, "") for name in ("AXON_MODEL", "AXON_SOURCES")}
    if file == GPU:
        chosen["COMPOSE_FILE"] = GPU
    kept = _kept()
    return [
        f"{name}={value}" for name, value in chosen.items() if value not in ("", kept.get(name))
    ]


def _kept() -> dict[str, str]:
    """What .env sets."""
    try:
        text = (ROOT / ".env").read_text()
    except OSError:
        return {}
    return dict(re.findall(r"^\s*(\w+)=['\"]?(.+?)['\"]?\s*$", text, re.MULTILINE))


def _wait(file: str, page: str) -> None:
    """Return when the page can generate. Raises Problem when services stay in trouble.

    A service that is unhealthy because it downloads a large model still reports progress.
    """
    news, since = ("", ""), time.monotonic()
    while reason := why_not(page):
        troubled = [
            f"{one['Service']} is {one.get('Health') or one['State']}"
            for one in _containers(file)
            if one["State"] != "running" or one.get("Health") == "unhealthy"
        ]
        if reason != news[1]:
            say(f"Waiting: {reason}")
        if (current := (" ".join(troubled), reason)) != news or not troubled:
            news, since = current, time.monotonic()
        if time.monotonic() - since > PATIENCE:
            name = troubled[0].partition(" ")[0]
            lines = _ask(file, "logs", "--no-log-prefix", "--tail", "5", name).splitlines()
            raise Problem(
                f"{troubled[0]}. The containers are left as they are: read "
                f"docker compose logs {name}, then stop them with make down. Its last lines:\n"
                + "\n".join(f"    {line}" for line in lines)
            )
        time.sleep(1)


def _containers(file: str) -> list[dict[str, Any]]:
    # Newer versions of Compose print one object a line, older ones an array.
    text = _ask(file, "ps", "--all", "--format", "json").strip()
    array = text if text.startswith("[") else f"[{','.join(text.splitlines())}]"
    found: list[dict[str, Any]] = json.loads(array)
    return found


def why_no_engine() -> str | None:
    """One line that says why no Docker Engine can be used; None when one can."""
    if shutil.which("docker") is None:
        return f"There is no docker on PATH: {INSTALL}."
    engine = _docker("version", "--format", "{{.Server.Version}}")
    if engine.returncode != 0:
        if "permission denied" in engine.stderr.lower():
            return "This user may not use Docker's socket: add the user to the group docker."
        return "No Docker Engine answers: start it (systemctl start docker), or " + INSTALL + "."
    version = _docker("compose", "version", "--short").stdout.strip()
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST:
        least = ".".join(map(str, OLDEST))
        return f"Docker Compose {least} or newer is needed, not {version or 'none'}: {INSTALL}."
    return None


def require_engine() -> None:
    """Raise Problem unless an engine can be used."""
    if reason := why_no_engine():
        raise Problem(reason)


def _command(file: str, *arguments: str) -> list[str]:
    return ["docker", "compose", "--file", str(ROOT / file), *arguments]


def _ask(file: str, *arguments: str) -> str:
    done = subprocess.run(_command(file, *arguments), cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem((done.stderr.strip().splitlines() or [f"{file} cannot be used"])[-1])
    return done.stdout


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(arguments, 1, "", "no answer within 30 s")
