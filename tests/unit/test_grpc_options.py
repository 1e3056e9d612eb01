"""The names of our gRPC options exist; gRPC silently ignores unknown ones."""

from __future__ import annotations

from pathlib import Path

import grpc._cython.cygrpc
import pytest
from axon.channel import CHANNEL_OPTIONS
from axon_gateway.backends import upstream
from axon_inference.serving import service

OPTIONS = {*CHANNEL_OPTIONS, *upstream._BALANCED, *service._OPTIONS}
LIBRARY = Path(grpc._cython.cygrpc.__file__).read_bytes()


@pytest.mark.parametrize("name", sorted({name for name, _ in OPTIONS}))
def test_each_option_is_known_to_grpc(name: str) -> None:
    known = f"{name}\0".encode() in LIBRARY
    assert known
