"""Puts the service together: listen at once, load, serve, drain."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as pb_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from axon_inference.config import Settings
from axon_inference.engine.engine import Engine
from axon_inference.engine.requests import (
    MAX_ALTERNATIVES,
    MAX_BRANCHES,
    MAX_EDITS,
    MAX_FEATURES,
    MAX_REMOVALS,
    Features,
    Sampling,
)
from axon_inference.engine.scheduler import Scheduler
from axon_inference.engine.text import decoder
from axon_inference.loading.container import require_libraries
from axon_inference.serving import access, messages
from axon_inference.serving.failsafe import FailsafeInterceptor
from axon_inference.serving.healthcheck import LOADING
from axon_inference.serving.metrics import Metrics
from axon_inference.serving.server import InferenceServicer, Listeners, Ready
from axon_inference.serving.validation import DEFAULT_MAX_TOKENS

if TYPE_CHECKING:
    from axon_inference.loading.ready import Loaded

_log = logging.getLogger(__name__)

NAME = pb.DESCRIPTOR.services_by_name["InferenceService"].full_name
_OPTIONS = (
    # Otherwise a second server on the same port would start, and get half of the calls.
    ("grpc.so_reuseport", 0),
    # Below any sensible client's keepalive interval, or C-core answers it with GOAWAY.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Callers that balance among replicas look for new ones only when a connection ends. A stream
    # goes on to its end on the old one.
    ("grpc.max_connection_age_ms", 30_000),
)


class PortInUse(OSError):
    """The service cannot listen on a port."""


def _in_use(address: str, variable: str) -> PortInUse:
    return PortInUse(
        f"cannot listen on {address}; is the port in use? Set {variable} to another port."
    )


class Service:
    """The gRPC server and, once loaded, the engine behind it."""

    def __init__(
        self,
        settings: Settings,
        on_fatal: Callable[[str], None],
        load: Callable[[Settings], Loaded] | None = None,
    ) -> None:
        self.settings = settings
        self.port = 0
        self._on_fatal = on_fatal
        self._load = load or self._load_model
        self._metrics = Metrics(
            running=lambda: self._engine.progress().running if self._engine else 0,
            queued=lambda: self._engine.progress().queued if self._engine else 0,
            slots=self._slots,
        )
        self._stop_metrics: Callable[[], None] | None = None
        self._servicer = InferenceServicer(self._metrics)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        guards: list[Any] = [FailsafeInterceptor()]
        if settings.tokens:
            guards.append(access.TokenInterceptor(settings.tokens))
        self._server = grpc.aio.server(interceptors=guards, options=_OPTIONS)
        self._engine: Engine | None = None

    async def listen(self) -> None:
        """Accept calls; until `load` is done they are answered UNAVAILABLE.

        Raises:
            SettingsError: the certificate or its key cannot be used.
            PortInUse: a port is not free.
        """
        pb_grpc.add_InferenceServiceServicer_to_server(self._servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        await self._say_serving(False)
        credentials = access.credentials(self.settings)
        address = f"{self.settings.host}:{self.settings.port}"
        try:
            self.port = (
                self._server.add_secure_port(address, credentials)
                if credentials
                else self._server.add_insecure_port(address)
            )
        except RuntimeError as error:
            raise _in_use(address, "AXON_GRPC_PORT") from error
        if self.settings.metrics_port:
            self._serve_metrics()
        await self._server.start()

    def _serve_metrics(self) -> None:
        host, port = self.settings.host, self.settings.metrics_port
        try:
            self._stop_metrics = self._metrics.serve(host, port)
        except OSError as error:
            raise _in_use(f"{host}:{port}", "AXON_METRICS_PORT") from error

    def _slots(self) -> int:
        ready = self._servicer.ready
        return ready.description.limits.slots if ready else 0

    async def load(self) -> None:
        """Load model and sources, start the engine, and say so.

        Raises:
            ValueError: model or sources cannot be served; the message says why.
            OSError: files are missing.
        """
        listeners = Listeners(asyncio.get_running_loop())
        ready = await asyncio.to_thread(self._build, listeners)
        self._engine = ready.engine
        ready.engine.start()
        self._servicer.ready = ready
        await self._say_serving(True)
        _log.info("serving %s on port %d", ", ".join(ready.served.sources), self.port)

    def refuse(self, reason: str) -> None:
        """Tell `reason` to all who call, for as long as there is no model."""
        self._servicer.unavailable = reason

    async def drain(self) -> None:
        """Refuse new calls, let running ones end for a while, then cancel the rest."""
        self._servicer.ready, self._servicer.unavailable = None, "the server is shutting down"
        await self._say_serving(False)
        if self._engine:
            await self._until_idle(self._engine)
            await asyncio.to_thread(self._engine.close)
        # Streams cancelled just now still have their last event to send.
        await self._server.stop(grace=1)
        if self._stop_metrics:
            await asyncio.to_thread(self._stop_metrics)

    async def _until_idle(self, engine: Engine) -> None:
        for _ in range(self.settings.drain_seconds * 10):
            if sum(engine.progress()) == 0:
                return
            await asyncio.sleep(0.1)

    async def _say_serving(self, serving: bool) -> None:
        states = health_pb2.HealthCheckResponse
        for name in ("", NAME):
            await self._health.set(name, states.SERVING if serving else states.NOT_SERVING)

    def _load_model(self, settings: Settings) -> Loaded:
        require_libraries()
        from axon_inference.loading.ready import load  # imports torch, which takes seconds

        return load(settings, report=self._report)

    def _report(self, line: str) -> None:
        """Tell the log and callers what loading is doing; any thread may call this."""
        _log.info("%s", line)
        self._servicer.unavailable = f"{line}{LOADING}"

    def _build(self, listeners: Listeners) -> Ready:
        """Everything slow, on a thread of its own."""
        settings = self.settings
        loaded = self._load(settings)
        engine = Engine(
            runner=loaded.runner,
            tokenizer=loaded.tokenizer,
            scheduler=Scheduler(loaded.slots, settings.max_queue, loaded.prefill_tokens),
            eos_ids=loaded.eos_ids,
            publish=listeners.publish,
            on_death=lambda error: self._on_fatal(f"the engine died: {error!r}"),
            explainer=loaded.explainer,
        )
        description = _describe(loaded, settings.max_queue)
        name = f"{socket.gethostname()}:{self.port}"
        return Ready(
            name=name,
            engine=engine,
            reader=loaded.reader,
            served=loaded.served,
            decode=decoder(loaded.tokenizer),
            listeners=listeners,
            description=description,
        )


def _describe(loaded: Loaded, max_queue: int) -> pb.GetModelResponse:
    served = loaded.served
    every_source = tuple(range(len(served.sources)))
    return pb.GetModelResponse(
        model=served.model,
        sources=loaded.sources,
        info=loaded.info,
        limits=pb.Limits(
            context_length=served.context_length,
            max_prompt_characters=served.max_prompt_characters,
            max_features=MAX_FEATURES,
            slots=loaded.slots,
            max_queue=max_queue,
            cache_bytes=loaded.cache_bytes,
            max_branches=min(MAX_BRANCHES, loaded.slots),
            max_edits=MAX_EDITS,
            max_alternatives=MAX_ALTERNATIVES,
            max_removals=MAX_REMOVALS if loaded.explainer else 0,
        ),
        defaults=pb.Defaults(
            max_tokens=min(DEFAULT_MAX_TOKENS, served.context_length),
            sampling=messages.sampling_options(Sampling(), with_seed=False),
            features=messages.feature_options(Features(sources=every_source), served.sources),
        ),
    )
