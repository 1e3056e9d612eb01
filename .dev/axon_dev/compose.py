"""`make up`, `make up-gpu`, `make down`: Axon in containers.

Beyond Compose: check the ports first, wait until Axon is ready, and explain failures.
"""

import asyncio
import re
import time
from typing import Any

from axon_dev import engine, ports, ready
from axon_dev.console import Problem, say
from axon_dev.steps import StepFailed, run_step

CPU, GPU = "compose.yaml", "compose.gpu.yaml"
#: Published ports of the containers, and the variables that set the host's ports.
VARIABLES = {8080: "AXON_PORT", 50051: "AXON_GRPC_PORT"}
#: Seconds for which services may be in trouble without any change before `make up` fails.
PATIENCE = 30.0
#: Patterns in the engine's output when something outside Axon is missing, and what to do then.
HINTS = (
    (
        r"could not select device driver|unknown runtime.*nvidia|nvidia-container-cli",
        "Docker cannot give a container the GPU: install the NVIDIA driver and the NVIDIA "
        "container toolkit, then `nvidia-ctk runtime configure --runtime=docker`, and restart "
        "Docker.",
    ),
    (
        r"port is already allocated|address already in use",
        "A port is in use by another program: stop it, or set AXON_PORT or AXON_GRPC_PORT.",
    ),
    (r"no space left on device", "The disk is full: the images take about 4 GB, with CUDA 12."),
    (
        r"no match for platform|pull access denied|failed to resolve|lookup .* no such host",
        "An image cannot be downloaded: is this machine on a network, and are the image names in "
        ".env right?",
    ),
)


def up() -> int:
    """Build and start Axon on this machine's CPU, and return when it is ready."""
    return bring_up(CPU, "up")


def up_gpu() -> int:
    """Build and start Axon on an NVIDIA GPU, and return when it is ready."""
    return bring_up(GPU, "up-gpu")


def down() -> int:
    """Stop and remove the containers; their volumes stay."""
    engine.require()
    # The CPU's file has all services, and both files have the same project name.
    _step("Stopping Axon", CPU, "--profile", "*", "down", "--remove-orphans")
    say("Labels, rooms and models are kept (docker compose down --volumes removes them).")
    return 0


def bring_up(file: str, target: str) -> int:
    """Build, start and wait; `target` is the target of `make` that was called."""
    engine.require()
    places = published(engine.config(file))
    if not engine.ask(file, "ps", "--quiet", "frontend").strip():
        for variable, (host, port) in places.items():
            ports.require_free(host, {variable: port}, target)
    _step("Building the images", file, "--progress", "plain", "build", note=built)
    _step("Starting the services", file, "up", "--detach", "--remove-orphans")
    urls = {name: f"{_reachable(host)}:{port}" for name, (host, port) in places.items()}
    page = f"http://{urls['AXON_PORT']}"
    asyncio.run(wait(file, page))
    say(f"\n  Axon is ready:  {page}\n")
    say(f"  gRPC: {urls['AXON_GRPC_PORT']}    Logs: docker compose logs    Stop: make down\n")
    return 0


def published(config: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Address and port on this machine, by the variable that sets the port."""
    return {
        VARIABLES[port["target"]]: (port.get("host_ip") or "0.0.0.0", int(port["published"]))
        for port in config["services"]["frontend"]["ports"]
    }


async def wait(file: str, page: str) -> None:
    """Wait until the page at `page` can generate. Raises Problem when a service fails to start."""
    watching = asyncio.create_task(_watch(file, page))
    waiting = asyncio.create_task(ready.wait(page))
    done, rest = await asyncio.wait({watching, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    for task in done:
        task.result()


async def _watch(file: str, page: str) -> None:
    """Raise Problem once services have been in trouble for PATIENCE seconds; never returns."""
    told, since = "", time.monotonic()
    while True:
        await asyncio.sleep(3)
        containers = await asyncio.to_thread(engine.containers, file)
        troubled = [one for one in containers if in_trouble(one)]
        reason = await asyncio.to_thread(ready.why_not, page)
        news = f"{[one['Service'] for one in troubled]} {reason}"
        if news != told or not troubled:
            told, since = news, time.monotonic()
        if time.monotonic() - since > PATIENCE:
            raise Problem(_last_words(file, troubled[0]))


def in_trouble(container: dict[str, Any]) -> bool:
    """Whether a container has ended, keeps restarting, or is unhealthy."""
    return container["State"] != "running" or container.get("Health") == "unhealthy"


def _last_words(file: str, container: dict[str, Any]) -> str:
    name = container["Service"]
    state = container.get("Health") or container["State"]
    lines = engine.ask(file, "logs", "--no-log-prefix", "--tail", "5", name).splitlines()
    shown = "\n".join(f"    {line}" for line in lines)
    return (
        f"{name} is {state}. The containers are left as they are: read docker compose logs {name}, "
        f"then stop them with make down. Its last lines:\n{shown}"
    )


def built(line: str) -> str | None:
    """The step named in a line of BuildKit's plain progress; None if the line names none."""
    match = re.match(r"#\d+ \[(\S+) [^]]*\] (.*)", line)
    return f"{match[1]}: {match[2]}" if match else None


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host


def _step(title: str, file: str, *arguments: str, note: Any = lambda line: line) -> None:
    try:
        run_step(title, engine.compose(file, *arguments), note=note)
    except StepFailed as failure:
        raise Problem(explain(failure)) from None


def explain(failure: StepFailed) -> str:
    """The failure's text, with a line on what to do in front when the engine's output is known."""
    for pattern, hint in HINTS:
        if re.search(pattern, failure.output, re.IGNORECASE):
            return f"{hint}\n{failure}"
    return str(failure)
