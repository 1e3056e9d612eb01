"""`python -m axon_inference healthcheck`: checks whether the service of these settings serves.

It runs every few seconds, so it imports neither torch nor the service.
"""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import grpc
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as pb_grpc
from axon_service.process import local_address
from grpc_health.v1 import health_pb2, health_pb2_grpc

from axon_inference.config import Settings

#: How the service ends what it answers while it loads.
LOADING = "; try again in a moment"
_SECONDS = 5.0
_PAUSE = 1.0


def main(settings: Settings, *, wait: bool = False) -> int:
    """Print the service's state in one line; the exit code is 0 if it serves, otherwise 1.

    With `wait` it returns only once loading has ended, well or not. As long as such a check runs,
    Docker calls the container neither healthy nor unhealthy.
    """
    address = local_address(settings.host, settings.port)
    while True:
        try:
            serves, line = _ask(address, settings)
        except (OSError, grpc.RpcError) as error:
            serves, line = False, f"no answer from {address}: {_why(error)}"
        if not (wait and line.endswith(LOADING)):
            print(f"axon-inference: {line}")
            return 0 if serves else 1
        time.sleep(_PAUSE)


def _ask(address: str, settings: Settings) -> tuple[bool, str]:
    with _channel(address, settings.tls_cert) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return True, "serving"
        return False, _reason(channel, settings)


def _reason(channel: grpc.Channel, settings: Settings) -> str:
    """Why the service does not serve, by its own answer."""
    metadata = tuple(("authorization", f"Bearer {token}") for token in settings.tokens[:1])
    try:
        stub = pb_grpc.InferenceServiceStub(channel)
        stub.GetModel(pb.GetModelRequest(), timeout=_SECONDS, metadata=metadata)
    except grpc.RpcError as error:
        return _why(error)
    return f"about to serve{LOADING}"


def _why(error: Exception) -> str:
    details = str(error.details() if isinstance(error, grpc.Call) else error)
    # gRPC lists every address it has tried, in its own notation.
    return details.rpartition(": ")[2] if "failed to connect" in details else details


def _channel(address: str, cert: Path | None) -> grpc.Channel:
    if cert is None:
        return grpc.insecure_channel(address)
    # It is our own server, so trust its own certificate, whatever name that is for.
    trust = grpc.ssl_channel_credentials(cert.read_bytes())
    options = (("grpc.ssl_target_name_override", _name(address, cert)),)
    return grpc.secure_channel(address, trust, options)


def _name(address: str, cert: Path) -> str:
    """A name that the server's certificate is for."""
    context = ssl.create_default_context(cafile=str(cert))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS) as plain,
        context.wrap_socket(plain) as secure,
    ):
        found: dict[str, Any] = secure.getpeercert() or {}
    names = [name for _, name in found.get("subjectAltName", ())]
    # gRPC needs a name to compare with the certificate, and takes no pattern.
    return names[0].replace("*", "axon") if names else host
