"""Labels in Redis, shared by all gateways: one hash per source, a lock for whoever fills it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import LockError, RedisError

from axon_gateway.labels.records import SHAPE, FeatureRecord

_log = logging.getLogger(__name__)

#: The field of a source's hash that says what it was filled from. No feature has this index.
_FILLED = "@"
_ROWS_AT_ONCE = 1000
_TIMEOUT = 2.0
#: Seconds after which the lock of a gateway that died is free again; it is renewed meanwhile.
_LOCK = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it is kept; `asked` is when (Unix time) the API had no label, None if not so."""

    record: FeatureRecord
    asked: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The entries asked for, None where there are none."""

    #: Whether the source is filled.
    filled: bool
    #: Whether what is not here is not in what it was filled from, either.
    whole: bool
    entries: dict[int, Entry | None]


class LabelStore:
    """The labels of all sources in one Redis. Every method may raise RedisError."""

    def __init__(self, url: str) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(
            url,
            socket_connect_timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            # Once, at once: a pooled connection may be older than the Redis it led to.
            retry=Retry(NoBackoff(), 1),
        )

    async def read(self, source: str, indices: Sequence[int]) -> Page:
        """What is known of some features."""
        names = [_FILLED, *map(str, indices)]
        values: list[Any] = await self._redis.hmget(_key(source), names)
        entries = {i: _entry(value) for i, value in zip(indices, values[1:], strict=True)}
        marker = _marker(values[0])
        return Page(_lasts(marker), marker is not None and marker["until"] is None, entries)

    async def labels(self, source: str) -> dict[int, str]:
        """Every label of a source, read in portions: others have their turn between two."""
        found: dict[int, str] = {}
        async for name, value in self._redis.hscan_iter(_key(source), count=_ROWS_AT_ONCE):
            entry = None if name == _FILLED.encode() else _entry(value)
            if entry is not None and entry.record.label is not None:
                found[int(name)] = entry.record.label
        return found

    async def filled(self, source: str, fingerprint: str) -> bool:
        """Whether the source was filled from what has this fingerprint, and still counts."""
        marker = _marker(await self._redis.hget(_key(source), _FILLED))
        return marker is not None and marker["of"] == fingerprint and _lasts(marker)

    async def put(self, source: str, index: int, entry: Entry) -> None:
        """Keeps what is known of one feature."""
        await self._redis.hset(_key(source), str(index), _encoded(entry))

    async def replace(
        self,
        source: str,
        fingerprint: str,
        records: Mapping[int, FeatureRecord],
        lasts: float | None = None,
    ) -> None:
        """Replaces a source's hash in one move, so that nobody ever reads half of it.

        It counts as filled for `lasts` seconds, None means for good.
        """
        until = None if lasts is None else time.time() + lasts
        marker = orjson.dumps({"of": fingerprint, "shape": SHAPE, "until": until})
        draft = f"{_key(source)}:draft:{secrets.token_hex(8)}"
        await self._redis.hset(draft, _FILLED, marker)
        # Should this process die now, the draft goes too.
        await self._redis.expire(draft, 600)
        rows = list(records.items())
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            mapping: dict[Any, Any] = {str(i): _encoded(Entry(record)) for i, record in some}
            await self._redis.hset(draft, mapping=mapping)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.persist(draft)
            pipeline.rename(draft, _key(source))
            await pipeline.execute()

    @contextlib.asynccontextmanager
    async def lock(self, source: str) -> AsyncIterator[bool]:
        """Whether this block alone, among all gateways, fills the source."""
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


def _key(source: str) -> str:
    return f"axon:labels:{source}"


def _encoded(entry: Entry) -> bytes:
    return orjson.dumps({**asdict(entry.record), "asked": entry.asked})


def _entry(value: bytes | None) -> Entry | None:
    if value is None:
        return None
    kept = orjson.loads(value)
    asked = kept.pop("asked", None)
    try:
        return Entry(FeatureRecord(**kept), asked)
    except TypeError:
        return None  # kept by another version


def _marker(value: bytes | str | None) -> dict[str, Any] | None:
    """What a source was filled from and until when that counts; None if by another version."""
    try:
        marker = orjson.loads(value or b"null")
        return marker if marker["shape"] == SHAPE and marker.keys() >= {"of", "until"} else None
    except (ValueError, KeyError, TypeError):
        return None


def _lasts(marker: dict[str, Any] | None) -> bool:
    return marker is not None and (marker["until"] is None or time.time() < marker["until"])
