"""Records one generation, for `/metrics` and for its one line in the log."""

from __future__ import annotations

import logging
import secrets
import time

from axon.v1 import inference_pb2 as pb

from axon_gateway import metrics

_log = logging.getLogger(__name__)


class Account:
    """Counts what a generation does from its request on; `close` logs it."""

    def __init__(self, backend: str) -> None:
        self._id = secrets.token_hex(4)
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
        fields = {
            "generation": self._id,
            "backend": self._backend,
            "model": self._model,
            "sources": self._sources,
            "outcome": self.outcome,
            "prompt_tokens": self._tokens["prompt"],
            "generated_tokens": self._tokens["generated"],
            "first_token_ms": None if self._first is None else round(self._first * 1000, 1),
            "duration_ms": round(seconds * 1000, 1),
        }
        counts = (self._tokens["prompt"], self._tokens["generated"], seconds)
        _log.info(
            "generation %s: %d prompt + %d generated tokens in %.2f s",
            self.outcome,
            *counts,
            extra={"fields": fields},
        )

    def _enter(self, state: str | None) -> None:
        if self._state is not None:
            metrics.IN_PROGRESS.labels(self._state).dec()
        if state is not None:
            metrics.IN_PROGRESS.labels(state).inc()
        self._state = state
