"""What both clients share: address, TLS, access token, options, the error for a missing server."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import grpc
import grpc.aio

from axon.errors import AxonError

#: Whether a server proves its name: not at all (False), by a certificate that the system trusts
#: (True), or by one that an authority in this PEM file has signed.
Tls: TypeAlias = "bool | str | os.PathLike[str]"
Options: TypeAlias = "Sequence[tuple[str, int | str]]"
Metadata: TypeAlias = "tuple[tuple[str, str | bytes], ...]"

DEFAULT_ADDRESS = "127.0.0.1:50051"

#: A dead peer is noticed within 30 s while a call runs. The interval stays above the 10 s that
#: Axon's server allows: a server answers pings that come too often by closing the connection.
CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # gRPC's own back-off grows to two minutes, which is long to wait for a restarted server.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A long prompt with many sources comes in one message, and may pass the default of 4 MiB.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


def credentials(tls: Tls) -> grpc.ChannelCredentials | None:
    """Which servers to believe; None without TLS. Raises AxonError for a file that is no PEM."""
    if tls is False:
        return None
    # gRPC brings a list of its own, which does not know what the system's owner has added.
    path = ssl.get_default_verify_paths().cafile if tls is True else tls
    if path is None:
        return grpc.ssl_channel_credentials()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        return grpc.ssl_channel_credentials(Path(path).read_bytes())
    except OSError as error:
        why = "no certificates in PEM format" if isinstance(error, ssl.SSLError) else error.strerror
        raise AxonError("INVALID_ARGUMENT", f"TLS authorities in {path}: {why}") from None


def authorization(token: str | None) -> Metadata:
    """The metadata that shows an access token. Raises AxonError for one that cannot be sent."""
    if not token:
        return ()
    if not (token.isascii() and token.isprintable()):
        raise AxonError("INVALID_ARGUMENT", "an access token has printable ASCII characters only")
    return (("authorization", f"Bearer {token}"),)


def aio_channel(
    address: str, secure: grpc.ChannelCredentials | None, options: Options = CHANNEL_OPTIONS
) -> grpc.aio.Channel:
    """A channel for asyncio, with TLS if there are credentials."""
    if secure is None:
        return grpc.aio.insecure_channel(address, options)
    return grpc.aio.secure_channel(address, secure, options)


def unreachable(address: str, seconds: float, secure: bool) -> AxonError:
    """The error after waiting `seconds` for a server at `address`, with TLS or without."""
    hint = "; does it use TLS, with a certificate for that name that is trusted here?"
    return AxonError(
        "UNAVAILABLE",
        f"no Axon server answered at {address} within {seconds:g} s{hint if secure else ''}",
    )
