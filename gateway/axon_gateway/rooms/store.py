"""Rooms in Redis: what each gateway writes there, and reads of the others.

Keys, all with an expiry:

- `axon:room:{id}:log`, a stream with the room's frames; entry `SEQ-0` is frame SEQ.
- `axon:room:{id}`, a hash: `token` (fingerprint of the presenter's), `open`, `home` (the gateway
  that may write into the log), `running` ("1" while it generates), `view` (where its presenter
  looks, as JSON), and `v:{gateway}`, the viewers at each gateway; `p:{gateway}` is there where a
  presenter is among them.
- `axon:gateways`, when each gateway was last alive, by Redis' own clock.
- `axon:gateway:{gateway}`, a stream of what others ask of one gateway.

Only a room's home writes into its log, and a script checks that in the same step. So two gateways
never write different frames under one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from axon_gateway.requests import View
from axon_gateway.rooms.log import Entry

_TIMEOUT = 2.0
#: Seconds that one read waits for something new.
_BLOCK = 1.0
#: Seconds that a room's keys outlive gateways that die without a word.
_LIFETIME = 3600
_GATEWAYS = "axon:gateways"
#: Entries of one read of a log.
_PAGE = 500
#: Requests kept for a gateway that does not read them.
_INBOX = 1000

#: KEYS meta, log. ARGV gateway, token, open ("" leaves it), viewers here, running, first frame
#: kept, milliseconds an empty room is kept, "1" if this gateway may create it, "1" if a presenter
#: is here, view ("" leaves it), then frames: number, "1" if it begins a generation, bytes.
_SAVE = """
local gateway, created = ARGV[1], false
if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[8] ~= '1' then return 'absent' end
  redis.call('HSET', KEYS[1], 'token', ARGV[2], 'open', '0', 'home', gateway, 'running', ARGV[5])
  redis.call('DEL', KEYS[2])
  created = true
elseif redis.call('HGET', KEYS[1], 'token') ~= ARGV[2] then
  return 'foreign'
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'open', ARGV[3]) end
if ARGV[10] ~= '' then redis.call('HSET', KEYS[1], 'view', ARGV[10]) end
for name, here in pairs({v = ARGV[4], p = ARGV[9]}) do
  local field = name .. ':' .. gateway
  if here == '0' then redis.call('HDEL', KEYS[1], field)
  else redis.call('HSET', KEYS[1], field, here) end
end
local answer = 'saved'
if created then
  answer = 'created'
elseif redis.call('HGET', KEYS[1], 'home') == gateway then
  for i = 11, #ARGV, 3 do
    -- A number that is there already is this frame, of a try whose answer was lost.
    redis.pcall('XADD', KEYS[2], ARGV[i] .. '-0', 's', ARGV[i + 1], 'f', ARGV[i + 2])
  end
  if #ARGV > 10 then redis.call('XTRIM', KEYS[2], 'MINID', ARGV[6] .. '-0') end
  redis.call('HSET', KEYS[1], 'running', ARGV[5])
elseif #ARGV > 10 then
  answer = 'moved'
