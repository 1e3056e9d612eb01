"""What `/metrics` shows: counts and latencies of this process, in Prometheus' terms.

They are the process's, as is usual with Prometheus; what a running gateway can be asked for
(viewers, rooms, lag) is read when somebody looks, by `state`.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

LABEL_REQUESTS = Counter(
    "axon_label_requests_total",
    "Requests to Neuronpedia, by interface (export, api) and outcome (an HTTP status, failed)",
    ["interface", "outcome"],
    registry=REGISTRY,
)
LABEL_EXPORT_BATCHES = Gauge(
    "axon_label_export_batches",
    "Batches of a source's export that have been fetched in the newest filling",
    ["source"],
    registry=REGISTRY,
)
LABEL_EXPORT_BATCHES_EXPECTED = Gauge(
    "axon_label_export_batches_expected",
    "Batches that a source's export has",
    ["source"],
    registry=REGISTRY,
)
