"""Labels of features: from files into Redis on first use, from Redis into a bounded cache.

Nothing that streams tokens waits for any of this: `known` answers from memory, `look_up` runs
beside the stream. A failure is never remembered as an answer; that there is no label is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from axon_gateway.errors import Refusal
from axon_gateway.label_files import FeatureRecord, LabelFiles

_log = logging.getLogger(__name__)

#: The field of a source's hash that says which files it was filled from. No feature has this index.
_FILLED = "@"
_ROWS_PER_WRITE = 1000
#: Seconds without another try after Redis has failed: a dead one must not cost a timeout per token.
_PAUSE = 2.0
_TIMEOUT = 2.0


def _key(source: str) -> str:
    return f"axon:labels:{source}"


class Labels:
    """Labels by source and feature index; `cache_size` bounds those kept in this process."""

    def __init__(self, redis_url: str, folder: Path | None, cache_size: int) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(
            redis_url,
            socket_connect_timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            # Once, at once: a pooled connection may be older than the Redis it led to.
            retry=Retry(NoBackoff(), 1),
        )
        self._files = LabelFiles(folder)
        self._cache: dict[tuple[str, int], str | None] = {}
        self._cache_size = cache_size
        self._filling: dict[str, asyncio.Task[None]] = {}
        self._retry_at = 0.0
        #: False from the first failure of Redis to the next success.
        self.available = True

    def known(self, source: str, index: int) -> str | None:
        """The label, None if there is none or it is not known yet. Never waits."""
        return self._cache.get((source, index))

    def missing(self, source: str, indices: Iterable[int]) -> set[int]:
        """Those of `indices` about which nothing is known yet, not even that no label exists."""
        return {index for index in indices if (source, index) not in self._cache}

    async def look_up(self, source: str, indices: Iterable[int]) -> dict[int, str]:
        """The labels of those of `indices` that have one. Raises Refusal if Redis fails."""
        records = await self._records(source, list(indices))
        for index, record in records.items():
            self._remember(source, index, record.label if record else None)
        return {i: r.label for i, r in records.items() if r is not None and r.label is not None}

    async def feature(self, source: str, index: int) -> FeatureRecord:
        """Everything known about one feature. Raises Refusal if Redis fails."""
        record = (await self._records(source, [index]))[index]
        return record or FeatureRecord()

    async def prepare(self, source: str) -> None:
        """Fills Redis with a source's labels unless it holds them. Raises Refusal if it fails."""
        async with self._talking():
            await self._fill_once(source)

    async def close(self) -> None:
        """Ends unfinished work and the connections."""
        tasks = list(self._filling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()

    async def _records(self, source: str, indices: list[int]) -> dict[int, FeatureRecord | None]:
        async with self._talking():
            values = await self._read(source, indices)
            if values[0] is None:
                # Never filled, or Redis has lost it (restarted empty, evicted, flushed).
                await self._fill_once(source)
                values = await self._read(source, indices)
        return {
            index: FeatureRecord(**orjson.loads(value)) if value is not None else None
            for index, value in zip(indices, values[1:], strict=True)
        }

    async def _read(self, source: str, indices: list[int]) -> list[bytes | None]:
        fields = [_FILLED, *map(str, indices)]
        values: list[Any] = await self._redis.hmget(_key(source), fields)
        return values

    async def _fill_once(self, source: str) -> None:
        """Fills a source's hash; everybody who asks meanwhile waits for the same filling."""
        task = self._filling.get(source)
        if task is None:
            task = asyncio.create_task(self._fill(source))
            self._filling[source] = task
            task.add_done_callback(lambda done: self._filled(source, done))
        # Shielded: the one who leaves must not take the filling away from those who stay.
        await asyncio.shield(task)

    def _filled(self, source: str, task: asyncio.Task[None]) -> None:
        del self._filling[source]
        if not task.cancelled():
            # Fetched even if nobody waits any more: asyncio complains of errors never looked at.
            task.exception()

    async def _fill(self, source: str) -> None:
        fingerprint = await asyncio.to_thread(self._files.fingerprint, source)
        if await self._redis.hget(_key(source), _FILLED) == fingerprint.encode():
            return
        records = await asyncio.to_thread(self._files.read, source)
        await self._write(source, fingerprint, records)
        if records:
            _log.info("%s: %d labels loaded", source, len(records))

    async def _write(
        self, source: str, fingerprint: str, records: dict[int, FeatureRecord]
    ) -> None:
        """Replaces a source's hash in one move, so that nobody ever reads half of it."""
        draft = f"{_key(source)}:draft:{secrets.token_hex(8)}"
        await self._redis.hset(draft, _FILLED, fingerprint)
        # Should this process die now, the draft goes too.
        await self._redis.expire(draft, 600)
        rows: list[tuple[int, FeatureRecord]] = list(records.items())
        for start in range(0, len(rows), _ROWS_PER_WRITE):
            some = rows[start : start + _ROWS_PER_WRITE]
            mapping: dict[Any, Any] = {str(i): orjson.dumps(asdict(record)) for i, record in some}
            await self._redis.hset(draft, mapping=mapping)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.persist(draft)
            pipeline.rename(draft, _key(source))
            await pipeline.execute()

    def _remember(self, source: str, index: int, label: str | None) -> None:
        self._cache[source, index] = label
        if len(self._cache) > self._cache_size:
            # Dictionaries keep order of insertion: the first key is the oldest entry.
            del self._cache[next(iter(self._cache))]

    @contextlib.asynccontextmanager
    async def _talking(self) -> AsyncIterator[None]:
        """A block that talks to Redis: its failures become refusals, and pause further tries."""
        if asyncio.get_running_loop().time() < self._retry_at:
            raise _off()
        try:
            yield
        except (RedisError, ConnectionError, TimeoutError) as error:
            self._retry_at = asyncio.get_running_loop().time() + _PAUSE
            if self.available:
                _log.warning("Redis does not answer, labels are off until it does: %s", error)
            self.available = False
            raise _off() from None
        if not self.available:
            _log.info("Redis answers again, labels are on")
        self.available = True


def _off() -> Refusal:
    return Refusal("labels_unavailable", "labels are off: Redis does not answer", None, _PAUSE)