end
local watched = false
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 2) == 'v:' then watched = true end
end
local kept = watched and LIFETIME or tonumber(ARGV[7])
redis.call('PEXPIRE', KEYS[1], kept)
redis.call('PEXPIRE', KEYS[2], kept)
return answer
""".replace("LIFETIME", str(_LIFETIME * 1000))

#: KEYS meta, log. ARGV gateway. The home's name and the log's newest number, once it is ours.
_CLAIM = """
local home = redis.call('HGET', KEYS[1], 'home')
if not home then return {'absent', '0'} end
if home ~= ARGV[1] and redis.call('HGET', KEYS[1], 'running') == '1' then return {'busy', '0'} end
redis.call('HSET', KEYS[1], 'home', ARGV[1], 'running', '1')
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return {'ours', newest[1] and newest[1][1] or '0-0'}
"""

#: KEYS gateways. ARGV gateway, milliseconds after which one counts as dead. Those alive.
_BEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('EXPIRE', KEYS[1], 60)
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""

#: KEYS meta, log, gateways. ARGV gateway, the dead one, number and bytes of the frame that says so.
_BURY = """
if redis.call('HGET', KEYS[1], 'home') ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[1], 'running') ~= '1' then return 0 end
if redis.call('ZSCORE', KEYS[3], ARGV[2]) then return 0 end
local added = redis.pcall('XADD', KEYS[2], ARGV[3] .. '-0', 's', '0', 'f', ARGV[4])
if type(added) == 'table' then return 0 end
redis.call('HSET', KEYS[1], 'home', ARGV[1], 'running', '0')
redis.call('HDEL', KEYS[1], 'v:' .. ARGV[2], 'p:' .. ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class Meta:
    """What all gateways know of a room."""

    token_hash: str
    open: bool
    home: str
    running: bool
    #: Viewers by gateway, dead ones included.
    viewers: Mapping[str, int]
    #: Gateways with a presenter.
    presenting: frozenset[str]
    view: View | None


@dataclass(frozen=True, slots=True)
class Save:
    """What a gateway writes of one room; `is_open` and `view` None leave that as it is."""

    id: str
    token_hash: str
    is_open: bool | None
    viewers: int
    presenting: bool
    view: View | None
    running: bool
    first: int
    create: bool
    #: The room has expired here.
    gone: bool
    entries: Sequence[Entry]


class RoomStore:
    """One gateway's view of the rooms in Redis. What fails raises redis-py's errors, or OSError."""

    def __init__(self, url: str, gateway: str, idle: float, dead: float) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(
            url,
            socket_connect_timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            # Once, at once: a pooled connection may be older than the Redis it led to.
            retry=Retry(NoBackoff(), 1),
        )
        self._gateway = gateway
        self._idle = idle
        self._dead = dead
        self._claim = self._redis.register_script(_CLAIM)
        self._beat = self._redis.register_script(_BEAT)
        self._bury = self._redis.register_script(_BURY)

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()

    async def beat(self) -> set[str]:
        """Says that this gateway lives; the names of all that do."""
        args: list[Any] = [self._gateway, int(self._dead * 1000)]
        alive: list[bytes] = await self._beat(keys=[_GATEWAYS], args=args)
        return {name.decode() for name in alive}

    async def resign(self) -> None:
        """Says that this gateway lives no longer."""
        await self._redis.zrem(_GATEWAYS, self._gateway)

    async def save(self, saves: Sequence[Save]) -> list[str]:
        """Writes several rooms in one go. For each: saved, created (its frames are still to come),
        absent, foreign (another room by this name), or moved (another gateway writes)."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for save in saves:
                frames: list[Any] = []
                for entry in save.entries:
                    frames += [entry.seq, int(entry.begins), entry.encoded]
                is_open = "" if save.is_open is None else int(save.is_open)
                view = b"" if save.view is None else orjson.dumps(save.view)
                # EVAL, since EVALSHA in a pipeline costs a further round trip every time.
                idle = 1 if save.gone else max(1, int(self._idle * 1000))
                await pipeline.eval(
                    _SAVE,
                    2,
                    *(_meta(save.id), _log(save.id)),
                    *(self._gateway, save.token_hash, is_open, save.viewers),
                    *(int(save.running), save.first, idle, int(save.create)),
                    *(int(save.presenting), view, *frames),
                )
            answers: list[bytes] = await pipeline.execute()
        return [answer.decode() for answer in answers]

    async def claim(self, id_: str) -> tuple[str, int]:
        """ours, busy or absent; and the number of the log's newest frame."""
        answer, newest = await self._claim(keys=[_meta(id_), _log(id_)], args=[self._gateway])
        return answer.decode(), _seq(newest)

    async def bury(self, id_: str, dead: str, seq: int, frame: bytes) -> bool:
        """Ends the generation of a gateway that is no more with `frame`; False if it need not."""
        keys = [_meta(id_), _log(id_), _GATEWAYS]
        return bool(await self._bury(keys=keys, args=[self._gateway, dead, seq, frame]))

    async def metas(self, ids: Sequence[str]) -> list[Meta | None]:
        """What is known of each room; None for those that are not there."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for id_ in ids:
                pipeline.hgetall(_meta(id_))
            return [_read_meta(fields) for fields in await pipeline.execute()]

    async def entries(self, id_: str, after: int) -> list[Entry]:
        """Frames that follow `after`, a page of them; empty when there are no more."""
        found: Any = await self._redis.xrange(_log(id_), min=f"{after + 1}-0", count=_PAGE)
        return [_entry(entry) for entry in found or ()]

    async def news(
        self, inbox: str, cursors: Mapping[str, int]
    ) -> tuple[list[tuple[str, str]], dict[str, list[Entry]]]:
        """Waits for what is asked of this gateway after entry `inbox`, and for frames of rooms
        after their `cursors`. What is asked: (entry, request)."""
        streams: dict[Any, Any] = {_inbox(self._gateway): inbox}
        names = {_log(id_).encode(): id_ for id_ in cursors}
        streams |= {_log(id_): f"{cursor}-0" for id_, cursor in cursors.items()}
        found: Any = await self._redis.xread(streams, count=_PAGE, block=int(_BLOCK * 1000))
        asked: list[tuple[str, str]] = []
        frames: dict[str, list[Entry]] = {}
        for name, entries in found or ():
            if name in names:
                frames[names[name]] = [_entry(entry) for entry in entries]
            else:
                asked += [(key.decode(), fields[b"ask"].decode()) for key, fields in entries]
        return asked, frames

    async def ask(self, gateway: str, request: str) -> None:
        """Asks something of a gateway."""
        key = _inbox(gateway)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xadd(key, {"ask": request}, maxlen=_INBOX)
            pipeline.expire(key, _LIFETIME)
            await pipeline.execute()


def _meta(id_: str) -> str:
    return f"axon:room:{id_}"


def _log(id_: str) -> str:
    return f"axon:room:{id_}:log"


def _inbox(gateway: str) -> str:
    return f"axon:gateway:{gateway}"


def _seq(key: bytes) -> int:
    return int(key.partition(b"-")[0])


def _entry(entry: tuple[bytes, Mapping[bytes, bytes]]) -> Entry:
    key, fields = entry
    return Entry(_seq(key), fields[b"f"], fields[b"s"] == b"1")


def _read_meta(fields: Mapping[bytes, bytes]) -> Meta | None:
    if b"token" not in fields:
        return None
    return Meta(
        token_hash=fields[b"token"].decode(),
        open=fields.get(b"open") == b"1",
        home=fields[b"home"].decode(),
        running=fields.get(b"running") == b"1",
        viewers={name: int(count) for name, count in _by_gateway(fields, b"v:")},
        presenting=frozenset(name for name, _ in _by_gateway(fields, b"p:")),
        view=_view(fields.get(b"view")),
    )


def _by_gateway(fields: Mapping[bytes, bytes], kind: bytes) -> Iterable[tuple[str, bytes]]:
    for name, value in fields.items():
        if name.startswith(kind):
            yield name[len(kind) :].decode(), value


def _view(value: bytes | None) -> View | None:
    if value is None:
        return None
    fields = orjson.loads(value)
    return View(tuple(fields["pose"]), fields["feature"], fields["token"])
