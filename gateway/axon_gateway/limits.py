"""How much one client may do at once: sockets, generations, messages, questions, recordings."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator

from axon_gateway.clients import Client
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


class Permit:
    """Some of the branches that a client may run at once. Only the first `release` counts."""

    def __init__(self, running: Counter[str], address: str, branches: int) -> None:
        self._running = running
        self._address: str | None = address
        self._branches = branches
        running[address] += branches

    def release(self) -> None:
        """The generation has ended."""
        if self._address is not None:
            _count_down(self._running, self._address, self._branches)
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
    """Counts by client."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sockets: Counter[str] = Counter()
        self._generations: Counter[str] = Counter()
        self._recordings = asyncio.Semaphore(_MOST_RECORDINGS)
        self.searches = Turns("searches for features", _SEARCHES, settings.client_searches)
        self.facts = Turns("questions about features", _FACTS, _QUESTIONS)
        self.features = Turns("questions about one feature", _FEATURES, _QUESTIONS)
        # Inference has its own turns for these.
        most = settings.client_explanations
        self.explanations = Turns("explanations", _ADDRESSES * most, most)

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

    def check_prompt(self, prompt: str) -> None:
        """Refusal of a prompt that is too long."""
        if len(prompt) > self._settings.max_prompt:
            message = f"prompt may have {self._settings.max_prompt} characters, not {len(prompt)}"
            raise Refusal("prompt_too_long", message, "prompt")

    def generation(self, client: Client | str | None, prompt: str, branches: int = 1) -> Permit:
        """A permit for one more generation, each of whose branches counts as one.

        Refusal if the client may not run it.
        """
        if isinstance(client, Client):
            client.check_may_generate()
        self.check_prompt(prompt)
        address = client.address if isinstance(client, Client) else client or ""
        limit = self._settings.client_generations
        if branches > limit:
            message = f"a request may have {limit} branches here, not {branches}"
            raise Refusal("too_many_generations", message, "branches")
        if self._generations[address] + branches > limit:
            message = f"{limit} generations of your address are running; wait for one to end"
            raise Refusal("too_many_generations", message, retry_after=_RETRY_GENERATION)
        return Permit(self._generations, address, branches)


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


def _count_down(counter: Counter[str], address: str, count: int = 1) -> None:
    counter[address] -= count
    if counter[address] <= 0:
        # Otherwise the counter would keep every address that ever came.
        del counter[address]
