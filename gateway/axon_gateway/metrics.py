"""What `/metrics` shows: counts and latencies of this process, for Prometheus.

They are global to the process, as is usual with Prometheus. The state of a running gateway (rooms,
viewers, how far they lag) is read at each request for `/metrics`, in `page`.
"""

from __future__ import annotations

from dataclasses import dataclass

from axon_service.metrics import registry
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = registry()

TOKENS = Counter(
    "axon_tokens_total",
    "Tokens streamed, by origin (prompt, generated)",
    ["origin"],
    registry=REGISTRY,
)
GENERATIONS = Counter(
    "axon_generations_total",
    "Generations that have ended, by outcome (done, stopped, or the code of the error)",
    ["outcome"],
    registry=REGISTRY,
)
IN_PROGRESS = Gauge(
    "axon_generations_in_progress",
    "Generations under way, by what they do (asking, queued, running)",
    ["state"],
    registry=REGISTRY,
)
UPSTREAM_STREAMS = Gauge(
    "axon_upstream_streams",
    "gRPC streams open to inference: one for each generation, however many watch",
    ["backend"],
    registry=REGISTRY,
)
BACKEND_UP = Gauge(
    "axon_backend_up",
    "1 if a replica of the inference service is connected and healthy",
    ["backend"],
    registry=REGISTRY,
)
ERRORS = Counter(
    "axon_errors_total",
    "Errors that clients were told, by code",
    ["code"],
    registry=REGISTRY,
)
FIRST_TOKEN = Histogram(
    "axon_first_token_seconds",
    "From the request to its first generated token, the queue included",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
GENERATION = Histogram(
    "axon_generation_seconds",
    "From the request to its end",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900),
    registry=REGISTRY,
)
EXPLANATIONS = Counter(
    "axon_explanations_total",
    "Explanations that have ended, by outcome (done, cancelled, or the code of the error)",
    ["outcome"],
    registry=REGISTRY,
)
EXPLAINING = Gauge("axon_explanations_in_progress", "Explanations under way", registry=REGISTRY)
EXPLANATION = Histogram(
    "axon_explanation_seconds",
    "From the question why a token came to the end of its answer",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
REMOVALS = Counter(
    "axon_removals_total",
    "Removals measured, by what asked for them (question, generation)",
    ["of"],
    registry=REGISTRY,
)
EVENT_TO_SOCKET = Histogram(
    "axon_event_to_socket_seconds",
    "From a room's new frame until all sockets that keep up have been given it",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
    registry=REGISTRY,
)
LABELS_SENT = Counter(
    "axon_label_lookups_total",
    "Features sent, by whether it was known at once if they have a label and which (hit, miss)",
    ["result"],
    registry=REGISTRY,
)
LABEL_REQUESTS = Counter(
    "axon_label_requests_total",
    "Requests to Neuronpedia, by interface (export, api) and outcome (an HTTP status, failed)",
    ["interface", "outcome"],
    registry=REGISTRY,
)
LABEL_EXPORT_BATCHES = Gauge(
    "axon_label_export_batches",
    "Batches of a source's export that have been fetched, or have failed, the last time",
    ["source"],
    registry=REGISTRY,
)
LABEL_EXPORT_BATCHES_EXPECTED = Gauge(
    "axon_label_export_batches_expected",
    "Batches that a source's export has",
    ["source"],
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class State:
    """The state of a gateway at a request for `/metrics`."""

    rooms: int
    sockets: int
    #: For each viewer, how many frames it still lacks.
    lags: list[int]
    #: Whether Redis answers.
    labels: bool


def page(state: State) -> bytes:
    """The text of `/metrics`."""
    now = CollectorRegistry()
    for name, about, value in (
        ("rooms", "Rooms of this gateway", state.rooms),
        ("sockets", "Open WebSockets", state.sockets),
        ("viewers", "Viewers in rooms", len(state.lags)),
        (
            "viewer_lag_frames",
            "Frames that the slowest viewer is behind",
            max(state.lags, default=0),
        ),
        ("viewers_lagging", "Viewers that are behind", sum(lag > 0 for lag in state.lags)),
        ("labels_available", "1 if Redis answers", int(state.labels)),
    ):
        Gauge(f"axon_{name}", about, registry=now).set(value)
    return generate_latest(REGISTRY) + generate_latest(now)
