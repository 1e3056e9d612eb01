"""Labels in Redis, shared by all gateways: what exports gave, and the API's answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import orjson
import redis as blocking
import redis.asyncio as redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import LockError, RedisError
from redis.retry import Retry

from axon_gateway.labels.records import SHAPE, FeatureRecord

_log = logging.getLogger(__name__)

#: The field of a source's hash that says what it was filled from. No feature has this index.
_FILLED = "@"
_ROWS_AT_ONCE = 1000
_TIMEOUT = 2.0
#: Connections. If all are taken, a request waits for one, which does not take long.
_CONNECTIONS = 8
#: Seconds after which the lock of a gateway that died is free again; one that lives renews it.
_LOCK = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as stored; `asked` is when (Unix time) the API said there is no label, or None."""

    record: FeatureRecord
    asked: float | None = None


@dataclass(frozen=True, slots=True)
class Filling:
    """What a source's hash was filled from, and until when (Unix time) that counts."""

    fingerprint: str
    #: None: for good.
    until: float | None

    def left(self) -> float:
        """Seconds for which it still counts."""
        return float("inf") if self.until is None else max(0.0, self.until - time.time())


@dataclass(frozen=True, slots=True)
class Kept:
    """All that Redis has of a source."""

    filling: Filling | None
    records: dict[int, FeatureRecord]
    answers: dict[int, Entry]


class LabelStore:
    """The labels of all sources in one Redis. Every method may raise RedisError."""

    def __init__(self, url: str) -> None:
        limits: dict[str, Any] = {"socket_connect_timeout": _TIMEOUT, "socket_timeout": _TIMEOUT}
        # Tries again once, at once: Redis may have restarted since a pooled connection was made.
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=None,
            retry=AsyncRetry(NoBackoff(), 1),
            **limits,
        )
        self._redis = redis.Redis.from_pool(pool)
        self._reader = blocking.Redis.from_url(url, retry=Retry(NoBackoff(), 1), **limits)

    async def everything(self, source: str) -> Kept:
        """All that is kept of a source; read in a thread, since it may be much."""
        return await asyncio.to_thread(self._everything, source)

    async def answers(self, wanted: Mapping[str, Iterable[int]]) -> dict[str, dict[int, Entry]]:
        """What the API has said of features, by source, as far as it was asked: one round trip."""
        lists = {source: list(indices) for source, indices in wanted.items()}
        async with self._redis.pipeline(transaction=False) as pipeline:
            for source, indices in lists.items():
                pipeline.hmget(_answers(source), list(map(str, indices)))
            values: list[list[Any]] = await pipeline.execute()
        return {
            source: dict(_known(zip(indices, found, strict=True)))
            for (source, indices), found in zip(lists.items(), values, strict=True)
        }

    async def put(self, source: str, index: int, entry: Entry) -> None:
        """Keeps what the API said of one feature."""
        await self._redis.hset(_answers(source), str(index), _encoded(entry))

    async def filling(self, source: str) -> Filling | None:
        """What the source was filled from."""
        return _filling(await self._redis.hget(_key(source), _FILLED))

    async def fill(
        self,
        source: str,
        fingerprint: str,
        records: Mapping[int, FeatureRecord],
        lasts: float | None = None,
    ) -> None:
        """Stores what an export gave. It counts for `lasts` seconds, or for good if that is None.

        A whole export replaces what is there atomically, so that nobody ever reads half of it. One
        that does not count for good is a part, and is added to what the same export gave before.
        """
        before = await self.filling(source)
        part = lasts is not None and before is not None and before.fingerprint == fingerprint
        key = _key(source) if part else f"{_key(source)}:draft:{secrets.token_hex(8)}"
        until = None if lasts is None else time.time() + lasts
        marker = orjson.dumps({"of": fingerprint, "shape": SHAPE, "until": until})
        await self._redis.hset(key, _FILLED, marker)
        if not part:
            # If this process dies now, the draft expires.
            await self._redis.expire(key, 600)
        rows = list(records.items())
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            mapping: dict[Any, Any] = {str(i): _encoded(Entry(record)) for i, record in some}
            await self._redis.hset(key, mapping=mapping)
        if not part:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.persist(key)
                pipeline.rename(key, _key(source))
                await pipeline.execute()

    @contextlib.asynccontextmanager
    async def lock(self, source: str) -> AsyncIterator[bool]:
        """A block that gets True if it alone, among all gateways, fills the source, else False."""
        lock = self._redis.lock(f"{_key(source)}:lock", timeout=_LOCK, blocking=False)
        if not await lock.acquire():
            yield False
            return

        async def renew() -> None:
            while True:
                await asyncio.sleep(_LOCK / 3)
                try:
                    await lock.extend(_LOCK, replace_ttl=True)
                except (LockError, RedisError) as error:
                    # Goes on: at worst two gateways write the same labels.
                    _log.warning("%s: the lock could not be renewed: %s", source, error)

        renewing = asyncio.create_task(renew())
        try:
            yield True
        finally:
            renewing.cancel()
            with contextlib.suppress(LockError, RedisError):
                await lock.release()

    async def close(self) -> None:
        """Ends the connections."""
        await self._redis.aclose()
        self._reader.close()

    def _everything(self, source: str) -> Kept:
        value = cast(bytes | None, self._reader.hget(_key(source), _FILLED))
        records = {index: entry.record for index, entry in self._entries(_key(source))}
        return Kept(_filling(value), records, dict(self._entries(_answers(source))))

    def _entries(self, key: str) -> Iterator[tuple[int, Entry]]:
        """All entries of a hash, read in portions, so that Redis can serve others in between."""
        rows = self._reader.hscan_iter(key, count=_ROWS_AT_ONCE)
        yield from _known((int(name), value) for name, value in rows if name.isdigit())


def _key(source: str) -> str:
    return f"axon:labels:{source}"


def _answers(source: str) -> str:
    """Not in the export's hash, since that is replaced and the answers stay."""
    return f"{_key(source)}:answers"


def _encoded(entry: Entry) -> bytes:
    return orjson.dumps({**asdict(entry.record), "asked": entry.asked})


def _entry(value: bytes | None) -> Entry | None:
    if value is None:
        return None
    try:
        kept = orjson.loads(value)
        asked = kept.pop("asked", None)
        return Entry(FeatureRecord(**kept), asked)
    except (ValueError, TypeError, AttributeError):
        return None  # stored by another version


def _known(pairs: Iterable[tuple[int, bytes | None]]) -> Iterator[tuple[int, Entry]]:
    """Those of the pairs that have an entry, decoded."""
    for index, value in pairs:
        if (entry := _entry(value)) is not None:
            yield index, entry


def _filling(value: bytes | str | None) -> Filling | None:
    """What a source was filled from; None if nothing, or by another version."""
    try:
        marker = orjson.loads(value or b"null")
        return Filling(marker["of"], marker["until"]) if marker["shape"] == SHAPE else None
    except (ValueError, KeyError, TypeError):
        return None
