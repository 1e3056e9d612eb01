"""`make up`, `make up-gpu`: Axon in containers.

Beyond Compose: check the ports before the build, wait until Axon is ready, and explain failures.
"""

import json
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
    config = json.loads(_ask(*compose, "config", "--format", "json"))
    places = {
        VARIABLES[port["target"]]: (port.get("host_ip") or "0.0.0.0", int(port["published"]))
        for port in config["services"]["frontend"]["ports"]
    }
    if not _ask(*compose, "ps", "--quiet", "frontend").strip():
        for variable, (host, port) in places.items():
            require_free(host, {variable: port}, target)
    run_step("Building the images", [*compose, "--progress", "plain", "build"])
    run_step("Starting the services", [*compose, "up", "--detach", "--remove-orphans"])
    urls = {name: f"{reachable(host)}:{port}" for name, (host, port) in places.items()}
    page, grpc = (urls[name] for name in VARIABLES.values())
    _wait(compose, config["name"], f"http://{page}")
    say(f"\n  Axon is ready:  http://{page}\n")
    say(f"  gRPC: {grpc}    Logs: docker compose logs    Stop: make down\n")


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
        listed = _ask("docker", "ps", "--all", "--filter", ours, "--format", listing)
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
            log = _ask(*compose, "logs", "--no-log-prefix", "--tail", "5", name).splitlines()
            raise Problem(
                f"{trouble}. The containers are left as they are: read docker compose logs {name}, "
                "then stop them with make down. Its last lines:\n    " + "\n    ".join(log)
            )
        time.sleep(1)


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Problem(hint(str(error))) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"{' '.join(command)} failed"])[-1]
        raise Problem(hint(done.stderr) or last)
    return done.stdout
