"""Records one generation, for `/metrics` and for its one line in the log."""

from __future__ import annotations

import logging
import secrets
import time

from axon.v1 import inference_pb2 as pb
from axon_service import logs

from axon_gateway import metrics

_log = logging.getLogger(__name__)


class Account:
    """Counts what a generation does from its request on; `close` logs it."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._began = time.monotonic()
        self._first: float | None = None
        self._state: str | None = None
        self._model = ""
        self._sources: list[str] = []
        self._tokens = {"prompt": 0, "generated": 0}
        #: "done", "stopped", or an error's code.
        self.outcome = "stopped"

    def begin(self) -> None:
        """The request goes to inference."""
        self._enter("asking")

    def queued(self) -> None:
        """The generation waits for a slot."""
        self._enter("queued")

    def started(self, started: pb.Started) -> None:
        """The generation has a slot."""
        self._enter("running")
        self._model, self._sources = started.model, list(started.sources)

    def tokens(self, origin: str, count: int) -> None:
        """`count` more tokens have come; `origin` is "prompt" or "generated"."""
        if origin == "generated" and self._first is None:
            self._first = time.monotonic() - self._began
            metrics.FIRST_TOKEN.observe(self._first)
        self._tokens[origin] += count
        metrics.TOKENS.labels(origin).inc(count)

    def close(self) -> None:
        """The generation has ended with `outcome`."""
        seconds = time.monotonic() - self._began
        self._enter(None)
        metrics.GENERATIONS.labels(self.outcome).inc()
        metrics.GENERATION.observe(seconds)
        logs.generation(
            _log,
            self.outcome,
            self._tokens,
            seconds,
            generation=secrets.token_hex(4),
            backend=self._backend,
            model=self._model,
            sources=self._sources,
            first_token_ms=logs.milliseconds(self._first),
        )

    def _enter(self, state: str | None) -> None:
        if self._state is not None:
            metrics.IN_PROGRESS.labels(self._state).dec()
        if state is not None:
            metrics.IN_PROGRESS.labels(state).inc()
        self._state = state
