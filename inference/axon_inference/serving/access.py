"""Access to the service: access tokens, and TLS."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from axon.v1 import inference_pb2 as pb
from axon_service.settings import SettingsError

from axon_inference.config import Settings

_NAME = pb.DESCRIPTOR.services_by_name["InferenceService"].full_name

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]]"


def credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """The server's TLS credentials; None if it does without TLS.

    Raises:
        SettingsError: the files are missing or are not a certificate and its key.
    """
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SettingsError("AXON_GRPC_TLS_CERT and AXON_GRPC_TLS_KEY go together: set both")
    pair = _read("AXON_GRPC_TLS_KEY", key), _read("AXON_GRPC_TLS_CERT", cert)
    # gRPC would take any files, and fail every handshake.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or str(error)
        raise SettingsError(
            f"AXON_GRPC_TLS_CERT={cert} and AXON_GRPC_TLS_KEY={key} are not a certificate and its "
            f"unencrypted key in PEM format ({why})"
        ) from error
    return grpc.ssl_server_credentials([pair])


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Refuses calls without one of `tokens`; health and reflection are open to all."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._accepted = [f"Bearer {token}".encode() for token in tokens]

    async def intercept_service(
        self, continuation: _Continuation, details: grpc.HandlerCallDetails
    ) -> _Handler:
        """The handler of a call, or one that refuses it."""
        handler = await continuation(details)
        # None means that there is no such method.
        if handler is None or not details.method.startswith(f"/{_NAME}/"):
            return handler
        given = dict(details.invocation_metadata).get("authorization", "")
        if self._accepts(given):
            return handler
        refuse = _refusing("another one came" if given else "none came")
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(refuse)
        return grpc.unary_unary_rpc_method_handler(refuse)

    def _accepts(self, given: str | bytes) -> bool:
        text = given.encode() if isinstance(given, str) else given
        # Compares with all of them, so that the time it takes tells nothing.
        return sum(hmac.compare_digest(text, one) for one in self._accepted) > 0


def _refusing(why: str) -> Any:
    async def refuse(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(
            grpc.StatusCode.UNAUTHENTICATED,
            "this server wants one of its access tokens (AXON_GRPC_TOKENS) as metadata "
            f"`authorization: Bearer TOKEN`; {why}",
        )

    return refuse


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{variable}={path} cannot be read: {error.strerror}") from error


def _no_password() -> str:
    """Instead of asking at the terminal."""
    return ""
