"""Writes dashboards/axon.json: python deploy/observability/make_dashboard.py

Grafana's format has forty lines a panel. Three of them differ between panels; those are here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 8, 7


def quantile(share: float, name: str) -> str:
    """A histogram's quantile over the last minutes."""
    return f"histogram_quantile({share}, sum by (le) (rate({name}_bucket[5m])))"


#: Title, unit as Grafana names it, and queries by their legend; three panels a row.
PANELS: list[tuple[str, str, dict[str, str]]] = [
    (
        "Tokens a second",
        "short",
        {"{{origin}}": "sum by (origin) (rate(axon_tokens_total[1m]))"},
    ),
    (
        "Generations under way",
        "short",
        {"{{state}}": "sum by (state) (axon_generations_in_progress)"},
    ),
    (
        "Generations ended, a minute",
        "short",
        {"{{outcome}}": "60 * sum by (outcome) (rate(axon_generations_total[5m]))"},
    ),
    (
        "Request to first token",
        "s",
        {
            "median": quantile(0.5, "axon_first_token_seconds"),
            "p95": quantile(0.95, "axon_first_token_seconds"),
        },
    ),
    (
        "Waiting for a slot",
        "short",
        {"{{instance}}": "axon_inference_queue_length"},
    ),
    (
        "Slots: generating and all",
        "short",
        {
            "generating": "sum(axon_inference_running)",
            "slots": "sum(axon_inference_slots)",
        },
    ),
    (
        "Inference: tokens a second by replica",
        "short",
        {"{{instance}}": "sum by (instance) (rate(axon_inference_tokens_total[1m]))"},
    ),
    (
        "Inference: time in the queue",
        "s",
        {"p95": quantile(0.95, "axon_inference_queue_seconds")},
    ),
    (
        "Inference: reached and healthy",
        "short",
        {"{{backend}} from {{instance}}": "axon_backend_up"},
    ),
    (
        "Viewers and rooms",
        "short",
        {
            "viewers": "sum(axon_viewers)",
            "sockets": "sum(axon_sockets)",
            "rooms": "sum(axon_rooms)",
        },
    ),
    (
        "Frame to the last socket that keeps up",
        "s",
        {
            "median": quantile(0.5, "axon_event_to_socket_seconds"),
            "p99": quantile(0.99, "axon_event_to_socket_seconds"),
        },
    ),
    (
        "Viewers behind",
        "short",
        {
            "viewers": "sum(axon_viewers_lagging)",
            "frames, the slowest": "max(axon_viewer_lag_frames)",
        },
    ),
    (
        "Errors told to clients, a minute",
        "short",
        {"{{code}}": "60 * sum by (code) (rate(axon_errors_total[5m]))"},
    ),
    (
        "Labels known at once",
        "percentunit",
        {
            "share": 'sum(rate(axon_label_lookups_total{result="hit"}[5m]))'
            " / sum(rate(axon_label_lookups_total[5m]))",
            "Redis answers": "min(axon_labels_available)",
        },
    ),
    (
        "Requests to Neuronpedia, a minute",
        "short",
        {
            "{{interface}} {{outcome}}": "60 * sum by (interface, outcome) "
            "(rate(axon_label_requests_total[5m]))"
        },
    ),
    (
        "Memory",
        "bytes",
        {"{{job}} {{instance}}": "process_resident_memory_bytes"},
    ),
    (
        "CPU",
        "percentunit",
        {"{{job}} {{instance}}": "rate(process_cpu_seconds_total[1m])"},
    ),
    (
        "Up",
        "short",
        {"{{job}}": "sum by (job) (up)"},
    ),
]


def panel(number: int, title: str, unit: str, queries: dict[str, str]) -> dict[str, Any]:
    """One panel of lines over time."""
    datasource = {"type": "prometheus", "uid": "prometheus"}
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": datasource,
        "gridPos": {
            "x": WIDTH * (number % 3),
            "y": HEIGHT * (number // 3),
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": datasource,
                "expr": expr,
                "legendFormat": name,
            }
            for i, (name, expr) in enumerate(queries.items())
        ],
    }


def dashboard() -> dict[str, Any]:
    """The whole dashboard, in Grafana's format."""
    return {
        "uid": "axon",
        "title": "Axon",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "panels": [panel(number, *about) for number, about in enumerate(PANELS)],
    }


if __name__ == "__main__":
    to = Path(__file__).parent / "dashboards" / "axon.json"
    to.write_text(json.dumps(dashboard(), indent=1) + "\n")
