"""`Client`: a channel that reconnects by itself, and generations to iterate over.

A generation ends early by `cancel()`, by leaving its `with` block, or by its deadline; the server
frees its slot within one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Unpack

import grpc

from axon import channel, messages, requests
from axon.channel import CHANNEL_OPTIONS, DEFAULT_ADDRESS, Tls, authorization, unreachable
from axon.edits import Edit
from axon.errors import from_call
from axon.feature_map import Collector, FeatureMap, MapProgress
from axon.requests import Knobs
from axon.stream import Stream, collect, complete
from axon.types import Event, ExplainProgress, Explanation, Feature, Model, Result
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs


class Generation(Stream, Iterator[Event], AbstractContextManager["Generation"]):
    """The events of one generation; iterate, `cancel()` from any thread, or use as `with`."""

    def __init__(
        self, request: pb.GenerateRequest, call: grpc.CallIterator[pb.GenerateResponse]
    ) -> None:
        super().__init__(request)
        self._call = call
        self._responses = iter(call)

    def __next__(self) -> Event:
        """The next event; StopIteration at the end and after `cancel()`, AxonError on failure."""
        while not self._cancelled and (response := self._read()) is not None:
            if (event := self._event(response)) is not None:
                return event
        raise StopIteration

    def _read(self) -> pb.GenerateResponse | None:
        """The next message, None at the end of the stream and after `cancel()`."""
        try:
            return next(self._responses, None)
        except grpc.RpcError as error:
            self._broke_off(error)
            return None

    def result(self) -> Result:
        """Reads to the end: what became of each branch. AxonError if it is cancelled before."""
        return collect(self)

    def cancel(self) -> None:
        """Ends the generation; iteration stops without an error."""
        self._cancelled = True
        self._call.cancel()  # type: ignore[no-untyped-call]

    def __exit__(self, *raised: object) -> None:
        self.cancel()


class Client(AbstractContextManager["Client"]):
    """A blocking client; safe to share between threads, closed by `close()` or `with`.

    `tls` is True for a server whose certificate the system trusts, or the path of a PEM file with
    the authority to trust; `credentials` are gRPC's own, for all else. `token` is the access token
    of a server that wants one. `connect_timeout` bounds, in seconds, how long a call waits for a
    server that is not there yet; a connection that is lost later comes back by itself.

    Raises AxonError for a `tls` file or a `token` that cannot be used.
    """

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
        self._channel = (
            grpc.secure_channel(address, self._secure, CHANNEL_OPTIONS)
            if self._secure
            else grpc.insecure_channel(address, CHANNEL_OPTIONS)
        )
        self._stub = stubs.InferenceServiceStub(self._channel)
        # Its messages are of no interest: no bytes ask for the health of the whole server.
        self._health = self._channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)

    def generate(
        self, prompt: str, *, timeout: float | None = None, **knobs: Unpack[Knobs]
    ) -> Generation:
        """Continues `prompt`; `timeout` in seconds covers queueing and generating.

        Raises AxonError here if no server answers or a knob cannot be sent at all, and while
        iterating if the server refuses the request or breaks off.
        """
        request = requests.generate_request(prompt, knobs)
        self._connect()
        call = self._stub.Generate(
            request, timeout=timeout, metadata=self._metadata, wait_for_ready=True
        )
        return Generation(request, call)

    def edit(
        self,
        generation: str,
        branch: int,
        edits: Edit | Sequence[Edit],
        *,
        timeout: float | None = 10.0,
    ) -> int:
        """Replaces all edits of a branch of a running generation, by `Started.generation`.

        Returns the first position that they apply to. Raises AxonError: NOT_FOUND if this server
        does not run it (any more), INVALID_ARGUMENT for an edit that it refuses.
        """
        request = requests.edit_request(generation, branch, edits)
        self._connect()
        try:
            response = self._stub.Edit(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_call(error) from None
        return response.position

    def model(self, *, timeout: float | None = 10.0) -> Model:
        """What the server serves, its limits, defaults and present load."""
        self._connect()
        try:
            response = self._stub.GetModel(
                pb.GetModelRequest(), timeout=timeout, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise from_call(error) from None
        return messages.model(response)

    def feature(
        self, source: str, index: int, *, limit: int | None = None, timeout: float | None = 10.0
    ) -> Feature:
        """What one feature's weights say: tokens it promotes and suppresses, nearest features.

        `limit` bounds each list. Raises AxonError: NOT_FOUND for a source that is not served,
        INVALID_ARGUMENT for an index or a limit out of range.
        """
        request = requests.feature_request(source, index, limit)
        self._connect()
        try:
            response = self._stub.GetFeature(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_call(error) from None
        return messages.feature(response)

    def explain(
        self,
        text: str | Sequence[int],
        *,
        timeout: float | None = None,
        on_progress: Callable[[ExplainProgress], object] = lambda progress: None,
        **question: Unpack[requests.Question],
    ) -> Explanation:
        """Why a token comes after a text: silences one feature at a time and runs the model again.

        `text` may be given as tokens. `position` is that of the token in question, by default the
        one after the last; `target` the token there (an id, or a text that is one token), by
        default the one that is there or the likeliest; `rival` the one it is compared with, by
        default the likeliest other. At most `limit` features of `sources` are tried, under `edits`.
        `path` also asks what one removal does to features further on. `on_progress` is called as
        removals are measured.

        Raises AxonError: INVALID_ARGUMENT for what the server refuses, RESOURCE_EXHAUSTED if too
        many explanations wait.
        """
        request = requests.explain_request(text, **question)
        collector = messages.ExplanationCollector(on_progress)
        self._connect()
        try:
            for part in self._stub.Explain(request, timeout=timeout, metadata=self._metadata):
                collector.add(part)
        except grpc.RpcError as error:
            raise from_call(error) from None
        return complete(collector.explanation)

    def get_map(
        self,
        sources: Sequence[str] = (),
        *,
        on_progress: Callable[[MapProgress], object] = lambda progress: None,
        timeout: float | None = None,
    ) -> FeatureMap:
        """The map of all features, or of those of some sources; waits while the server makes it.

        Raises AxonError: FAILED_PRECONDITION if the server has none, INVALID_ARGUMENT for a source
        that is not served.
        """
        self._connect()
        request, collector = pb.GetMapRequest(sources=sources), Collector()
        try:
            for part in self._stub.GetMap(request, timeout=timeout, metadata=self._metadata):
                if isinstance(told := collector.add(part), MapProgress):
                    on_progress(told)
        except grpc.RpcError as error:
            raise from_call(error) from None
        return collector.map

    def close(self) -> None:
        """Closes the connection and with it every generation still running."""
        self._channel.close()

    def _connect(self) -> None:
        """Waits for the server; AxonError if there is none within the time for it.

        Asks for its health, whatever that is. grpc's own `channel_ready_future` has a thread watch
        the channel, which fails with a traceback where the channel is closed soon after two calls.
        """
        try:
            self._health(b"", timeout=self._connect_timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise unreachable(self.address, self._connect_timeout, bool(self._secure)) from None
            # Lost meanwhile, or a proxy has nobody to pass the call to.
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise from_call(error) from None

    def __exit__(self, *raised: object) -> None:
        self.close()
