"""One frozen settings object from the environment; nothing else here reads `os.environ`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from axon.channel import Tls

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Characters of a label: a sentence or two.
MOST_LABEL = 500
_INDEX = re.compile(r"[0-9]{1,10}", re.ASCII)

_REPOSITORY = Path(__file__).resolve().parents[2]


class ConfigError(ValueError):
    """A variable with a value that cannot be used; the message names it."""


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("it must be a whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("it must be a number") from None


def _port(text: str) -> int:
    port = _whole(text)
    if not 0 <= port <= 65535:
        raise ValueError("it must be a port, 0 to 65535")
    return port


def _count(text: str) -> int:
    count = _whole(text)
    if count < 1:
        raise ValueError("it must be at least 1")
    return count


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError("it must be a finite number, 0 or more")
    return seconds


def _positive(text: str) -> float:
    number = _number(text)
    if not 0 < number < float("inf"):
        raise ValueError("it must be a finite number above 0")
    return number


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in _words(text))


def _folder(text: str) -> Path | None:
    return Path(text) if text else None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().rstrip("/") for name in text.split(",") if name.strip())


def _targets(text: str) -> tuple[str, ...]:
    """Targets separated by spaces or commas.

    Commas in one of gRPC's own lists (ipv4:10.0.0.1:1,10.0.0.2:1) stay.
    """
    targets: list[str] = []
    for part in text.split():
        listed = part.startswith(("ipv4:", "ipv6:"))
        targets += [part] if listed else [target for target in part.split(",") if target]
    return tuple(targets)


def _choice(*allowed: str) -> Callable[[str], str]:
    def choose(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"it must be one of {', '.join(allowed)}")
        return text.lower()

    return choose


def _tls(text: str) -> Tls:
    tls: Tls = {"": False, "system": True}.get(text, Path(text).expanduser())
    _try(tls=tls)
    return tls


def _token(text: str) -> str:
    """The first of several, so that the value of AXON_GRPC_TOKENS can be used here, too."""
    token = next(iter(_words(text)), "")
    _try(token=token)
    return token


def _try(tls: Tls = False, token: str = "") -> None:
    """Checks TLS files and token now, before the first call would fail."""
    # Imported here, since it loads gRPC, which is not needed (and slow) without either.
    from axon import channel
    from axon.errors import AxonError

    try:
        channel.credentials(tls)
        channel.authorization(token)
    except AxonError as error:
        raise ValueError(error.message) from None


def _base(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError("it must be an http or https address, or empty")
    return text.rstrip("/")


def _ids(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [name.partition("=") for name in _names(text)]
    if not all(served and id_ for served, _, id_ in pairs):
        raise ValueError("it must be SOURCE=ID,SOURCE=ID")
    return tuple((served.strip(), id_.strip()) for served, _, id_ in pairs)


def _overrides(text: str) -> Mapping[tuple[str, int], str]:
    """Labels by (source, index) in a JSON file of "model/source/index": "label"."""
    if not text:
        return {}
    try:
        # orjson also refuses what could not be sent: lone surrogates, and endless nesting.
        labels = orjson.loads(Path(text).expanduser().read_bytes())
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    overrides = {}
    for name, label in labels.items() if isinstance(labels, dict) else [("the file", None)]:
        source, _, index = name.rpartition("/")
        if not (source and _INDEX.fullmatch(index) and isinstance(label, str)):
            raise ValueError(f'{name[:80]} must have the form "model/source/index": "label"')
        words = " ".join(label.split())
        if not 0 < len(words) <= MOST_LABEL:
            raise ValueError(f"{name}: a label must have 1 to {MOST_LABEL} characters")
        overrides[source, int(index)] = words
    return overrides


def _text(text: str) -> str:
    if not text:
        raise ValueError("it must not be empty")
    return text


def _bundled(folder: str) -> Path | None:
    """A folder of the repository, None when the package is installed without it."""
    path = _REPOSITORY / folder
    return path if path.is_dir() else None


#: The bundled model's labels; they are used in addition to those in AXON_LABELS.
BUNDLED_LABELS = _bundled("inference/demo_model/labels")


def _setting(
    variable: str, read: Callable[[str], Any], default: Any, about: str, *, secret: bool = False
) -> Any:
    metadata = {"variable": variable, "read": read, "about": about, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, with its variable, default and meaning."""

    host: str = _setting("AXON_HOST", _text, "127.0.0.1", "address to listen on")
    port: int = _setting("AXON_PORT", _port, 8000, "port to listen on; 0 picks a free one")
    inference: str = _setting(
        "AXON_INFERENCE", _text, "127.0.0.1:50051", "gRPC target of the inference service"
    )
    backends: tuple[str, ...] = _setting(
        "AXON_BACKENDS",
        _targets,
        (),
        "gRPC targets in place of AXON_INFERENCE, for several models or replicas, separated by "
        "spaces; the first one's model is the default",
    )
    backend_tls: Tls = _setting(  # noqa: RUF009 (it is a dataclass field)
        "AXON_BACKEND_TLS_CA",
        _tls,
        False,
        "authority that signs the certificates of inference services: a PEM file, or `system` for "
        "those that the system trusts; empty: no TLS",
    )
    backend_tls_name: str = _setting(
        "AXON_BACKEND_TLS_NAME",
        str,
        "",
        "name in those certificates, if it differs from the target's",
    )
    backend_token: str = _setting(
        "AXON_BACKEND_TOKEN",
        _token,
        "",
        "access token for inference services (one of their AXON_GRPC_TOKENS; of several, "
        "the first is sent)",
        secret=True,
    )
    redis_url: str = _setting(
        "AXON_REDIS_URL",
        _text,
        "redis://127.0.0.1:6379/0",
        "Redis, which keeps the labels; gateways with the same one share their rooms",
    )
    labels: Path | None = _setting(  # noqa: RUF009 (it is a dataclass field)
        "AXON_LABELS",
        _folder,
        lambda: BUNDLED_LABELS,
        "folder of label files, {model}/{source}/explanations/*.jsonl.gz",
    )
    label_overrides: Mapping[tuple[str, int], str] = _setting(
        "AXON_LABEL_OVERRIDES",
        _overrides,
        dict,
        'JSON file of labels that come before all others, {"model/source/index": "label"}',
    )
    neuronpedia_export: str = _setting(
        "AXON_NEURONPEDIA_EXPORT",
        _base,
        "https://neuronpedia-datasets.s3.us-east-1.amazonaws.com/v1",
        "address of Neuronpedia's bulk export of labels; empty: do not use it",
    )
    neuronpedia_api: str = _setting(
        "AXON_NEURONPEDIA_API",
        _base,
        "https://www.neuronpedia.org/api/feature",
        "address of Neuronpedia's API, for labels that the export lacks; empty: do not use it",
    )
    neuronpedia_rate: float = _setting(
        "AXON_NEURONPEDIA_RATE", _positive, 3.0, "most features a second to ask that API for"
    )
    neuronpedia_ids: tuple[tuple[str, str], ...] = _setting(
        "AXON_NEURONPEDIA_IDS",
        _ids,
        (),
        "Neuronpedia's ids of sources that do not state one themselves (SOURCE=ID, ...)",
    )
    page: Path | None = _setting(  # noqa: RUF009 (it is a dataclass field)
        "AXON_PAGE", _folder, lambda: _bundled("frontend/dist"), "folder of the built page"
    )
    origins: tuple[str, ...] = _setting(
        "AXON_ORIGINS",
        _names,
        (),
        "origins, besides the page's own, whose scripts may connect (https://lab.example, ...)",
    )
    generation_timeout: float = _setting(
        "AXON_GENERATION_TIMEOUT", _seconds, 900.0, "seconds a generation may take, queue included"
    )
    room_grace: float = _setting(
        "AXON_ROOM_GRACE", _seconds, 10.0, "seconds a generation goes on without any viewer"
    )
    room_idle: float = _setting(
        "AXON_ROOM_IDLE", _seconds, 600.0, "seconds an empty room is kept for people to come back"
    )
    max_rooms: int = _setting(
        "AXON_MAX_ROOMS",
        _count,
        4096,
        "rooms at once in which something was generated, or which are shared; one address may "
        "have half of them",
    )
    room_log_bytes: int = _setting(
        "AXON_ROOM_LOG_BYTES", _count, 16 * 2**20, "bytes of frames a room keeps for late viewers"
    )
    rooms_bytes: int = _setting(
        "AXON_ROOMS_BYTES",
        _count,
        192 * 2**20,
        "bytes of frames that all rooms keep together; the oldest generations are dropped first",
    )
    client_sockets: int = _setting(
        "AXON_CLIENT_SOCKETS",
        _count,
        4000,
        "sockets of one address (a lecture hall may be behind one)",
    )
    client_generations: int = _setting(
        "AXON_CLIENT_GENERATIONS", _count, 16, "generations of one address at once"
    )
    client_searches: int = _setting(
        "AXON_CLIENT_SEARCHES", _count, 32, "label searches of one address at once"
    )
    client_messages: float = _setting(
        "AXON_CLIENT_MESSAGES", _positive, 100.0, "messages a second that one socket may send"
    )
    max_prompt: int = _setting(
        "AXON_MAX_PROMPT", _count, 20_000, "most characters of a prompt, if the model takes more"
    )
    drain_seconds: float = _setting(
        "AXON_DRAIN_SECONDS",
        _seconds,
        10.0,
        "seconds that running generations get to end when the gateway is told to stop",
    )
    body_timeout: float = _setting(
        "AXON_BODY_TIMEOUT", _positive, 10.0, "seconds that a request body may take to arrive"
    )
    write_timeout: float = _setting(
        "AXON_WRITE_TIMEOUT",
        _positive,
        30.0,
        "seconds after which a client that reads nothing is cut off",
    )
    idle_timeout: float = _setting(
        "AXON_IDLE_TIMEOUT",
        _positive,
        75.0,
        "seconds that a connection has to send the whole head of its next request (more than the "
        "60 s for which nginx keeps one open)",
    )
    generate_tokens: tuple[str, ...] = _setting(
        "AXON_GENERATE_TOKENS",
        _words,
        (),
        "access tokens, comma separated: a client needs one to generate; empty: nobody does",
    )
    join_tokens: tuple[str, ...] = _setting(
        "AXON_JOIN_TOKENS",
        _words,
        (),
        "access tokens, comma separated: a client needs one (or one to generate) to watch; empty: "
        "nobody does",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "AXON_TRUSTED_PROXIES",
        _networks,
        (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
        "addresses of proxies whose X-Forwarded-For names the client (10.0.0.0/8, ...)",
    )
    max_message_bytes: int = _setting(
        "AXON_MAX_MESSAGE_BYTES", _count, 64 * 2**10, "bytes of one message or request body"
    )
    label_mb: int = _setting(
        "AXON_LABEL_MB",
        _count,
        256,
        "MB of memory for labels; sources that do not fit have none",
    )
    on_failure: str = _setting(
        "AXON_ON_FAILURE",
        _choice("exit", "wait"),
        "exit",
        "what the process does if it cannot start: exit, or wait until it is told to stop (for "
        "containers, which would be started again at once)",
    )
    log_level: str = _setting(
        "AXON_LOG_LEVEL",
        _choice("debug", "info", "warning", "error"),
        "info",
        "least severe messages to log: debug, info, warning or error",
    )
    log_format: str = _setting(
        "AXON_LOG_FORMAT", _choice("plain", "json"), "plain", "form of the log: plain or json"
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """The gRPC targets of all inference services."""
        return self.backends or (self.inference,)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`; ConfigError names the first variable that is wrong."""
    values: dict[str, object] = {}
    for setting in fields(Settings):
        variable = setting.metadata["variable"]
        if variable in environment:
            try:
                values[setting.name] = setting.metadata["read"](environment[variable])
            except ValueError as error:
                shown = "" if setting.metadata["secret"] else f"={environment[variable]!r}"
                raise ConfigError(f"{variable}{shown} cannot be used: {error}") from None
    return Settings(**values)  # type: ignore[arg-type]


def waits(environment: Mapping[str, str]) -> bool:
    """Whether a process that cannot start should wait, whatever else is wrong in `environment`."""
    return environment.get("AXON_ON_FAILURE", "").lower() == "wait"


def describe() -> str:
    """The variables, their defaults and meanings, for `--help`."""
    defaults = Settings()
    lines = []
    for setting in fields(Settings):
        value = getattr(defaults, setting.name)
        shown = "none" if value in (None, False, (), {}, "") else value
        if isinstance(value, tuple) and value:
            shown = ", ".join(map(str, value))
        lines.append(f"  {setting.metadata['variable']:24} {setting.metadata['about']}")
        lines.append(f"  {'':24} (default: {shown})")
    return "\n".join(lines)
