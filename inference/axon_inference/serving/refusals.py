"""How a call is refused: a gRPC status, and google.rpc details that programs read."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from axon_inference.engine.events import Failed
from axon_inference.serving.fields import InvalidRequest

_RETRY_SECONDS = 2
# Clients take 8 KB of metadata, which carries an error's text percent-encoded.
_ERROR_BYTES = 1500
# Of many bad fields only the first are named, in about so many bytes.
_FIELDS_BYTES = 1500
# The domain of the reasons in google.rpc.ErrorInfo.
_DOMAIN = "axon"


async def refuse_fields(
    context: grpc.aio.ServicerContext[Any, Any], error: InvalidRequest
) -> NoReturn:
    """INVALID_ARGUMENT with each bad field, if they are not too many."""
    detail = error_details_pb2.BadRequest()
    for v in error.violations:
        if detail.ByteSize() > _FIELDS_BYTES:
            break
        detail.field_violations.add(field=v.field, description=v.description, reason=v.reason)
    await abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error), detail)


async def refuse_full(
    context: grpc.aio.ServicerContext[Any, Any],
    why: str = "every slot is taken and the queue is full",
) -> NoReturn:
    """RESOURCE_EXHAUSTED with the time after which to try again."""
    detail = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=_RETRY_SECONDS))
    text = f"{why}; try again in {_RETRY_SECONDS} s"
    await abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, text, detail)


async def refuse_failed(context: grpc.aio.ServicerContext[Any, Any], failed: Failed) -> NoReturn:
    """INTERNAL if this request alone failed, UNAVAILABLE if all fail."""
    if failed.engine_died:
        await abort(context, grpc.StatusCode.UNAVAILABLE, failed.message)
    detail = error_details_pb2.ErrorInfo(reason="REQUEST_FAILED", domain=_DOMAIN)
    await abort(context, grpc.StatusCode.INTERNAL, failed.message, detail)


async def abort(
    context: grpc.aio.ServicerContext[Any, Any],
    code: grpc.StatusCode,
    text: str,
    detail: Message | None = None,
) -> NoReturn:
    """End the call with google.rpc details, which clients read from the trailing metadata."""
    if len(whole := text.encode()) > _ERROR_BYTES:
        text = whole[:_ERROR_BYTES].decode(errors="ignore") + " ..."
    if detail is None:
        await context.abort(code, text)
    packed = AnyMessage()
    packed.Pack(detail)
    status = status_pb2.Status(code=code.value[0], message=text, details=[packed])
    trailer = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, text, trailer)
