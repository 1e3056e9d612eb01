"""What the metrics of each service begin with."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

# Otherwise every counter would have a second sample with the time of its creation.
disable_created_metrics()  # type: ignore[no-untyped-call]


def registry() -> CollectorRegistry:
    """A registry that has the memory, CPU time and open files of this process."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    return made
