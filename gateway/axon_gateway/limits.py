"""What one client may do: how many sockets, generations and messages, and with which token.

A client is an address. Behind a trusted proxy, it is the address that the proxy names.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from axon_gateway.config import Settings
from axon_gateway.errors import Refusal

#: Seconds after which a client with too many sockets, or generations, should try again.
_RETRY_SOCKET = 10.0
_RETRY_GENERATION = 5.0
#: Recordings made at once: each may hold a log of 16 MiB that its room has dropped since.
_MOST_RECORDINGS = 8
#: Seconds that a recording waits for its turn, and after which a refused client should try again.
_RECORDING_PATIENCE = 10.0
_RETRY_RECORDING = 10.0
#: Searches, questions about many features and about one, that are worked on at once.
_SEARCHES, _FACTS, _FEATURES = 1, 2, 16
#: Questions about features that one address may have open, and how many times as many all may.
_QUESTIONS = 512
_ADDRESSES = 8
_RETRY_QUESTION = 1.0
#: A burst may hold as many messages as are allowed in this many seconds.
_BURST = 3.0


class Client:
    """The client behind a socket; `may_generate` if its access token allows it."""

    def __init__(self, address: str, may_generate: bool = True) -> None:
        self.address = address
        self.may_generate = may_generate


class Permit:
    """One of the generations that a client may run at once. Only the first `release` counts."""

    def __init__(self, running: Counter[str], address: str) -> None:
        self._running = running
        self._address: str | None = address
        running[address] += 1

    def release(self) -> None:
        """The generation has ended."""
        if self._address is not None:
            _count_down(self._running, self._address)
            self._address = None


class Turns:
    """Questions of one kind: `at_once` are worked on, the others wait in turn.

    One address may have `of_one` of them open, all together `_ADDRESSES` times as many. Any more
    are refused.
    """

    def __init__(self, kind: str, at_once: int, of_one: int) -> None:
        self._kind = kind
        self._gate = asyncio.Semaphore(at_once)
        self._of_one = of_one
        self._open: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """A block that answers one question. Refusal if there are too many."""
        if self._open[address] >= self._of_one:
            message = f"an address may have {self._of_one} {self._kind} at once"
            raise Refusal("too_many_questions", message, retry_after=_RETRY_QUESTION)
        if self._open.total() >= _ADDRESSES * self._of_one:
            message = f"too many {self._kind} at once; try again in a moment"
            raise Refusal("too_many_questions", message, retry_after=_RETRY_QUESTION)
        self._open[address] += 1
        try:
            async with self._gate:
                # Lets other tasks run between two answers.
                await asyncio.sleep(0)
                yield
        finally:
            _count_down(self._open, address)


class Limits:
    """Counts by client, and checks access tokens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sockets: Counter[str] = Counter()
        self._generations: Counter[str] = Counter()
        self._recordings = asyncio.Semaphore(_MOST_RECORDINGS)
        self.searches = Turns("searches for features", _SEARCHES, settings.client_searches)
        self.facts = Turns("questions about features", _FACTS, _QUESTIONS)
        self.features = Turns("questions about one feature", _FEATURES, _QUESTIONS)

    @contextlib.contextmanager
    def socket(self, address: str) -> Iterator[Client]:
        """A block with one more socket of a client. Refusal if it has too many."""
        limit = self._settings.client_sockets
        if self._sockets[address] >= limit:
            message = f"an address may have {limit} sockets"
            raise Refusal("too_many_sockets", message, retry_after=_RETRY_SOCKET)
        self._sockets[address] += 1
        try:
            yield Client(address)
        finally:
            _count_down(self._sockets, address)

    @contextlib.asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """A block in which a recording is made, once there is room. Refusal if that takes long."""
        try:
            async with asyncio.timeout(_RECORDING_PATIENCE):
                await self._recordings.acquire()
        except TimeoutError:
            message = f"{_MOST_RECORDINGS} recordings are being downloaded; try again in a moment"
            raise Refusal("too_many_recordings", message, retry_after=_RETRY_RECORDING) from None
        try:
            yield
        finally:
            self._recordings.release()

    def generation(self, client: Client | str | None, prompt: str) -> Permit:
        """A permit for one more generation. Refusal if the client may not run it."""
        if isinstance(client, Client) and not client.may_generate:
            raise _no_access("generate")
        if len(prompt) > self._settings.max_prompt:
            message = f"prompt may have {self._settings.max_prompt} characters, not {len(prompt)}"
            raise Refusal("prompt_too_long", message, "prompt")
        address = client.address if isinstance(client, Client) else client or ""
        limit = self._settings.client_generations
        if self._generations[address] >= limit:
            message = f"{limit} generations of your address are running; wait for one to end"
            raise Refusal("too_many_generations", message, retry_after=_RETRY_GENERATION)
        return Permit(self._generations, address)

    def may_generate(self, access: str) -> bool:
        """Whether an access token lets its holder generate."""
        tokens = self._settings.generate_tokens
        return not tokens or _is_one_of(access, tokens)

    def check_may_generate(self, access: str) -> None:
        """Refusal unless an access token lets its holder generate."""
        if not self.may_generate(access):
            raise _no_access("generate", access)

    def check_may_join(self, access: str) -> None:
        """Refusal unless an access token lets its holder watch."""
        tokens = self._settings.join_tokens
        if tokens and not _is_one_of(access, (*tokens, *self._settings.generate_tokens)):
            raise _no_access("watch", access)


