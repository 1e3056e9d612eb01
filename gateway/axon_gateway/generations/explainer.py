"""`Explainer`: answers why a token came, to one asker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable

from axon.v1 import inference_pb2 as pb
from axon_service import logs

from axon_gateway import metrics
from axon_gateway.backends.backends import Backends
from axon_gateway.backends.upstream import Upstream
from axon_gateway.errors import Refusal
from axon_gateway.frames import Emit
from axon_gateway.generations.effects import EffectFrames
from axon_gateway.generations.running import Running
from axon_gateway.generations.strengths import in_sae_units
from axon_gateway.labels.labels import Labels
from axon_gateway.limits import Limits
from axon_gateway.requests import Explain

_log = logging.getLogger(__name__)

#: Seconds that the summary waits for labels that are not here.
_LABELS_BEFORE_END = 0.3


class Explainer:
    """Has explanations made by the services, within each client's limit."""

    def __init__(
        self, backends: Backends, labels: Labels, limits: Limits, running: Running
    ) -> None:
        self._backends = backends
        self._labels = labels
        self._limits = limits
        self._running = running

    async def answer(self, command: Explain, address: str, emit: Emit) -> None:
        """Gives `emit` the frames of one explanation. Raises Refusal; cancelling it frees all."""
        began = time.monotonic()
        outcome = "cancelled"
        self._running.check()
        self._limits.check_prompt(command.request.prompt)
        async with self._limits.explanations.turn(address):
            metrics.EXPLAINING.inc()
            try:
                await self._answer(command, emit)
                outcome = "done"
            except Refusal as refusal:
                outcome = refusal.code
                raise
            except Exception:
                outcome = "internal"
                raise
            finally:
                seconds = time.monotonic() - began
                metrics.EXPLAINING.dec()
                metrics.EXPLANATIONS.labels(outcome).inc()
                metrics.EXPLANATION.observe(seconds)
                fields = {"outcome": outcome, "duration_ms": logs.milliseconds(seconds)}
                told = {"fields": fields}
                _log.info("explanation %s in %.2f s", outcome, seconds, extra=told)

    async def _answer(self, command: Explain, emit: Emit) -> None:
        upstream = self._backends.choose(command.model, command.sources)
        await in_sae_units(command.in_maxima, self._labels, upstream)
        async with contextlib.aclosing(upstream.explain(command.request)) as responses:
            answer = _Answer(upstream, self._labels, command.progress, emit)
            async for response in responses:
                await answer.take(response)
                if response.HasField("summary"):
                    return


class _Answer:
    """One explanation: the service's events become frames."""

    def __init__(self, upstream: Upstream, labels: Labels, progress: bool, emit: Emit) -> None:
        self._upstream = upstream
        self._labels = labels
        self._progress = progress
        self._emit = emit
        self._sources: tuple[str, ...] = ()
        self._frames = EffectFrames((), labels.known)

    async def take(self, response: pb.ExplainResponse) -> None:
        match response.WhichOneof("event"):
            case "started":
                self._sources = tuple(response.started.sources)
                self._frames = EffectFrames(self._sources, self._labels.known)
                # Waits only once in a process.
                await self._labels.hold(self._sources)
                await self._emit(self._frames.started(response.started))
            case "effects":
                metrics.REMOVALS.labels("question").inc(len(response.effects.effects))
                if self._progress:
                    await self._emit(self._frames.measured(response.effects.effects))
            case "path":
                await self._labels.hold([response.path.source])
                await self._emit(self._frames.path(response.path))
            case "summary":
                await self._look_up(response.summary.effects)
                for frame in self._frames.summary(response.summary):
                    await self._emit(frame)

    async def _look_up(self, effects: Iterable[pb.Effect]) -> None:
        """Waits a moment for labels that are elsewhere; what has not come by then is left out."""
        wanted: dict[str, set[int]] = {}
        for one in effects:
            wanted.setdefault(self._sources[one.source], set()).add(one.feature)
        with contextlib.suppress(TimeoutError, Refusal):
            async with asyncio.timeout(_LABELS_BEFORE_END):
                for source, indices in wanted.items():
                    if missing := self._labels.missing(source, indices):
                        await self._labels.look_up(source, missing)
