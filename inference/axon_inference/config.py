"""The service's settings; nothing else reads the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from axon_service import readers as read
from axon_service.settings import FromEnvironment, setting

BUNDLED_MODEL = Path(__file__).resolve().parents[1] / "demo_model"
DTYPES = ("float32", "bfloat16", "float16")


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,2})?", text):
        raise ValueError("it must be auto, cpu, cuda or cuda:N")
    return text


@dataclass(frozen=True)
class Settings(FromEnvironment):
    """What the service was asked to be."""

    model: str = setting(
        "AXON_MODEL",
        "axon-demo",
        "a model's name, a folder in Hugging Face format, or a repository of the hub (ORG/NAME)",
    )
    sources: tuple[str, ...] = setting(
        "AXON_SOURCES",
        (),
        "SAEs, comma separated: Neuronpedia id, SAELens release/sae_id, whole release, or folder "
        "as SAELens saves it; =MODEL/SOURCE after one gives its Neuronpedia id; empty: the "
        "model's own",
        read.words,
    )
    host: str = setting("AXON_HOST", "127.0.0.1", "address to listen on")
    port: int = setting("AXON_GRPC_PORT", 50051, "port to listen on; 0 picks a free one", read.port)
    tls_cert: Path | None = setting(
        "AXON_GRPC_TLS_CERT",
        None,
        "PEM file with the server's certificate and any intermediate ones; if it and the key are "
        "set, callers must use TLS",
        read.path,
    )
    tls_key: Path | None = setting(
        "AXON_GRPC_TLS_KEY", None, "PEM file of that certificate's key", read.path
    )
    tokens: tuple[str, ...] = setting(
        "AXON_GRPC_TOKENS",
        (),
        "access tokens, comma separated: callers must send one of them as metadata "
        "`authorization: Bearer TOKEN`; empty: nobody needs one",
        read.tokens,
        secret=True,
    )
    device: str = setting("AXON_DEVICE", "auto", "auto, cpu, cuda or cuda:N", _device)
    dtype: str = setting(
        "AXON_DTYPE", "float32", f"one of {', '.join(DTYPES)}", read.one_of(*DTYPES)
    )
    sae_dtype: str = setting(
        "AXON_SAE_DTYPE",
        "float32",
        f"the SAEs' weights and products: one of {', '.join(DTYPES)}",
        read.one_of(*DTYPES),
    )
    weights: str = setting(
        "AXON_WEIGHTS",
        "full",
        "the model's layers on a CPU: full keeps AXON_DTYPE, float16 rounds their weights and "
        "reads half as much, still computing in float32",
        read.one_of("full", "float16"),
    )
    threads: int = setting(
        "AXON_THREADS",
        0,
        "CPU threads for one forward pass; 0 takes torch's choice",
        read.at_least(0),
    )
    graphs: str = setting(
        "AXON_GRAPHS",
        "auto",
        "auto captures decode steps as CUDA graphs on a GPU, off runs them one kernel at a time",
        read.one_of("auto", "off"),
    )
    map: str = setting(
        "AXON_MAP",
        "on",
        "on makes the map of all features in the background, unless it is there; off serves none",
        read.one_of("on", "off"),
    )
    map_folder: Path | None = setting(
        "AXON_MAP_FOLDER",
        None,
        "where maps are kept; empty: axon-maps in HF_HOME",
        read.path,
    )
    slots: int = setting("AXON_SLOTS", 16, "most requests that generate at once", read.at_least(1))
    cache_mb: int = setting(
        "AXON_CACHE_MB",
        0,
        "most memory for the slots' keys and values, in MB; there are fewer slots if not all fit; "
        "0: no bound of its own",
        read.at_least(0),
    )
    max_queue: int = setting(
        "AXON_MAX_QUEUE", 64, "requests that may wait for a slot", read.at_least(0)
    )
    context_length: int = setting(
        "AXON_CONTEXT_LENGTH",
        0,
        "most tokens of prompt and continuation; 0 takes the model's, at most 2048",
        read.at_least(0),
    )
    prefill_tokens: int = setting(
        "AXON_PREFILL_TOKENS",
        0,
        "most prompt tokens read per step while other requests generate, which wait for that; "
        "0 takes 64 on a CPU, 512 on a GPU",
        read.at_least(0),
    )
    drain_seconds: int = setting(
        "AXON_DRAIN_SECONDS",
        10,
        "seconds that running streams get to end at shutdown",
        read.at_least(0),
    )
    on_failure: str = setting(
        "AXON_ON_FAILURE",
        "exit",
        "what the process does if it cannot serve: exit, or wait (for containers, which would be "
        "started again at once): it stays, unhealthy, and tries again where that may help",
        read.one_of("exit", "wait"),
    )
    log_level: str = setting(
        "AXON_LOG_LEVEL",
        "INFO",
        "least severe messages to log: DEBUG, INFO, WARNING or ERROR",
        read.one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    )
    log_format: str = setting(
        "AXON_LOG_FORMAT", "plain", "form of the log: plain or json", read.one_of("plain", "json")
    )
    metrics_port: int = setting(
        "AXON_METRICS_PORT",
        0,
        "port on which Prometheus can read this replica's queue length and counts; 0: none",
        read.port,
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings in `environment`. Raises SettingsError for the first that is wrong.

        An empty variable means its default, as an unset one does.
        """
        texts = {variable: text.strip() for variable, text in environment.items()}
        return super().from_environment(
            {variable: text for variable, text in texts.items() if text}
        )
