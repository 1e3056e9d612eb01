"""The gateway's settings; nothing else here reads the environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from axon_service import readers as read
from axon_service.settings import FromEnvironment, setting

if TYPE_CHECKING:
    from axon.channel import Tls

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Characters of a label: a sentence or two.
MOST_LABEL = 500
_INDEX = re.compile(r"[0-9]{1,10}", re.ASCII)

_REPOSITORY = Path(__file__).resolve().parents[2]


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in read.words(text))


def _targets(text: str) -> tuple[str, ...]:
    """Targets separated by spaces or commas.

    Commas in one of gRPC's own lists (ipv4:10.0.0.1:1,10.0.0.2:1) stay.
    """
    targets: list[str] = []
    for part in text.split():
        listed = part.startswith(("ipv4:", "ipv6:"))
        targets += [part] if listed else [target for target in part.split(",") if target]
    return tuple(targets)


def _tls(text: str) -> Tls:
    tls: Tls = {"": False, "system": True}.get(text, Path(text).expanduser())
    if tls:
        _try(tls=tls)
    return tls


def _token(text: str) -> str:
    """The first of several, so that the value of AXON_GRPC_TOKENS can be used here, too."""
    token = next(iter(read.words(text)), "")
    if token:
        _try(token=token)
    return token


def _try(tls: Tls = False, token: str = "") -> None:
    """Checks TLS files and token now, before the first call would fail."""
    # Imported here: it loads gRPC, which is slow, and which a health check does without.
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


def _origins(text: str) -> tuple[str, ...]:
    return tuple(word.rstrip("/") for word in read.words(text))


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(word.lower().rstrip(".") for word in read.words(text))
    if any("/" in host or ":" in host for host in hosts):
        raise ValueError("it must be names without scheme and port (axon.lab.example, ...)")
    return hosts


def _ids(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [word.rstrip("/").partition("=") for word in read.words(text)]
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


@dataclass(frozen=True, slots=True)
class Settings(FromEnvironment):
    """Everything that can be set, with its variable, default and meaning."""

    host: str = setting("AXON_HOST", "127.0.0.1", "address to listen on", _text)
    port: int = setting("AXON_PORT", 8000, "port to listen on; 0 picks a free one", read.port)
    inference: str = setting(
        "AXON_INFERENCE", "127.0.0.1:50051", "gRPC target of the inference service", _text
    )
    backends: tuple[str, ...] = setting(
        "AXON_BACKENDS",
        (),
        "gRPC targets in place of AXON_INFERENCE, for several models or replicas, separated by "
        "spaces; the first one's model is the default",
        _targets,
    )
    backend_tls: Tls = setting(
        "AXON_BACKEND_TLS_CA",
        False,
        "authority that signs the certificates of inference services: a PEM file, or `system` for "
        "those that the system trusts; empty: no TLS",
        _tls,
    )
    backend_tls_name: str = setting(
        "AXON_BACKEND_TLS_NAME", "", "name in those certificates, if it differs from the target's"
    )
    backend_token: str = setting(
        "AXON_BACKEND_TOKEN",
        "",
        "access token for inference services (one of their AXON_GRPC_TOKENS; of several, "
        "the first is sent)",
        _token,
        secret=True,
    )
    redis_url: str = setting(
        "AXON_REDIS_URL",
        "redis://127.0.0.1:6379/0",
        "Redis, which keeps the labels; gateways with the same one share their rooms",
        _text,
    )
    labels: Path | None = setting(
        "AXON_LABELS",
        lambda: BUNDLED_LABELS,
        "folder of label files, {model}/{source}/explanations/*.jsonl.gz",
        read.path,
    )
    label_overrides: Mapping[tuple[str, int], str] = setting(
        "AXON_LABEL_OVERRIDES",
        dict,
        'JSON file of labels that come before all others, {"model/source/index": "label"}',
        _overrides,
    )
    neuronpedia_export: str = setting(
        "AXON_NEURONPEDIA_EXPORT",
        "https://neuronpedia-datasets.s3.us-east-1.amazonaws.com/v1",
        "address of Neuronpedia's bulk export of labels; empty: do not use it",
        _base,
    )
    neuronpedia_api: str = setting(
        "AXON_NEURONPEDIA_API",
        "https://www.neuronpedia.org/api/feature",
        "address of Neuronpedia's API, for labels that the export lacks; empty: do not use it",
        _base,
    )
    neuronpedia_rate: float = setting(
        "AXON_NEURONPEDIA_RATE", 3.0, "most features a second to ask that API for", read.positive
    )
    neuronpedia_ids: tuple[tuple[str, str], ...] = setting(
        "AXON_NEURONPEDIA_IDS",
        (),
        "Neuronpedia's ids of sources that do not state one themselves (SOURCE=ID, ...)",
        _ids,
    )
    page: Path | None = setting(
        "AXON_PAGE", lambda: _bundled("frontend/dist"), "folder of the built page", read.path
    )
    origins: tuple[str, ...] = setting(
        "AXON_ORIGINS",
        (),
        "origins, besides the page's own, whose scripts may connect (https://lab.example, ...)",
        _origins,
    )
    hosts: tuple[str, ...] = setting(
        "AXON_HOSTS",
        (),
        "names under which this server is reached without TLS, besides addresses and names of the "
        "local network (axon.lab.example, .lab.example for all below it, * for any)",
        _hosts,
    )
    generation_timeout: float = setting(
        "AXON_GENERATION_TIMEOUT",
        900.0,
        "seconds a generation may take, queue included",
        read.number,
    )
    room_grace: float = setting(
        "AXON_ROOM_GRACE", 10.0, "seconds a generation goes on without any viewer", read.number
    )
    room_idle: float = setting(
        "AXON_ROOM_IDLE",
        600.0,
        "seconds an empty room is kept for people to come back",
        read.number,
    )
    max_rooms: int = setting(
        "AXON_MAX_ROOMS",
        4096,
        "rooms at once in which something was generated, or which are shared; one address may "
        "have half of them",
        read.at_least(1),
    )
    room_log_bytes: int = setting(
        "AXON_ROOM_LOG_BYTES",
        16 * 2**20,
        "bytes of frames a room keeps for late viewers",
        read.at_least(1),
    )
    rooms_bytes: int = setting(
        "AXON_ROOMS_BYTES",
        192 * 2**20,
        "bytes of frames that all rooms keep together; the oldest generations are dropped first",
        read.at_least(1),
    )
    room_examples: str = setting(
        "AXON_ROOM_EXAMPLES",
        "off",
        "whose texts are shown as examples of features: those of rooms that are open to all "
        "(open), or nobody's (off)",
        read.one_of("open", "off"),
    )
    client_sockets: int = setting(
        "AXON_CLIENT_SOCKETS",
        4000,
        "sockets of one address (a lecture hall may be behind one)",
        read.at_least(1),
    )
    client_generations: int = setting(
        "AXON_CLIENT_GENERATIONS", 16, "generations of one address at once", read.at_least(1)
    )
    client_searches: int = setting(
        "AXON_CLIENT_SEARCHES", 32, "label searches of one address at once", read.at_least(1)
    )
    client_explanations: int = setting(
        "AXON_CLIENT_EXPLANATIONS",
        16,
        "explanations of tokens that one address may have under way",
        read.at_least(1),
    )
    client_messages: float = setting(
        "AXON_CLIENT_MESSAGES", 100.0, "messages a second that one socket may send", read.positive
    )
    max_prompt: int = setting(
        "AXON_MAX_PROMPT",
        20_000,
        "most characters of a prompt, if the model takes more",
        read.at_least(1),
    )
    drain_seconds: float = setting(
        "AXON_DRAIN_SECONDS",
        10.0,
        "seconds that running generations get to end when the gateway is told to stop",
        read.number,
    )
    body_timeout: float = setting(
        "AXON_BODY_TIMEOUT", 10.0, "seconds that a request body may take to arrive", read.positive
    )
    write_timeout: float = setting(
        "AXON_WRITE_TIMEOUT",
        30.0,
        "seconds after which a client that reads nothing is cut off",
        read.positive,
    )
    idle_timeout: float = setting(
        "AXON_IDLE_TIMEOUT",
        75.0,
        "seconds that a connection has to send the whole head of its next request (more than the "
        "60 s for which nginx keeps one open)",
        read.positive,
    )
    generate_tokens: tuple[str, ...] = setting(
        "AXON_GENERATE_TOKENS",
        (),
        "access tokens, comma separated: a client needs one to generate; empty: nobody does",
        read.tokens,
        secret=True,
    )
    join_tokens: tuple[str, ...] = setting(
        "AXON_JOIN_TOKENS",
        (),
        "access tokens, comma separated: a client needs one (or one to generate) to watch; empty: "
        "nobody does",
        read.tokens,
        secret=True,
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "AXON_TRUSTED_PROXIES",
        (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
        "addresses of proxies whose X-Forwarded-For names the client (10.0.0.0/8, ...)",
        _networks,
    )
    max_message_bytes: int = setting(
        "AXON_MAX_MESSAGE_BYTES",
        64 * 2**10,
        "bytes of one message or request body",
        read.at_least(1),
    )
    label_mb: int = setting(
        "AXON_LABEL_MB",
        256,
        "MB of memory for labels; sources that do not fit have none",
        read.at_least(1),
    )
    on_failure: str = setting(
        "AXON_ON_FAILURE",
        "exit",
        "what the process does if it cannot start: exit, or wait until it is told to stop (for "
        "containers, which would be started again at once)",
        read.one_of("exit", "wait"),
    )
    log_level: str = setting(
        "AXON_LOG_LEVEL",
        "info",
        "least severe messages to log: debug, info, warning or error",
        read.one_of("debug", "info", "warning", "error"),
    )
    log_format: str = setting(
        "AXON_LOG_FORMAT", "plain", "form of the log: plain or json", read.one_of("plain", "json")
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """The gRPC targets of all inference services."""
        return self.backends or (self.inference,)
