"""What both kinds of generation share: reading responses, and telling its end from a failure."""

from __future__ import annotations

from collections.abc import Iterable

import grpc

from axon import messages
from axon.errors import AxonError, from_call
from axon.types import (
    BranchEnded,
    Continuation,
    Edited,
    Event,
    Explanation,
    Finished,
    Result,
    Started,
    Tokens,
)
from axon.v1 import inference_pb2 as pb


class Stream:
    """The state of one stream of responses, whichever way they are waited for."""

    def __init__(self, request: pb.GenerateRequest) -> None:
        self._branches = len(request.branches)
        self._sources: tuple[str, ...] = ()
        self._cancelled = False

    def _event(self, response: pb.GenerateResponse) -> Event | None:
        """The event in a response, None for a kind newer than this client."""
        event = messages.event(response, self._sources)
        if isinstance(event, Started):
            if len(event.branches) < self._branches:
                # It would run the request as if there were no edits.
                self.cancel()
                raise AxonError("UNIMPLEMENTED", "this server is too old for branches and edits")
            # The tokens that follow count the sources named here.
            self._sources = event.sources
        return event

    def cancel(self) -> None:
        """Ends the generation; iteration stops without an error."""
        raise NotImplementedError

    def _broke_off(self, error: grpc.RpcError) -> None:
        """Raises AxonError for a call that failed; returns if `cancel()` was what ended it."""
        if not self._cancelled:
            raise from_call(error) from None


def complete(explanation: Explanation | None) -> Explanation:
    """An explanation that has its end. Raises AxonError for one that has none."""
    if explanation is None:
        raise AxonError("CANCELLED", "the explanation ended before all was measured")
    return explanation


def collect(events: Iterable[Event]) -> Result:
    """The result of a whole generation. Raises AxonError if the events end before it does."""
    events = tuple(events)
    started = next((event for event in events if isinstance(event, Started)), None)
    if started is None or not isinstance(finished := events[-1], Finished):
        raise AxonError("CANCELLED", "the generation was cancelled before its end")
    tokens = [token for event in events if isinstance(event, Tokens) for token in event.tokens]
    edited = [event for event in events if isinstance(event, Edited)]
    ends = {event.branch: event.reason for event in events if isinstance(event, BranchEnded)}
    branches = tuple(
        Continuation(
            name=branch.name,
            seed=branch.seed,
            edits=branch.edits,
            edited=tuple(event for event in edited if event.branch == number),
            tokens=tuple(token for token in tokens if token.branch == number),
            reason=ends.get(number, finished.reason),
        )
        for number, branch in enumerate(started.branches)
    )
    return Result(started, branches, finished)
