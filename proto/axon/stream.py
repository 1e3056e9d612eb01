"""What both kinds of generation share: reading responses, and telling its end from a failure."""

from __future__ import annotations

import grpc

from axon import messages
from axon.errors import from_call
from axon.types import Event, Started
from axon.v1 import inference_pb2 as pb


class Stream:
    """The state of one stream of responses, whichever way they are waited for."""

    def __init__(self) -> None:
        self._sources: tuple[str, ...] = ()
        self._cancelled = False

    def _event(self, response: pb.GenerateResponse) -> Event | None:
        """The event in a response, None for a kind newer than this client."""
        event = messages.event(response, self._sources)
        if isinstance(event, Started):
            # The tokens that follow count the sources named here.
            self._sources = event.sources
        return event

    def _broke_off(self, error: grpc.RpcError) -> None:
        """Raises AxonError for a call that failed; returns if `cancel()` was what ended it."""
        if not self._cancelled:
            raise from_call(error) from None
