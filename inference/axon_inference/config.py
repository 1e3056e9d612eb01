"""Settings of the service, read once from the environment; nothing else reads `os.environ`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

BUNDLED_MODEL = Path(__file__).resolve().parents[1] / "demo_model"
DTYPES = ("float32", "bfloat16", "float16")


class SettingsError(ValueError):
    """A variable cannot be used; the message names it and says what to write instead."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _tokens(text: str) -> tuple[str, ...]:
    tokens = _names(text)
    if not all(token.isascii() and token.isprintable() and " " not in token for token in tokens):
        raise ValueError("must be printable ASCII characters without spaces")
    return tokens


def _file(text: str) -> Path:
    return Path(text).expanduser()


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _count(minimum: int) -> Any:
    def parse(text: str) -> int:
        value = _whole(text)
        if value < minimum:
            raise ValueError(f"must be at least {minimum}")
        return value

    return parse


def _port(text: str) -> int:
    value = _whole(text)
    if not 0 <= value <= 65535:
        raise ValueError("must be a port, 0 to 65535")
    return value


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,2})?", text):
        raise ValueError("must be auto, cpu, cuda or cuda:N")
    return text


def _one_of(*choices: str) -> Any:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def _level(text: str) -> str:
    parse: Callable[[str], str] = _one_of("DEBUG", "INFO", "WARNING", "ERROR")
    return parse(text.upper())


def _setting(default: Any, env: str, about: str, parse: Any = str, secret: bool = False) -> Any:
    metadata = {"env": env, "about": about, "parse": parse, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """What the service was asked to be. Build it with `from_env`."""

    model: str = _setting(
        "axon-demo",
        "AXON_MODEL",
        "a model's name, a folder in Hugging Face format, or a repository of the hub (ORG/NAME)",
    )
    sources: tuple[str, ...] = _setting(
        (),
        "AXON_SOURCES",
        "SAEs, comma separated: Neuronpedia id, SAELens release/sae_id, whole release, or folder "
        "as SAELens saves it; =MODEL/SOURCE after one gives its Neuronpedia id; empty: the "
        "model's own",
        _names,
    )
    host: str = _setting("127.0.0.1", "AXON_HOST", "address to listen on")
    port: int = _setting(50051, "AXON_GRPC_PORT", "port to listen on; 0 picks a free one", _port)
    tls_cert: Path | None = _setting(  # noqa: RUF009 (it is a dataclass field)
        None,
        "AXON_GRPC_TLS_CERT",
        "PEM file with the server's certificate and any intermediate ones; if it and the key are "
        "set, callers must use TLS",
        _file,
    )
    tls_key: Path | None = _setting(  # noqa: RUF009
        None, "AXON_GRPC_TLS_KEY", "PEM file of that certificate's key", _file
    )
    tokens: tuple[str, ...] = _setting(
        (),
        "AXON_GRPC_TOKENS",
        "access tokens, comma separated: callers must send one of them as metadata "
        "`authorization: Bearer TOKEN`; empty: nobody needs one",
        _tokens,
        secret=True,
    )
    device: str = _setting("auto", "AXON_DEVICE", "auto, cpu, cuda or cuda:N", _device)
    dtype: str = _setting("float32", "AXON_DTYPE", f"one of {', '.join(DTYPES)}", _one_of(*DTYPES))
    threads: int = _setting(
        0, "AXON_THREADS", "CPU threads for one forward pass; 0 takes torch's choice", _count(0)
    )
    graphs: str = _setting(
        "auto",
        "AXON_GRAPHS",
        "auto captures decode steps as CUDA graphs on a GPU, off runs them one kernel at a time",
        _one_of("auto", "off"),
    )
    slots: int = _setting(16, "AXON_SLOTS", "most requests that generate at once", _count(1))
    cache_mb: int = _setting(
        0,
        "AXON_CACHE_MB",
        "most memory for the slots' keys and values, in MB; there are fewer slots if not all fit; "
        "0: no bound of its own",
        _count(0),
    )
    max_queue: int = _setting(64, "AXON_MAX_QUEUE", "requests that may wait for a slot", _count(0))
    context_length: int = _setting(
        0,
        "AXON_CONTEXT_LENGTH",
        "most tokens of prompt and continuation; 0 takes the model's, at most 2048",
        _count(0),
    )
    prefill_tokens: int = _setting(
        0,
        "AXON_PREFILL_TOKENS",
        "most prompt tokens read per step while other requests generate, which wait for that; "
        "0 takes 64 on a CPU, 512 on a GPU",
        _count(0),
    )
    drain_seconds: int = _setting(
        10, "AXON_DRAIN_SECONDS", "seconds that running streams get to end at shutdown", _count(0)
    )
    on_failure: str = _setting(
        "exit",
        "AXON_ON_FAILURE",
        "what the process does if it cannot serve: exit, or wait (for containers, which would be "
        "started again at once): it stays, unhealthy, and tries again where that may help",
        _one_of("exit", "wait"),
    )
    log_level: str = _setting(
        "INFO",
        "AXON_LOG_LEVEL",
        "least severe messages to log: DEBUG, INFO, WARNING or ERROR",
        _level,
    )
    log_format: str = _setting(
        "plain", "AXON_LOG_FORMAT", "form of the log: plain or json", _one_of("plain", "json")
    )
    metrics_port: int = _setting(
        0,
        "AXON_METRICS_PORT",
        "port on which Prometheus can read this replica's queue length and counts; 0: none",
        _port,
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read every setting from `env`; an unset or empty variable means its default.

        Raises:
            SettingsError: a value cannot be used; the message names the variable.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            text = env.get(item.metadata["env"], "").strip()
            if not text:
                continue
            try:
                values[item.name] = item.metadata["parse"](text)
            except ValueError as error:
                shown = "" if item.metadata["secret"] else f"={text!r}"
                raise SettingsError(f"{item.metadata['env']}{shown}: {error}") from error
        return cls(**values)

    @staticmethod
    def waits(env: Mapping[str, str]) -> bool:
        """Whether a process that cannot start should wait, whatever else is wrong in `env`."""
        return env.get("AXON_ON_FAILURE", "").strip() == "wait"

    @classmethod
    def help(cls) -> str:
        """One line per variable, with its default."""
        rows = [(f.metadata["env"], f.metadata["about"], f.default) for f in fields(cls)]
        width = max(len(name) for name, _, _ in rows)
        return "\n".join(
            f"  {name:<{width}}  {about} (default: {_shown(default)})"
            for name, about, default in rows
        )


def _shown(default: Any) -> str:
    return "none" if default in ((), None) else str(default)
