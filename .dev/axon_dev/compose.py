"""`make up`, `make up-gpu`: Axon in containers.

Beyond Compose: check the ports before the build, wait until Axon is ready, and explain failures.
"""

import json
import os
import re
import subprocess
import time

from axon_dev.console import ROOT, Problem, hint, run_step, say
from axon_dev.run import reachable, require_free, why_not

#: Published ports of the containers, and the variables that set the host's ports.
VARIABLES = {8080: "AXON_PORT", 50051: "AXON_GRPC_PORT"}
#: Seconds for which services may be in trouble without any change before `make up` fails.
PATIENCE = 30.0


def up(file: str = "compose.yaml", target: str = "up") -> None:
    """Build and start Axon, by default on this machine's CPU, and return when it is ready."""
    compose = ["docker", "compose", "--file", str(ROOT / file)]
    config = json.loads(ask(*compose, "config", "--format", "json"))
    places = {
        VARIABLES[port["target"]]: (port.get("host_ip") or "0.0.0.0", int(port["published"]))
        for port in config["services"]["frontend"]["ports"]
    }
    if not ask(*compose, "ps", "--quiet", "frontend").strip():
        for variable, (host, port) in places.items():
            require_free(host, {variable: port}, target)
    if os.environ.get("AXON_REGISTRY") or "AXON_REGISTRY" in _kept():
        run_step("Downloading the images", [*compose, "pull", "--quiet"])
    else:
        run_step("Building the images", [*compose, "--progress", "plain", "build"])
    run_step("Starting the services", [*compose, "up", "--detach", "--remove-orphans"])
    urls = {name: f"{reachable(host)}:{port}" for name, (host, port) in places.items()}
    address, grpc = (urls[name] for name in VARIABLES.values())
    tls = "ssl" in config["services"]["frontend"].get("environment", {}).get("AXON_LISTEN", "")
    page = f"http{'s' if tls else ''}://{address}"
    _wait(compose, config["name"], page)
    say(f"\n  Axon is ready:  {page}\n")
    say(f"  gRPC: {grpc}    Logs: docker compose logs    Stop: make down\n")
    if lines := forgotten(file):
        say("  This holds until the next `docker compose up`. To keep it, write into .env:")
        say("".join(f"    {line}\n" for line in lines))


def forgotten(file: str) -> list[str]:
    """Lines that .env lacks: what of this choice a plain `docker compose up` does not know."""
    chosen = {name: os.environ.get(name, "") for name in ("AXON_MODEL", "AXON_SOURCES")}
    if file != "compose.yaml":
        chosen["COMPOSE_FILE"] = file
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


def up_gpu() -> None:
    """Build and start Axon on an NVIDIA GPU, and return when it is ready."""
    up("compose.gpu.yaml", "up-gpu")


def _wait(compose: list[str], project: str, page: str) -> None:
    """Return when the page can generate. Raises Problem when services stay in trouble.

    A service that is unhealthy because it downloads a large model still reports progress.
    """
    # `docker compose ps` prints other JSON in each of its versions.
    listing = '{{.Label "com.docker.compose.service"}} {{.State}} {{.Status}}'
    ours = f"label=com.docker.compose.project={project}"
    news, since = ("", ""), time.monotonic()
    while reason := why_not(page):
        if reason != news[1]:
            say(f"Waiting: {reason}")
        listed = ask("docker", "ps", "--all", "--filter", ours, "--format", listing)
        states = [line.split(" ", 2) for line in listed.splitlines()]
        troubled = " ".join(
            f"{name} is {'unhealthy' if state == 'running' else state};"
            for name, state, status in states
            if state != "running" or "(unhealthy)" in status
        )
        if not troubled or (troubled, reason) != news:
            news, since = (troubled, reason), time.monotonic()
        if time.monotonic() - since > PATIENCE:
            trouble, name = troubled.partition(";")[0], troubled.split()[0]
            log = ask(*compose, "logs", "--no-log-prefix", "--tail", "5", name).splitlines()
            raise Problem(
                f"{trouble}. The containers are left as they are: read docker compose logs {name}, "
                "then stop them with make down. Its last lines:\n    " + "\n    ".join(log)
            )
        time.sleep(1)


def ask(*command: str) -> str:
    """What a command prints. Problem, in one line, if it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Problem(hint(str(error))) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"{' '.join(command)} failed"])[-1]
        raise Problem(hint(done.stderr) or last)
    return done.stdout
