"""Neuronpedia over HTTP: a source's bulk export, and one feature at a time for what it lacks.

Both raise Unavailable if there was no complete answer. Only "not found" means that there is
nothing.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import orjson

from axon_gateway import metrics
from axon_gateway.labels.records import FeatureRecord, from_api

_log = logging.getLogger(__name__)

_AGENT = "axon-gateway (labels)"
#: Most bytes of one answer, as sent and decompressed: far more than any proper one has.
_MOST_SENT = 64 * 2**20
_MOST_INFLATED = 512 * 2**20
#: Batches of the export under way at once.
_AT_ONCE = 4
#: Tries of one batch; the pauses between them double.
_TRIES = 4
#: Seconds for which the API is not asked: after a 429 that does not say how long, and after a
#: failure. Both start with the first number and double up to the second.
_LIMITED = (60.0, 3600.0)
_FAILED = (5.0, 300.0)
#: Requests to the API that may be open at once, however slowly it answers.
_OPEN = 4
_HOUR = 3600.0

_BATCH_TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=20)
_FEATURE_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)


class Unavailable(Exception):
    """No answer; `retry_after` is in how many seconds to ask again, None if that is not known."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, received whole and decompressed."""

    status: int
    headers: Mapping[str, str]
    #: As sent.
    raw: bytes
    body: bytes


class Http:
    """Answers of any status; Unavailable for anything that is not a whole answer."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, url: str, patience: aiohttp.ClientTimeout, method: str = "GET"
    ) -> Answer:
        """One answer. Redirects are followed."""
        try:
            async with self._open().request(method, url, timeout=patience) as response:
                raw = await _read(response)
                body = await asyncio.to_thread(inflate, raw)
                return Answer(response.status, response.headers, raw, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{url}: {error or type(error).__name__}") from None
        except zlib.error as error:
            raise Unavailable(f"{url}: damaged ({error})") from None

    async def close(self) -> None:
        """Ends the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"},
                # Files arrive as stored; `inflate` recognises a compressed one by its first bytes.
                auto_decompress=False,
                trust_env=True,
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(2**16):
        content += chunk
        if len(content) > _MOST_SENT:
            raise aiohttp.ClientPayloadError(f"more than {_MOST_SENT} bytes")
    return bytes(content)


def inflate(raw: bytes) -> bytes:
    """The content of gzip, anything else as it is. zlib.error if it is damaged or cut off."""
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    content = bytearray()
    # A file may be several gzip members, one after the other.
    while raw.startswith(b"\x1f\x8b"):
        member = zlib.decompressobj(wbits=31)
        content += member.decompress(raw, _MOST_INFLATED)
        if not member.eof:
            raise zlib.error("cut off, or too long")
        raw = member.unused_data
    return bytes(content)


@dataclass(frozen=True, slots=True)
class Batch:
    """One file of the export: its name, its bytes as stored, and its rows; empty if it failed."""

    name: str
    raw: bytes
    lines: list[bytes]
    failed: bool = False


