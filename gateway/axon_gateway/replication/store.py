"""Shared rooms in Redis, as one gateway reads and writes them. `scripts` describes the keys."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from axon_gateway.errors import Refusal
from axon_gateway.replication import scripts
from axon_gateway.requests import WORD, View, hall_question
from axon_gateway.rooms.hall import (
    MOST_VOTERS,
    MOST_WAITING,
    MOST_WORDS,
    Asked,
    Place,
    line_full,
    question_closed,
    question_open,
)
from axon_gateway.rooms.log import Entry, RoomLog, ends_generation

_log = logging.getLogger(__name__)

#: Seconds for one answer of Redis, and for a connection to become free.
_TIMEOUT = 2.0
#: Connections at once. If all are taken, a request waits for one.
_CONNECTIONS = 32
#: Seconds that one read waits for something new.
_BLOCK = 1.0
_GATEWAYS = "axon:gateways"
#: Redis' failures, and those of the connection to it.
FAILURES = (RedisError, OSError, TimeoutError)
#: Entries of one read of a log.
_PAGE = 500
#: Bytes of frames in one write of a room.
WRITE_BYTES = 256 * 1024
#: Seconds between two tries while Redis is gone.
RETRY = 0.5
#: Fields of a room's meta from which on new words of a vote are counted together.
_MOST_FIELDS = MOST_WORDS + 4 * MOST_WAITING
#: Requests kept for a gateway that does not read them.
_MOST_REQUESTS = 1000


@dataclass(frozen=True, slots=True)
class HallMeta:
    """What all gateways know of a room's hall."""

    #: The open question, when Redis got it, the votes by choice, and the one closed last.
    asked: Asked | None
    opened: str
    counts: Mapping[str, int]
    closed: str
    #: The line, the first one first, with places of dead gateways; and when Redis began it.
    line: tuple[Place, ...]
    lined: str


@dataclass(frozen=True, slots=True)
class Meta:
    """What all gateways know of a room."""

    token_hash: str
    open: bool
    #: The gateway with the lease, that lease's epoch, and the number at which it began.
    home: str
    epoch: int
    since: int
    running: bool
    #: The newest frame's number; 0 if there is none.
    last: int
    #: Viewers by gateway, dead ones included.
    viewers: Mapping[str, int]
    #: Gateways with a presenter.
    presenting: frozenset[str]
    view: View | None
    hall: HallMeta


@dataclass(frozen=True, slots=True)
class PresenceReport:
    """What a gateway says of a room; if `is_open` or `view` is None, that stays as it is."""

    id: str
    viewers: int
    presenting: bool
    is_open: bool | None
    view: View | None
    #: The room has expired at this gateway.
    expired: bool
    #: The log's epoch, its first frame kept, and the last one of its head.
    epoch: int
    first: int
    head_last: int


