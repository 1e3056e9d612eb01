"""What a container may do, and which ports can be reached."""

from __future__ import annotations

import json
import re

import pytest

from .stack import Stack, docker

pytestmark = pytest.mark.timeout(600)

SERVICES = ("frontend", "gateway", "inference", "redis")
#: The ports on which each service listens; 9464 is for Prometheus and is not published.
LISTENS = {
    "frontend": {8080, 50051},
    "gateway": {8000},
    "inference": {50051, 9464},
    "redis": {6379},
}


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_runs_as_root_or_can_become_root(stack: Stack, service: str) -> None:
    (container,) = stack.containers(service)
    script = "cat /proc/[0-9]*/status 2>/dev/null"
    text = docker("exec", container, "sh", "-c", script)
    users = {line.split()[1] for line in text.splitlines() if line.startswith("Uid:")}
    assert users
    assert "0" not in users
    assert set(re.findall(r"^Cap(?:Prm|Eff|Bnd):\s*(\w+)", text, re.MULTILINE)) == {"0" * 16}
    assert set(re.findall(r"^NoNewPrivs:\s*(\d)", text, re.MULTILINE)) == {"1"}


@pytest.mark.parametrize("service", SERVICES)
def test_the_file_system_is_read_only_and_resources_are_limited(stack: Stack, service: str) -> None:
    (container,) = stack.containers(service)
    assert "denied" not in docker("exec", container, "sh", "-c", "ls /")
    tried = docker("exec", container, "sh", "-c", "touch /etc/x 2>&1 || true")
    assert "Read-only" in tried
    host = json.loads(docker("inspect", container))[0]["HostConfig"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0 or service == "inference"
    assert host["PidsLimit"] > 0
    assert host["Init"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"]["Config"].keys() == {"max-size", "max-file"}
    assert stack.health(service) in ("healthy", "starting")


@pytest.mark.parametrize("service", SERVICES)
def test_services_listen_on_their_own_ports_only(stack: Stack, service: str) -> None:
    (container,) = stack.containers(service)
    table = docker("exec", container, "sh", "-c", "cat /proc/net/tcp /proc/net/tcp6")
    found = set()
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == "0A":  # listening
            address, port = fields[1].split(":")
            # Skip loopback: other containers cannot reach it. Docker's resolver is on 127.0.0.11.
            if not address.endswith("7F"):
                found.add(int(port, 16))
    assert found == LISTENS[service]


def test_two_ports_are_published_and_grpc_only_on_this_machine(stack: Stack) -> None:
    published = {
        service: stack.inspect(service)["NetworkSettings"]["Ports"] for service in SERVICES
    }
    places = {
        (service, place["HostIp"], int(place["HostPort"]))
        for service, ports in published.items()
        for bound in ports.values()
        for place in bound or ()
    }
    assert places == {
        ("frontend", "127.0.0.1", stack.port),  # the test's own AXON_HOST
        ("frontend", "127.0.0.1", stack.grpc_port),
    }


def test_redis_reaches_nothing_and_only_gateways_reach_it(stack: Stack) -> None:
    probe = (
        "import socket\n"
        "try: socket.create_connection(('redis', 6379), 3); print('reached')\n"
        "except OSError: print('unreachable')"
    )

    def redis_from(service: str) -> str:
        (container,) = stack.containers(service)
        return docker("exec", container, "python", "-c", probe).strip()

    assert redis_from("gateway") == "reached"
    assert redis_from("inference") == "unreachable"
    network = json.loads(docker("network", "inspect", f"{stack.project}_data"))[0]
    assert network["Internal"]
