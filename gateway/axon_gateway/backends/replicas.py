"""Reaches the one replica that runs a generation, among those behind one target.

A call over the balanced channel goes to any replica that is healthy. The one that runs the
generation may be another, or drain and no longer be healthy. So each address of the target has a
channel of its own here, from its first use on.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from typing import TypeAlias

import grpc
import grpc.aio
from axon import channel
from axon.channel import Metadata, Options
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs

#: Seconds for one replica to answer.
_TIMEOUT = 4.0
#: Generations whose replica is remembered. One that is forgotten is found again.
_MOST_FOUND = 1024
_HOST_AND_PORT = re.compile(r"(?:dns:)?(?://[^/]*/|/)?(?P<host>\[[^]]+\]|[^:/]+):(?P<port>[0-9]+)")

#: Statuses of a replica that does not run a generation, or does not say.
_ELSEWHERE = frozenset(
    {
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)

_Stub: TypeAlias = "stubs.InferenceServiceAsyncStub"


class Replicas:
    """The replicas behind `target`; `balanced` is the stub that balances among them."""

    def __init__(
        self,
        target: str,
        balanced: _Stub,
        secure: grpc.ChannelCredentials | None,
        options: Options,
        metadata: Metadata,
    ) -> None:
        self._target = target
        self._balanced = balanced
        self._secure = secure
        self._options = options
        self._metadata = metadata
        self._channels: dict[str, grpc.aio.Channel] = {}
        #: By generation, the one that runs it.
        self._found: dict[str, _Stub] = {}

    async def edit(self, request: pb.EditRequest) -> pb.EditResponse:
        """The answer of the replica that runs the generation.

        Raises AioRpcError: NOT_FOUND only if all replicas have said so.
        """
        if (found := self._found.get(request.generation)) is not None:
            return await self._ask(found, request)
        # Where there is one replica, this is it.
        try:
            return await self._try(self._balanced, request)
        except _Elsewhere as failure:
            elsewhere = failure
        listed = await _addresses(self._target)
        for address, options in listed.items():
            if address not in self._channels:
                self._channels[address] = channel.aio_channel(
                    address, self._secure, (*options, *self._options)
                )
        # Those that the target's name no longer has may be draining.
        asked = {address: stubs.InferenceServiceStub(c) for address, c in self._channels.items()}
        answers = await asyncio.gather(
            *(self._try(stub, request) for stub in asked.values()), return_exceptions=True
        )
        failed: list[grpc.aio.AioRpcError] = []
        for (address, stub), answer in zip(asked.items(), answers, strict=True):
            if not isinstance(answer, _Elsewhere):
                self._remember(request.generation, stub)
                if isinstance(answer, BaseException):
                    raise answer
                return answer
            failed.append(answer.error)
            gone = address not in listed and answer.error.code() is grpc.StatusCode.UNAVAILABLE
            if gone and (closing := self._channels.pop(address, None)) is not None:
                await closing.close(None)
        if not failed:
            raise elsewhere.error
        # One that did not answer may run it.
        raise min(failed, key=lambda error: error.code() is grpc.StatusCode.NOT_FOUND)

    async def close(self) -> None:
        """Closes the channels to single replicas."""
        await asyncio.gather(*(one.close(None) for one in self._channels.values()))

    async def _try(self, stub: _Stub, request: pb.EditRequest) -> pb.EditResponse:
        """The answer of one replica; _Elsewhere if it does not run the generation."""
        try:
            return await self._ask(stub, request)
        except grpc.aio.AioRpcError as error:
            if error.code() in _ELSEWHERE:
                raise _Elsewhere(error) from None
            raise

    async def _ask(self, stub: _Stub, request: pb.EditRequest) -> pb.EditResponse:
        return await stub.Edit(request, timeout=_TIMEOUT, metadata=self._metadata)

    def _remember(self, generation: str, stub: _Stub) -> None:
        if len(self._found) >= _MOST_FOUND:
            del self._found[next(iter(self._found))]
        self._found[generation] = stub


class _Elsewhere(Exception):
    """A replica does not run the generation, or does not answer."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__(str(error))
        self.error = error


async def _addresses(target: str) -> dict[str, Options]:
    """The single addresses of a target, and the options that a channel to each of them needs."""
    scheme, _, rest = target.partition(":")
    if scheme in ("ipv4", "ipv6"):
        return {f"{scheme}:{address}": () for address in rest.split(",")}
    found = _HOST_AND_PORT.fullmatch(target)
    if found is None:
        return {target: ()}
    host = found["host"].strip("[]")
    with contextlib.suppress(OSError):
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, int(found["port"]), type=socket.SOCK_STREAM)
        # Certificates are for the name.
        options = (("grpc.ssl_target_name_override", host),)
        return {_address(family, place): options for family, _, _, _, place in infos}
    return {}


def _address(family: int, place: tuple[object, ...]) -> str:
    host, port = place[:2]
    return f"ipv6:[{host}]:{port}" if family == socket.AF_INET6 else f"ipv4:{host}:{port}"
