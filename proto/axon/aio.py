"""`AsyncClient`: the same as `axon.client`, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, Unpack

import grpc
import grpc.aio

from axon import messages
from axon.channel import CHANNEL_OPTIONS, DEFAULT_ADDRESS, unreachable
from axon.errors import AxonError, from_rpc
from axon.messages import Knobs
from axon.types import Event, Feature, Model, Started
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs


class AsyncGeneration(AsyncIterator[Event]):
    """The events of one generation; `async for`, `cancel()`, or `async with`."""

    def __init__(self, client: AsyncClient, request: pb.GenerateRequest, timeout: float | None):
        self._client = client
        self._request = request
        self._timeout = timeout
        self._call: grpc.aio.UnaryStreamCall[pb.GenerateRequest, pb.GenerateResponse] | None = None
        self._sources: tuple[str, ...] = ()
        self._cancelled = False

    async def __anext__(self) -> Event:
        """The next event; the iteration ends after `cancel()`, AxonError on failure."""
        while not self._cancelled:
            response = await self._read()
            if response is None:
                break
            event = messages.event(response, self._sources)
            if isinstance(event, Started):
                self._sources = event.sources
            if event is not None:
                return event
        raise StopAsyncIteration

    async def _read(self) -> pb.GenerateResponse | None:
        """The next message, None at the end of the stream and after `cancel()`."""
        if self._call is None:
            self._call = await self._client._start(self._request, self._timeout)
        try:
            response = await self._call.read()
        except asyncio.CancelledError:
            # gRPC reports a cancelled call as a cancelled task. Only the latter may travel on.
            if self._cancelled:
                return None
            self._call.cancel()
            raise
        except grpc.aio.AioRpcError as error:
            if self._cancelled:
                return None
            raise _error(error) from None
        return response if isinstance(response, pb.GenerateResponse) else None

    def cancel(self) -> None:
        """Ends the generation; the iteration stops without an error."""
        self._cancelled = True
        if self._call is not None:
            self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()


class AsyncClient:
    """The same as `Client` for asyncio; create it inside a running event loop."""

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        connect_timeout: float = 10.0,
    ) -> None:
        self.address = address
        self._connect_timeout = connect_timeout
        self._channel = (
            grpc.aio.secure_channel(address, credentials, CHANNEL_OPTIONS)
            if credentials
            else grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)
        )
        self._stub = stubs.InferenceServiceStub(self._channel)

    def generate(
        self, prompt: str, *, timeout: float | None = None, **knobs: Unpack[Knobs]
    ) -> AsyncGeneration:
        """Continues `prompt`; `timeout` in seconds covers queueing and generating.

        Raises AxonError here for a knob that cannot be sent at all; while iterating if no server
        answers, the request is refused or the stream breaks off.
        """
        return AsyncGeneration(self, messages.generate_request(prompt, knobs), timeout)

    # The timeout travels to the server as the call's deadline; asyncio.timeout would not.
    async def model(self, *, timeout: float | None = 10.0) -> Model:  # noqa: ASYNC109
        """What the server serves, its limits, defaults and present load."""
        await self._connect()
        try:
            response = await self._stub.GetModel(pb.GetModelRequest(), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise _error(error) from None
        return messages.model(response)

    async def feature(
        self,
        source: str,
        index: int,
        *,
        limit: int | None = None,
        timeout: float | None = 10.0,  # noqa: ASYNC109
    ) -> Feature:
        """What one feature's weights say; see `Client.feature`."""
        request = messages.feature_request(source, index, limit)
        await self._connect()
        try:
            response = await self._stub.GetFeature(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise _error(error) from None
        return messages.feature(response)

    async def close(self) -> None:
        """Closes the connection and with it every generation still running."""
        await self._channel.close(None)

    async def _start(
        self, request: pb.GenerateRequest, deadline: float | None
    ) -> grpc.aio.UnaryStreamCall[pb.GenerateRequest, pb.GenerateResponse]:
        await self._connect()
        return self._stub.Generate(request, timeout=deadline, wait_for_ready=True)

    async def _connect(self) -> None:
        try:
            await asyncio.wait_for(self._channel.channel_ready(), self._connect_timeout)
        except TimeoutError:
            raise unreachable(self.address, self._connect_timeout) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _error(error: grpc.aio.AioRpcError) -> AxonError:
    return from_rpc(error.code(), error.details(), error.trailing_metadata())
