"""How a call ends that its caller has left, before gRPC says that it has."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from axon_inference.serving.failsafe import FailsafeInterceptor
from grpc._cython import cygrpc


class Left:
    """The context of a call whose connection is gone, though nobody has noticed yet."""

    def done(self) -> bool:
        return False

    async def send(self, *_: Any) -> None:
        raise cygrpc.ExecuteBatchError("Failed execute_batch")

    send_initial_metadata = write = abort = send


async def writes(request: Any, context: Any) -> Any:
    yield b"a message"


async def sends_metadata(request: Any, context: Any) -> Any:
    await context.send_initial_metadata(())
    yield b"a message"


async def aborts(request: Any, context: Any) -> Any:
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


async def fails(request: Any, context: Any) -> Any:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("serve", [writes, sends_metadata, aborts])
async def test_a_call_that_nobody_hears_ends_without_a_word(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(asyncio.CancelledError):
        await (await guarded(serve))(b"", Left())
    assert not caplog.records


async def test_a_fault_is_logged_though_nobody_hears_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(asyncio.CancelledError):
        await (await guarded(fails))(b"", Left())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "a fault of ours" in caplog.records[0].message


async def guarded(serve: Any) -> Any:
    """The method that runs in place of `serve`."""
    streams = serve in (writes, sends_metadata)
    make: Any = (
        grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
    )

    async def continuation(details: Any) -> Any:
        return make(serve)

    details: Any = SimpleNamespace(method="/a.Service/Method")
    handler: Any = await FailsafeInterceptor().intercept_service(continuation, details)
    return handler.unary_stream or handler.unary_unary
