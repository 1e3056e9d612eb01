"""gRPC ignores an option that it does not know, without a word."""

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
def test_each_option_is_one_that_grpc_knows(name: str) -> None:
    known = f"{name}\0".encode() in LIBRARY
    assert known
