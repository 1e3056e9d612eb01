"""Records one call of Generate, for its one line in the log and for the metrics."""

from __future__ import annotations

import logging
import time
from typing import Self

import grpc
from axon.v1 import inference_pb2 as pb
from axon_service import logs

from axon_inference.engine.events import Failed
from axon_inference.serving import messages
from axon_inference.serving.metrics import Metrics

_log = logging.getLogger(__name__)


class Account:
    """Sees a call's events; tells the log and the metrics at the end of its `with` block.

    `given_id` is the id under which the caller logs the request, or None.
    """

    def __init__(self, metrics: Metrics, given_id: str | None) -> None:
        self._id = logs.request_id(given_id)
        self._metrics = metrics
        self._began = time.monotonic()
        self._tokens = {"prompt": 0, "generated": 0}
        self._queue_ns: int | None = None
        self._error: str | None = None
        #: A key of the metrics: how it ended.
        self.outcome = "cancelled"

    def see(self, message: pb.GenerateResponse | Failed) -> None:
        """Count what a message has."""
        if isinstance(message, Failed):
            self.outcome, self._error = "failed", message.message
        elif message.HasField("tokens"):
            tokens = message.tokens.tokens
            generated = sum(token.origin == pb.TOKEN_ORIGIN_GENERATED for token in tokens)
            self._tokens["generated"] += generated
            self._tokens["prompt"] += len(tokens) - generated
        elif message.HasField("finished"):
            self.outcome = messages.outcome(message.finished)
            self._queue_ns = message.finished.timings.queue_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, *trace: object) -> None:
        # gRPC raises its own if a call was refused or its caller has gone: `outcome` says which.
        if isinstance(error, Exception) and not isinstance(error, grpc.aio.BaseError):
            self.outcome, self._error = "failed", logs.describe(error)
        seconds = time.monotonic() - self._began
        self._metrics.generations.labels(self.outcome).inc()
        for origin, count in self._tokens.items():
            self._metrics.tokens.labels(origin).inc(count)
        if self._queue_ns is not None:
            self._metrics.queue_seconds.observe(self._queue_ns / 1e9)
        queue_seconds = None if self._queue_ns is None else self._queue_ns / 1e9
        logs.generation(
            _log,
            self.outcome,
            self._tokens,
            seconds,
            self._error,
            request_id=self._id,
            queue_ms=logs.milliseconds(queue_seconds),
        )
