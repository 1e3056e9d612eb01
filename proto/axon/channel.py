"""What both clients share: the address, the channel's options, the error for a missing server."""

from __future__ import annotations

from axon.errors import AxonError

DEFAULT_ADDRESS = "127.0.0.1:50051"

#: A dead peer is noticed within 30 s while a call runs. The interval stays above the 10 s that
#: Axon's server allows: a server answers pings that come too often by closing the connection.
CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # gRPC's own back-off grows to two minutes, which is long to wait for a restarted server.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A long prompt with many sources comes in one message, and may pass the default of 4 MiB.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


def unreachable(address: str, seconds: float) -> AxonError:
    """The error after waiting `seconds` for a server at `address`."""
    return AxonError("UNAVAILABLE", f"no Axon server answered at {address} within {seconds:g} s")