class RoomStore:
    """One gateway's access to the rooms in Redis. Failures raise redis-py's errors, or OSError.

    `idle` is how many seconds a room without viewers is kept.
    """

    def __init__(self, url: str, gateway: str, idle: float) -> None:
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            # Once, at once: Redis may have restarted since a pooled connection was made.
            retry=Retry(NoBackoff(), 1),
        )
        self._redis: redis.Redis = redis.Redis.from_pool(pool)
        self._gateway = gateway
        self._idle_ms = max(1, int(idle * 1000))

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()

    async def heartbeat(self) -> dict[str, int]:
        """Says that this gateway lives; returns how often each gateway has said so."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hincrby(_GATEWAYS, self._gateway, 1)
            pipeline.expire(_GATEWAYS, scripts.LIFETIME)
            pipeline.hgetall(_GATEWAYS)
            counts = (await pipeline.execute())[-1]
        return {name.decode(): int(count) for name, count in counts.items()}

    async def sign_off(self, gateway: str) -> None:
        """Says that a gateway lives no longer."""
        await self._redis.hdel(_GATEWAYS, gateway)

    async def metas(self, ids: Sequence[str]) -> list[Meta | None]:
        """What is known of each room; None for those that are not there."""
        answers = await self._pipelined([(scripts.META, id_, ()) for id_ in ids])
        return [_meta(fields, last) for fields, last in answers]

    async def append(self, writes: Sequence[tuple[str, RoomLog, Sequence[Entry]]]) -> list[str]:
        """Adds frames to several rooms' logs, under the lease whose epoch the log has.

        For each, the answer is: appended; absent (there is no such room); stale (the lease
        is another gateway's); behind (Redis has lost frames that come before these); or failed
        (Redis refuses this write; the log says why).
        """
        calls = []
        for id_, log, entries in writes:
            frames: list[Any] = []
            for entry in entries:
                ends = int(ends_generation(entry.encoded))
                frames += [entry.seq, int(entry.begins), ends, entry.encoded]
            lease = (self._gateway, log.epoch, log.first, log.head_last)
            calls.append((scripts.APPEND, id_, (*lease, *frames)))
        return [_appended(answer) for answer in await self._pipelined(calls, raise_on_error=False)]

    async def restore(
        self,
        id_: str,
        token_hash: str,
        known: Meta | None,
        log: RoomLog,
        *,
        is_open: bool,
        home: str,
        running: bool,
    ) -> bool:
        """Gives Redis what it lacks of a room; `known` is what it has.

        False if it has something else by now.
        """
        epoch, last = (known.epoch, known.last) if known else ("", 0)
        lease = (int(is_open), home, log.epoch, log.epochs.since, int(running), self._idle_ms)
        while True:
            entries = log.entries(last, WRITE_BYTES)
            frames: list[Any] = []
            for entry in entries:
                frames += [entry.seq, int(entry.begins), entry.epoch, entry.since, entry.encoded]
            call = (scripts.RESTORE, id_, (token_hash, epoch, last, *lease, *frames))
            [(answer, last)] = await self._pipelined([call])
            if answer != b"restored" or last >= log.last or not entries:
                return bool(answer == b"restored")
            epoch = log.epoch

    async def acquire_lease(self, id_: str, token_hash: str, log: RoomLog) -> tuple[str, int, int]:
        """Asks for the lease of a room: an answer, and the lease's epoch and since.

        The answer is ours; busy (another gateway generates); changed (`log` is not all there is,
        or the room is another one of this name); or absent.
        """
        call = (scripts.ACQUIRE, id_, (self._gateway, token_hash, log.epoch, log.last))
        [(answer, epoch, since)] = await self._pipelined([call])
        return answer.decode(), int(epoch), int(since)

    async def release_lease(self, id_: str, epoch: int) -> None:
        """Says that this gateway generates no longer in the room."""
        await self._pipelined([(scripts.RELEASE, id_, (self._gateway, epoch))])

    async def end_lost(self, id_: str, dead: str, log: RoomLog, frame: bytes) -> bool:
        """Ends a dead gateway's generation with `frame`; False if there is nothing to end."""
        args = (self._gateway, dead, log.epoch, log.last, frame)
        [done] = await self._pipelined([(scripts.END_LOST, id_, args)])
        return bool(done)

    async def publish_presence(self, reports: Sequence[PresenceReport]) -> list[bool]:
        """Reports who is in several rooms, and their state; False for those that are not there."""
        calls = []
        for room in reports:
            is_open = "" if room.is_open is None else int(room.is_open)
            view = b"" if room.view is None else orjson.dumps(room.view)
            here = (room.viewers, int(room.presenting), is_open, view)
            kept = (self._idle_ms, int(room.expired), room.epoch, room.first, room.head_last)
            calls.append((scripts.PRESENCE, room.id, (self._gateway, *here, *kept)))
        return [bool(found) for found in await self._pipelined(calls)]

    async def open_question(self, id_: str, asked: Asked) -> None:
        """Asks the hall. Refusal if another question is open."""
        question = orjson.dumps(asked.question.body())
        [answer] = await self._pipelined([(scripts.OPEN, id_, (asked.id, question))])
        if answer != b"opened":
            raise question_open() if answer == b"open" else unavailable()

    async def cast(
        self, casts: Sequence[tuple[str, Asked, Mapping[str, str]]]
    ) -> list[Meta | None]:
        """Counts votes, by voter, on the questions of several rooms; what is known of each then."""
        bounds = (MOST_VOTERS, _MOST_FIELDS, WORD)
        calls = [
            (
                scripts.CAST,
                id_,
                (asked.id, *bounds, *(part for vote in votes.items() for part in vote)),
            )
            for id_, asked, votes in casts
        ]
        return [_meta(fields, last) for fields, last in await self._pipelined(calls)]

    async def close_question(self, id_: str, asked: Asked) -> dict[str, int]:
        """Ends a vote; the votes by choice. Refusal if it is not open."""
        [(closed, found)] = await self._pipelined([(scripts.CLOSE, id_, (asked.id,))])
        if not closed:
            raise question_closed()
        return {choice.decode(): int(n) for choice, n in zip(found[::2], found[1::2], strict=True)}

    async def join_line(self, id_: str, place: Place) -> tuple[Place, str]:
        """Adds a place to the line; also tells when the line began. Refusal if it is full."""
        since = str(place.since) if place.since else ""
        args = (place.id, self._gateway, place.name, since, MOST_WAITING)
        [(answer, name, at, lined)] = await self._pipelined([(scripts.JOIN, id_, args)])
        if answer != b"joined":
            raise line_full() if answer == b"full" else unavailable()
        return Place(place.id, name.decode(), self._gateway, int(at)), lined.decode()

    async def leave_line(self, id_: str, places: Sequence[str]) -> None:
        """Takes places out of the line."""
        await self._pipelined([(scripts.LEAVE, id_, tuple(places))])

    async def entries(self, id_: str, after: int) -> list[Entry]:
        """Frames that follow `after`, a page of them; empty when there are no more."""
        found: Any = await self._redis.xrange(_log_key(id_), min=f"{after + 1}-0", count=_PAGE)
        return [_entry(entry) for entry in found or ()]

    async def read_news(
        self, last: str, offsets: Mapping[str, int]
    ) -> tuple[list[tuple[str, str]], dict[str, list[Entry]]]:
        """Waits for requests to this gateway after the `last` one, and for frames of rooms after
        their `offsets`. A request is (entry, text)."""
        streams: dict[Any, Any] = {_requests_key(self._gateway): last}
        names = {_log_key(id_).encode(): id_ for id_ in offsets}
        streams |= {_log_key(id_): f"{seq}-0" for id_, seq in offsets.items()}
        found: Any = await self._redis.xread(streams, count=_PAGE, block=int(_BLOCK * 1000))
        requests: list[tuple[str, str]] = []
        frames: dict[str, list[Entry]] = {}
        for name, entries in found or ():
            if name in names:
                frames[names[name]] = [_entry(entry) for entry in entries]
            else:
                requests += [(key.decode(), fields[b"ask"].decode()) for key, fields in entries]
        return requests, frames

    async def request(self, gateway: str, request: str) -> None:
        """Asks something of a gateway."""
        key = _requests_key(gateway)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xadd(key, {"ask": request}, maxlen=_MOST_REQUESTS)
            pipeline.expire(key, scripts.LIFETIME)
            await pipeline.execute()

    async def _pipelined(
        self, calls: Sequence[tuple[str, str, Sequence[Any]]], raise_on_error: bool = True
    ) -> list[Any]:
        """Runs a script for each of several rooms in one round trip."""
        if not calls:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            for script, id_, args in calls:
                # EVAL, since EVALSHA in a pipeline costs a further round trip every time.
                keys = (_meta_key(id_), _log_key(id_), _votes_key(id_))
                await pipeline.eval(script, len(keys), *keys, *args)
            answers: list[Any] = await pipeline.execute(raise_on_error)
        return answers


def unavailable() -> Refusal:
    """What viewers of a shared room are told while Redis is gone."""
    message = "this room waits for Redis, which does not answer; it goes on once Redis does"
    return Refusal("rooms_unavailable", message, None, RETRY * 4)


def _appended(answer: Any) -> str:
    if isinstance(answer, RedisError):
        _log.warning("Redis refuses to keep a frame: %s", answer)
        return "failed"
    return str(answer[0], "ascii")


def _meta_key(id_: str) -> str:
    return f"axon:room:{id_}:meta"


def _log_key(id_: str) -> str:
    return f"axon:room:{id_}:frames"


def _votes_key(id_: str) -> str:
    return f"axon:room:{id_}:votes"


def _requests_key(gateway: str) -> str:
    return f"axon:gateway:{gateway}"


def _entry(entry: tuple[bytes, Mapping[bytes, bytes]]) -> Entry:
    key, fields = entry
    seq = int(key.partition(b"-")[0])
    begins, epoch, since = (int(fields[name]) for name in (b"begins", b"epoch", b"since"))
    return Entry(seq, fields[b"frame"], begins == 1, epoch, since)


def _meta(found: Sequence[bytes], last: int) -> Meta | None:
    fields = dict(zip(found[::2], found[1::2], strict=True))
    if b"epoch" not in fields:
        return None
    return Meta(
        token_hash=fields[b"token"].decode(),
        open=fields[b"open"] == b"1",
        home=fields[b"home"].decode(),
        epoch=int(fields[b"epoch"]),
        since=int(fields[b"since"]),
        running=fields[b"running"] == b"1",
        last=last,
        viewers={name: int(count) for name, count in _by_name(fields, b"viewers:")},
        presenting=frozenset(name for name, _ in _by_name(fields, b"presenter:")),
        view=_view(fields.get(b"view")),
        hall=HallMeta(
            asked=_asked(fields),
            opened=fields.get(b"opened", b"").decode(),
            counts={choice: int(count) for choice, count in _by_name(fields, b"votes:")},
            closed=fields.get(b"closed", b"").decode(),
            line=_line(fields),
            lined=fields.get(b"lined", b"").decode(),
        ),
    )


def _by_name(fields: Mapping[bytes, bytes], kind: bytes) -> Iterable[tuple[str, bytes]]:
    for name, value in fields.items():
        if name.startswith(kind):
            yield name[len(kind) :].decode(), value


def _view(value: bytes | None) -> View | None:
    if value is None:
        return None
    fields = orjson.loads(value)
    lists = (fields.get("filters"), fields.get("sources"))
    shown = (None if one is None else tuple(one) for one in lists)
    return View(tuple(fields["pose"]), fields["feature"], fields["token"], *shown)


def _asked(fields: Mapping[bytes, bytes]) -> Asked | None:
    if b"question" not in fields:
        return None
    return Asked(fields[b"asked"].decode(), hall_question(orjson.loads(fields[b"question"])))


def _line(fields: Mapping[bytes, bytes]) -> tuple[Place, ...]:
    places = []
    for id_, value in _by_name(fields, b"line:"):
        since, gateway, name = value.decode().split("\n", 2)
        places.append(Place(id_, name, gateway, int(since)))
    return tuple(sorted(places, key=lambda place: (place.since, place.id)))
