"""Neuronpedia's API: one feature at a time, for what the export lacks."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import aiohttp
import orjson

from axon_gateway import metrics
from axon_gateway.labels.http import Answer, Http, Unavailable
from axon_gateway.labels.records import FeatureRecord, Row, from_api

_log = logging.getLogger(__name__)

#: Seconds for which the API is not asked: after a 429 that does not say how long, and after a
#: failure. Both start with the first number and double up to the second.
_LIMITED = (60.0, 3600.0)
_FAILED = (5.0, 300.0)
#: Requests to the API that may be open at once, however slowly it answers.
_OPEN = 4
_HOUR = 3600.0
_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)


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
        answer = await self.answer(source, index)
        return None if answer is None else from_api(answer)

    async def answer(self, source: str, index: int) -> Row | None:
        """The answer as it is, which `from_api` can read; otherwise the same."""
        await self._turn()
        async with self._gate:
            self._check()
            try:
                answer = await self._http.request(f"{self._base}/{source}/{index}", _TIMEOUT)
                return self._judge(answer)
            except Unavailable as error:
                if error.retry_after is None:
                    raise self._failed(str(error)) from None
                raise

    def _judge(self, answer: Answer) -> Row | None:
        if answer.status == 429:
            raise self._limited(answer)
        if answer.status not in (200, 404):
            raise Unavailable(f"answered {answer.status}")
        row: Row | None = None
        if answer.status == 200:
            try:
                row = orjson.loads(answer.body)
                from_api(row)
            except (ValueError, KeyError, TypeError) as error:
                raise Unavailable(f"the answer is not a feature: {error}") from None
        metrics.LABEL_REQUESTS.labels("api", str(answer.status)).inc()
        self._limits = self._failures = 0
        return row

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
        asked = answer.retry_after
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


def _limit_per_window(body: bytes) -> int | None:
    """The requests an hour that a 429 says are allowed."""
    with suppress(ValueError, KeyError, TypeError):
        limit = orjson.loads(body)["limitPerWindow"]
        if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
            return limit
    return None
