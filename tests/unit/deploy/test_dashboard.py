"""The dashboard uses metrics that exist."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterable
from pathlib import Path

import yaml
from axon_gateway import metrics
from axon_inference.serving.metrics import Metrics
from prometheus_client.parser import text_string_to_metric_families

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "observability"
DASHBOARD = json.loads((FOLDER / "dashboards" / "axon.json").read_text())
WORDS = {"sum", "rate", "max", "min", "by", "histogram_quantile", "le"}


def exported() -> set[str]:
    """The names of all samples that the gateway and the inference service export."""
    state = metrics.State(rooms=0, sockets=0, lags=[], labels=True)
    gateway = text_string_to_metric_families(metrics.page(state).decode())
    service = Metrics(running=lambda: 0, queued=lambda: 0, slots=lambda: 0)._registry.collect()
    families: Iterable[tuple[str, str]] = [(one.name, one.type) for one in [*gateway, *service]]
    names = {"up"}
    for name, kind in families:
        counted = {f"{name}_total"} if kind == "counter" else set()
        spread = {f"{name}_{part}" for part in ("bucket", "sum", "count")}
        names |= {name} | counted | (spread if kind == "histogram" else set())
    return names


def asked() -> set[str]:
    """The names of metrics in all queries."""
    names: set[str] = set()
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            expression = re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)", "", target["expr"])
            names |= set(re.findall(r"[a-z_]\w+", expression)) - WORDS
    return names


def test_every_metric_in_the_dashboard_is_exported() -> None:
    assert len(asked()) > 15
    assert asked() <= exported()


def test_the_most_important_metrics_are_shown() -> None:
    assert {"axon_first_token_seconds_bucket", "axon_inference_queue_length"} <= asked()


def test_the_dashboard_is_what_its_program_writes() -> None:
    program = runpy.run_path(str(FOLDER / "make_dashboard.py"))
    assert program["dashboard"]() == DASHBOARD


def test_prometheus_scrapes_the_ports_that_the_services_listen_on() -> None:
    root = FOLDER.parents[1]
    jobs = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in jobs}
    inference = yaml.safe_load((root / "compose.yaml").read_text())["services"]["inference"]
    assert ports["inference"] == inference["environment"]["AXON_METRICS_PORT"]
    assert f"EXPOSE {ports['gateway']}\n" in (root / "gateway" / "Dockerfile").read_text()
