"""`AsyncClient`: the same as `axon.client`, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias, Unpack

import grpc
import grpc.aio

from axon import channel, messages, requests
from axon.channel import DEFAULT_ADDRESS, Tls, authorization, unreachable
from axon.edits import Edit
from axon.errors import AxonError, from_call
from axon.feature_map import Collector, FeatureMap, MapProgress
from axon.requests import Knobs
from axon.stream import Stream, collect, complete
from axon.types import Event, ExplainProgress, Explanation, Feature, Model, Result
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs

_Call: TypeAlias = "grpc.aio.UnaryStreamCall[pb.GenerateRequest, pb.GenerateResponse]"


class AsyncGeneration(Stream, AsyncIterator[Event], AbstractAsyncContextManager["AsyncGeneration"]):
    """The events of one generation; `async for`, `cancel()`, or `async with`."""

    def __init__(
        self, client: AsyncClient, request: pb.GenerateRequest, timeout: float | None
    ) -> None:
        super().__init__(request)
        self._client = client
        self._request = request
        self._timeout = timeout
        self._call: _Call | None = None

    async def __anext__(self) -> Event:
        """The next event; the iteration ends after `cancel()`, AxonError on failure."""
        while not self._cancelled and (response := await self._read()) is not None:
            if (event := self._event(response)) is not None:
                return event
        raise StopAsyncIteration

    async def _read(self) -> pb.GenerateResponse | None:
        """The next message, None at the end of the stream and after `cancel()`."""
        call = self._call or await self._start()
        if call is None:
            return None
        try:
            response = await call.read()
        except asyncio.CancelledError:
            # gRPC reports a call that was cancelled here as a cancelled task. Only a real one
            # may travel on.
            if _task_is_cancelled():
                call.cancel()
                raise
            if self._cancelled:
                return None
            raise AxonError("CANCELLED", "the client was closed") from None
        except grpc.aio.AioRpcError as error:
            self._broke_off(error)
            return None
        return response if isinstance(response, pb.GenerateResponse) else None

    async def _start(self) -> _Call | None:
        """The call, None if `cancel()` came while there was no connection yet."""
        try:
            await self._client._connect()
        except AxonError:
            if not self._cancelled:
                raise
        if not self._cancelled:
            self._call = self._client._generate(self._request, self._timeout)
        return self._call

    async def messages(self) -> AsyncIterator[pb.GenerateResponse]:
        """The same events as they come over the wire, for those who count microseconds.

        Raises AxonError as iterating does.
        """
        while not self._cancelled and (response := await self._read()) is not None:
            if response.HasField("started"):
                self._event(response)
            yield response

    async def result(self) -> Result:
        """Reads to the end; see `Generation.result`."""
        return collect([event async for event in self])

    def cancel(self) -> None:
        """Ends the generation; the iteration stops without an error."""
        self._cancelled = True
        if self._call is not None:
            self._call.cancel()

    async def __aexit__(self, *raised: object) -> None:
        self.cancel()


def _task_is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class AsyncClient(AbstractAsyncContextManager["AsyncClient"]):
    """The same as `Client` for asyncio; create it inside a running event loop."""

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        tls: Tls = False,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        connect_timeout: float = 10.0,
    ) -> None:
        self.address = address
        self._connect_timeout = connect_timeout
        self._metadata = authorization(token)
        self._secure = credentials or channel.credentials(tls)
        self._channel = channel.aio_channel(address, self._secure)
        self._stub = stubs.InferenceServiceStub(self._channel)

    def generate(
        self, prompt: str, *, timeout: float | None = None, **knobs: Unpack[Knobs]
    ) -> AsyncGeneration:
        """Continues `prompt`; `timeout` in seconds covers queueing and generating.

        Raises AxonError here for a knob that cannot be sent at all; while iterating if no server
        answers, the request is refused or the stream breaks off.
        """
        return AsyncGeneration(self, requests.generate_request(prompt, knobs), timeout)

    async def edit(
        self,
        generation: str,
        branch: int,
        edits: Edit | Sequence[Edit],
        *,
        timeout: float | None = 10.0,  # noqa: ASYNC109
    ) -> int:
        """Replaces all edits of a branch of a running generation; see `Client.edit`."""
        request = requests.edit_request(generation, branch, edits)
        await self._connect()
        try:
            response = await self._stub.Edit(request, timeout=timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None
        return response.position

    # The timeout travels to the server as the call's deadline; asyncio.timeout would not.
    async def model(self, *, timeout: float | None = 10.0) -> Model:  # noqa: ASYNC109
        """What the server serves, its limits, defaults and present load."""
        await self._connect()
        try:
            response = await self._stub.GetModel(
                pb.GetModelRequest(), timeout=timeout, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None
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
        request = requests.feature_request(source, index, limit)
        await self._connect()
        try:
            response = await self._stub.GetFeature(
                request, timeout=timeout, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None
        return messages.feature(response)

    async def explain(
        self,
        text: str | Sequence[int],
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        on_progress: Callable[[ExplainProgress], object] = lambda progress: None,
        **question: Unpack[requests.Question],
    ) -> Explanation:
        """Why a token comes after a text; see `Client.explain`. Cancelling the task cancels it."""
        request = requests.explain_request(text, **question)
        collector = messages.ExplanationCollector(on_progress)
        await self._connect()
        try:
            async for part in self._stub.Explain(request, timeout=timeout, metadata=self._metadata):
                collector.add(part)
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None
        return complete(collector.explanation)

    async def get_map(
        self,
        sources: Sequence[str] = (),
        *,
        on_progress: Callable[[MapProgress], object] = lambda progress: None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> FeatureMap:
        """The map of all features; see `Client.get_map`."""
        await self._connect()
        request, collector = pb.GetMapRequest(sources=sources), Collector()
        try:
            call = self._stub.GetMap(request, timeout=timeout, metadata=self._metadata)
            async for part in call:
                if isinstance(told := collector.add(part), MapProgress):
                    on_progress(told)
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None
        return collector.map

    async def close(self) -> None:
        """Closes the connection and with it every generation still running."""
        await self._channel.close(None)

    def _generate(self, request: pb.GenerateRequest, deadline: float | None) -> _Call:
        return self._stub.Generate(
            request, timeout=deadline, metadata=self._metadata, wait_for_ready=True
        )

    async def _connect(self) -> None:
        try:
            await asyncio.wait_for(self._channel.channel_ready(), self._connect_timeout)
        except TimeoutError:
            raise unreachable(self.address, self._connect_timeout, bool(self._secure)) from None

    async def __aexit__(self, *raised: object) -> None:
        await self.close()
