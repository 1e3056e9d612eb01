"""Metrics for Prometheus on AXON_METRICS_PORT: this replica's queue, slots, tokens and outcomes.

The gateway cannot tell a replica's queue: behind one name any replica may answer, and the gateway
never sees other callers of the gRPC port.
"""

from __future__ import annotations

from collections.abc import Callable

from axon_service.metrics import registry as process_registry
from prometheus_client import Counter, Gauge, Histogram, start_http_server


class Metrics:
    """Counts since the start of one service; the gauges are read at each request.

    `running`, `queued` and `slots` say how many requests generate, how many wait for a slot, and
    how many slots there are (0 until the model is loaded).
    """

    def __init__(
        self,
        running: Callable[[], int],
        queued: Callable[[], int],
        slots: Callable[[], int],
    ) -> None:
        registry = self._registry = process_registry()
        gauges = {
            "queue_length": ("Requests that wait for a slot", queued),
            "running": ("Requests that generate", running),
            "slots": ("Requests that can generate at once; 0 until the model is loaded", slots),
        }
        for name, (about, ask) in gauges.items():
            Gauge(f"axon_inference_{name}", about, registry=registry).set_function(ask)
        self.tokens = Counter(
            "axon_inference_tokens_total",
            "Tokens streamed, by origin (prompt, generated)",
            ["origin"],
            registry=registry,
        )
        self.generations = Counter(
            "axon_inference_generations_total",
            "Calls of Generate that have ended, by outcome (stop, length, cancelled, failed, "
            "invalid, queue_full)",
            ["outcome"],
            registry=registry,
        )
        self.queue_seconds = Histogram(
            "axon_inference_queue_seconds",
            "From a request's arrival to its slot",
            buckets=(0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
            registry=registry,
        )

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer GET /metrics from now on; call the function returned to stop.

        Raises:
            OSError: the port is not free.
        """
        server, _ = start_http_server(port, host, registry=self._registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()

        return stop
