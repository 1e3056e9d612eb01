import socket
from collections.abc import Iterator

import pytest
from axon_dev import ports
from axon_dev.console import Problem

from tests.ports import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that a server listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_free_ports_pass() -> None:
    ports.require_free("127.0.0.1", {"AXON_PORT": free_port(), "AXON_GRPC_PORT": free_port()})


def test_a_taken_port_is_named_with_the_variable_to_set(taken: int) -> None:
    with pytest.raises(Problem) as problem:
        ports.require_free("127.0.0.1", {"AXON_PORT": free_port(), "AXON_GRPC_PORT": taken})
    text = str(problem.value)
    assert text.startswith(f"Port {taken} on 127.0.0.1 is in use.")
    assert "make run AXON_GRPC_PORT=" in text
    assert "\n" not in text


def test_a_port_shared_by_so_reuseport_counts_as_taken() -> None:
    """gRPC servers use SO_REUSEPORT, so a second one would silently get half of the callers."""
    server = socket.create_server(("127.0.0.1", 0), reuse_port=True)
    with server, pytest.raises(Problem, match="is in use"):
        ports.require_free("127.0.0.1", {"AXON_GRPC_PORT": server.getsockname()[1]})


def test_a_port_taken_on_all_addresses_is_taken_here() -> None:
    with socket.create_server(("", 0)) as server, pytest.raises(Problem, match="is in use"):
        ports.require_free("127.0.0.1", {"AXON_PORT": server.getsockname()[1]})


def test_a_port_whose_last_connection_is_closing_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # closes first, so that its port stays in TIME_WAIT
    ports.require_free("127.0.0.1", {"AXON_PORT": port})


def test_two_equal_ports_are_refused() -> None:
    with pytest.raises(Problem, match="AXON_PORT and AXON_GRPC_PORT must differ; both are 8000"):
        ports.require_free("127.0.0.1", {"AXON_PORT": 8000, "AXON_GRPC_PORT": 8000})


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_foreign_address_is_named(host: str) -> None:
    with pytest.raises(Problem, match=f"AXON_HOST={host} is not an address of this machine"):
        ports.require_free(host, {"AXON_PORT": free_port()})


def test_a_port_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ports.from_environment("AXON_PORT", 8000) == 8000
    monkeypatch.setenv("AXON_PORT", "")
    assert ports.from_environment("AXON_PORT", 8000) == 8000
    monkeypatch.setenv("AXON_PORT", "8080")
    assert ports.from_environment("AXON_PORT", 8000) == 8080


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "80.5", "٨٠"])
def test_an_invalid_port_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXON_PORT", text)
    with pytest.raises(Problem, match=f"AXON_PORT={text} is not a port"):
        ports.from_environment("AXON_PORT", 8000)