class BulkExport:
    """The export at `base`; `patience` is the first pause in seconds after a failed try."""

    def __init__(self, http: Http, base: str, patience: float = 1.0) -> None:
        self._http = http
        self._base = base
        self._patience = patience

    async def count(self, source: str, kind: str) -> int:
        """How many batches of a kind there are, numbered from 0 without gaps.

        There is no list of them, so this searches for the end by doubling, then by bisection.
        """
        if not await self._exists(source, kind, 0):
            return 0
        low, high = 0, 1
        while await self._exists(source, kind, high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if await self._exists(source, kind, middle):
                low = middle
            else:
                high = middle
        return high

    async def batches(self, source: str, kind: str, count: int) -> AsyncGenerator[Batch, None]:
        """Batches 0 to `count` - 1 in order, some fetched ahead; one that failed is marked so."""
        ahead: deque[asyncio.Task[Batch]] = deque()
        try:
            for number in range(count):
                ahead.append(asyncio.create_task(self._batch(source, kind, number)))
                if len(ahead) >= _AT_ONCE:
                    yield await ahead.popleft()
            while ahead:
                yield await ahead.popleft()
        finally:
            for task in ahead:
                task.cancel()

    async def _exists(self, source: str, kind: str, number: int) -> bool:
        url = self._url(source, kind, batch_name(number))
        return (await self._insist(url, "HEAD")).status == 200

    async def _batch(self, source: str, kind: str, number: int) -> Batch:
        name = batch_name(number)
        try:
            answer = await self._insist(self._url(source, kind, name), "GET")
        except Unavailable as error:
            _log.warning("%s: %s %s is left out: %s", source, kind, name, error)
            return Batch(name, b"", [], failed=True)
        if answer.status != 200:
            return Batch(name, b"", [], failed=True)
        return Batch(name, answer.raw, answer.body.splitlines())

    async def _insist(self, url: str, method: str) -> Answer:
        """An answer 200, or 403 or 404: a store that does not list its files says "no such file"
        with either. Unavailable after several tries."""
        for attempt in range(_TRIES):
            try:
                answer = await self._http.request(url, _BATCH_TIMEOUT, method)
                if answer.status in (200, 403, 404):
                    metrics.LABEL_REQUESTS.labels("export", str(answer.status)).inc()
                    return answer
                pause = _retry_after(answer.headers)
                error = Unavailable(f"{url}: answered {answer.status}", pause)
            except Unavailable as unavailable:
                error = unavailable
            metrics.LABEL_REQUESTS.labels("export", "failed").inc()
            if attempt + 1 < _TRIES:
                wait = self._patience * 2**attempt
                await asyncio.sleep(max(wait, min(error.retry_after or 0.0, 60.0)))
        raise error

    def _url(self, source: str, kind: str, name: str) -> str:
        return f"{self._base}/{source}/{kind}/{name}"


def batch_name(number: int) -> str:
    """The export's name of its batch `number`."""
    return f"batch-{number}.jsonl.gz"


class FeatureApi:
    """One feature at a time from the API at `base`, at most `rate` a second.

    After an answer 429 or a failure it sends nothing for a while, and raises Unavailable at once.
    """

    def __init__(self, http: Http, base: str, rate: float) -> None:
        self._http = http
        self._base = base
        self._spacing = 1 / rate
        self._next = 0.0
        self._paused_until = 0.0
        #: How many answers 429, and how many failures, there were since the last proper answer.
        self._limits = self._failures = 0
        self._gate = asyncio.Semaphore(_OPEN)

    async def feature(self, source: str, index: int) -> FeatureRecord | None:
        """The record, None if Neuronpedia does not know the feature. Raises Unavailable."""
        await self._turn()
        async with self._gate:
            self._check()
            try:
                answer = await self._http.request(
                    f"{self._base}/{source}/{index}", _FEATURE_TIMEOUT
                )
                return self._judge(answer)
            except Unavailable as error:
                if error.retry_after is None:
                    raise self._failed(str(error)) from None
                raise

    def _judge(self, answer: Answer) -> FeatureRecord | None:
        if answer.status == 429:
            raise self._limited(answer)
        if answer.status not in (200, 404):
            raise Unavailable(f"answered {answer.status}")
        record = None
        if answer.status == 200:
            try:
                record = from_api(orjson.loads(answer.body))
            except (ValueError, KeyError, TypeError) as error:
                raise Unavailable(f"the answer is not a feature: {error}") from None
        metrics.LABEL_REQUESTS.labels("api", str(answer.status)).inc()
        self._limits = self._failures = 0
        return record

    async def _turn(self) -> None:
        """Waits until this request may be sent."""
        self._check()
        now = asyncio.get_running_loop().time()
        self._next = max(now, self._next) + self._spacing
        await asyncio.sleep(self._next - self._spacing - now)

    def _check(self) -> None:
        left = self._paused_until - asyncio.get_running_loop().time()
        if left > 0:
            raise Unavailable("Neuronpedia is not asked at present", left)

    def _limited(self, answer: Answer) -> Unavailable:
        metrics.LABEL_REQUESTS.labels("api", "429").inc()
        if per_hour := _limit_per_window(answer.body):
            self._spacing = max(self._spacing, _HOUR / per_hour)
        asked = _retry_after(answer.headers)
        seconds = asked if asked is not None else _doubled(_LIMITED, self._limits)
        self._limits += 1
        return self._pause(seconds, "Neuronpedia's limit is reached")

    def _failed(self, why: str) -> Unavailable:
        metrics.LABEL_REQUESTS.labels("api", "failed").inc()
        seconds = _doubled(_FAILED, self._failures)
        self._failures += 1
        return self._pause(seconds, f"Neuronpedia does not answer ({why})")

    def _pause(self, seconds: float, why: str) -> Unavailable:
        until = asyncio.get_running_loop().time() + seconds
        if until > self._paused_until:
            self._paused_until = until
            _log.warning("%s; missing labels are asked for again in %.0f s", why, seconds)
        return Unavailable(why, seconds)


def _doubled(bounds: tuple[float, float], times: int) -> float:
    first, most = bounds
    return min(first * 2.0 ** min(times, 30), most)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a Retry-After header names, as a number or as a date; None without one."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _HOUR)
    # A date without a zone is not one of HTTP's; subtracting it is a TypeError.
    with suppress(ValueError, TypeError):
        left = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        return min(max(left, 0.0), _HOUR)
    return None


def _limit_per_window(body: bytes) -> int | None:
    """The requests an hour that a 429 says are allowed."""
    with suppress(ValueError, KeyError, TypeError):
        limit = orjson.loads(body)["limitPerWindow"]
        if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
            return limit
    return None
