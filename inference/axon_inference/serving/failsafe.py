"""Answers malformed requests and unforeseen exceptions, for every method.

gRPC alone would answer UNKNOWN and log a traceback each time, as often as a caller likes.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from axon_service.logs import Causes, describe

_log = logging.getLogger(__name__)

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True)
class _Malformed:
    """Stands for a request whose bytes are not a message of its type."""

    why: str


class FailsafeInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Malformed requests end in INVALID_ARGUMENT, exceptions in INTERNAL, with one line each.

    Put it before all others. Calls that those refuse pass through it unchanged.
    """

    def __init__(self) -> None:
        self._causes = Causes(_log)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """The handler of a call, guarded."""
        handler = await continuation(details)
        # None means that there is no such method.
        return handler and _Guard(details.method, self._causes).around(handler)


class _Guard:
    """Goes around the handlers of one method."""

    def __init__(self, method: str, causes: Causes) -> None:
        self._method = method
        self._causes = causes

    def around(self, handler: _Handler) -> _Handler:
        given: Any = handler
        kind = ("stream" if given.request_streaming else "unary") + (
            "_stream" if given.response_streaming else "_unary"
        )
        serve = getattr(given, kind)
        wrap = self._written if inspect.isasyncgenfunction(serve) else self._returned
        make: Callable[..., _Handler] = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(
            wrap(serve),
            request_deserializer=_parsing(given.request_deserializer),
            response_serializer=given.response_serializer,
        )

    def _returned(self, serve: Any) -> Any:
        async def guarded(request: Any, context: _Context) -> Any:
            try:
                return await serve(await self._checked(request, context), context)
            except Exception as error:
                await self._end(error, context)

        return guarded

    def _written(self, serve: Any) -> Any:
        # Written here and not yielded to gRPC, so that a write that fails is seen here, too.
        async def guarded(request: Any, context: _Context) -> None:
            try:
                # Closed as soon as the caller leaves, not at some later garbage collection.
                async with aclosing(serve(await self._checked(request, context), context)) as all_:
                    async for response in all_:
                        await context.write(response)
            except Exception as error:
                await self._end(error, context)

        return guarded

    async def _checked(self, request: Any, context: _Context) -> Any:
        """The request or, of a stream of them, each; a malformed one ends the call."""
        if hasattr(request, "__aiter__"):
            return self._each(request, context)
        if isinstance(request, _Malformed):
            _log.warning("%s: %s", self._method, request.why)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, request.why)
        return request

    async def _each(self, requests: AsyncIterator[Any], context: _Context) -> AsyncIterator[Any]:
        async for request in requests:
            yield await self._checked(request, context)

    async def _end(self, error: Exception, context: _Context) -> None:
        """End a call that raised, unless it has ended."""
        if isinstance(error, grpc.aio.InternalError):
            # gRPC could not send: the caller has left, and `context.done()` may not say so yet.
            raise asyncio.CancelledError from error
        if isinstance(error, grpc.aio.AbortError) or context.done():
            raise error
        if not self._causes.note(f"{self._method} failed", error):
            _log.error("%s failed: %s", self._method, describe(error))
        try:
            await context.abort(grpc.StatusCode.INTERNAL, f"the server failed ({describe(error)})")
        except grpc.aio.InternalError as unsent:
            raise asyncio.CancelledError from unsent


def _parsing(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    if deserialize is None:
        return None

    def parse(raw: bytes) -> Any:
        try:
            return deserialize(raw)
        except Exception as error:
            return _Malformed(
                f"the request cannot be read ({describe(error)}): was it made by a client of "
                "another version of axon.v1?"
            )

    return parse
