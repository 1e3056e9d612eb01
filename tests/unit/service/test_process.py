"""Where a health check finds its service."""

from __future__ import annotations

import pytest
from axon_service.process import local_address


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "127.0.0.1:1"),
        ("::", "[::1]:1"),
        ("[::]", "[::1]:1"),
        ("::1", "[::1]:1"),
        ("10.0.0.7", "10.0.0.7:1"),
        ("axon.example", "axon.example:1"),
    ],
)
def test_the_address_of_a_service_on_this_machine(host: str, address: str) -> None:
    assert local_address(host, 1) == address
