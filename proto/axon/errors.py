"""`AxonError`, and how it is read off a gRPC status and its google.rpc details."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

_DETAILS_KEY = "grpc-status-details-bin"
#: Parts of gRPC's messages for a broken connection, under INTERNAL or UNKNOWN.
_BROKEN_STREAM = ("RST_STREAM", "Stream removed")


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a refused request."""

    #: Path in GenerateRequest, such as "sampling.temperature".
    field: str
    description: str
    #: Machine-readable cause such as "EMPTY_PROMPT"; "" where the server gives none.
    reason: str = ""


class AxonError(Exception):
    """A request that was refused or broke off.

    `code` is the name of the gRPC status ("INVALID_ARGUMENT", "UNAVAILABLE" ...). `violations` and
    `retry_after` (seconds) stay empty unless the google.rpc messages are installed
    (`pip install axon-client[details]`).
    """

    def __init__(
        self,
        code: str,
        message: str,
        violations: tuple[FieldViolation, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.violations = violations
        self.retry_after = retry_after


def from_call(error: grpc.RpcError) -> AxonError:
    """The error of a failed call, blocking or asyncio, from its status and trailing metadata.

    A connection that broke is UNAVAILABLE.
    """
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return AxonError("UNKNOWN", str(error))
    code = error.code().name
    message = error.details() or code.lower()
    if code in ("INTERNAL", "UNKNOWN") and any(sign in message for sign in _BROKEN_STREAM):
        code = "UNAVAILABLE"
    violations, retry_after = _read_details(error.trailing_metadata() or ())
    return AxonError(code, message, violations, retry_after)


def _read_details(
    trailers: Iterable[Any],
) -> tuple[tuple[FieldViolation, ...], float | None]:
    """The field violations and the retry delay in seconds, as far as they can be read."""
    packed = dict(trailers).get(_DETAILS_KEY)
    if not isinstance(packed, bytes):
        return (), None
    try:
        from google.protobuf.message import DecodeError
        from google.rpc import error_details_pb2, status_pb2
    except ImportError:
        return (), None
    violations: list[FieldViolation] = []
    retry_after = None
    bad_request, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    try:
        for detail in status_pb2.Status.FromString(packed).details:
            if detail.Unpack(bad_request):
                violations += [
                    FieldViolation(bad.field, bad.description, bad.reason)
                    for bad in bad_request.field_violations
                ]
            elif detail.Unpack(retry):
                retry_after = retry.retry_delay.ToMilliseconds() / 1000
    except DecodeError:
        # Details are an extra: a damaged one must not hide the status itself.
        return (), None
    return tuple(violations), retry_after