class Pace:
    """Limits a rate: `rate` a second, and bursts of a few seconds' worth."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate * _BURST)
        self._left = self._most
        self._then = asyncio.get_running_loop().time()

    def wait(self) -> float:
        """Counts a message and returns 0 if it may come now, else the seconds until it may."""
        self._refill()
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0

    def spend(self, cost: float) -> float:
        """Counts what has come already, and returns the seconds until more may come."""
        self._refill()
        self._left -= cost
        return max(0.0, -self._left / self._rate)

    def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        self._left = min(self._most, self._left + (now - self._then) * self._rate)
        self._then = now


def too_fast(rate: float, wait: float) -> Refusal:
    """The refusal of a message that came too soon."""
    return Refusal("too_fast", f"a socket may send {rate:g} messages a second", None, wait)


def client_of(request: web.Request, settings: Settings) -> str:
    """The address of a request's sender: the nearest one that is not a trusted proxy."""
    address = request.remote or ""
    named = request.headers.get("X-Forwarded-For", "").split(",")
    while named and _is_trusted(address, settings):
        further = named.pop().strip()
        if not _is_address(further):
            break
        address = further
    return address


def forwarded_proto(request: web.Request, settings: Settings) -> str:
    """The scheme that the client used, as a trusted proxy says; http if there is none."""
    if _is_trusted(request.remote or "", settings):
        return request.headers.get("X-Forwarded-Proto", "http").lower()
    return "http"


def unknown_proxy(request: web.Request, settings: Settings) -> str:
    """The address of a proxy that is not believed, or "": all its users count as that address."""
    address = request.remote or ""
    if _is_trusted(address, settings):
        # nginx in front of us knows which of its own clients are proxies.
        return request.headers.get("X-Unknown-Proxy", "")
    return address if "X-Forwarded-For" in request.headers else ""


def _is_trusted(address: str, settings: Settings) -> bool:
    if not _is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in settings.trusted_proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def access_of(request: web.Request) -> str:
    """The access token that a request shows: as bearer, or as `access` in its query."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else request.query.get("access", "")


def _is_one_of(access: str, tokens: tuple[str, ...]) -> bool:
    shown = access.encode(errors="surrogatepass")
    return any(secrets.compare_digest(shown, token.encode()) for token in tokens)


def _no_access(what: str, shown: str = "") -> Refusal:
    needed = f"an access token is needed to {what} here"
    message = f"{needed}; the one given is not one of them" if shown else needed
    return Refusal("no_access", message, "access")


def _count_down(counter: Counter[str], address: str) -> None:
    counter[address] -= 1
    if counter[address] <= 0:
        # Otherwise the counter would keep every address that ever came.
        del counter[address]
