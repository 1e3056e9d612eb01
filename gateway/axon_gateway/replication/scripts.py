"""What Redis does in one step: the Lua scripts of shared rooms.

Keys, all with an expiry. Each script gets a room's three: meta, log and votes.

- `axon:room:{id}:frames`, a stream, the room's log: entry `SEQ-0` is frame SEQ. Its fields are the
  `frame`, the `epoch` in which it was written, `since`, that epoch's first number, and `begins`,
  "1" where the frame begins a generation.
- `axon:room:{id}:meta`, a hash: `token` (fingerprint of the presenter's), `open`, `home` (the
  gateway that holds the lease: it alone writes), `epoch` and `since` of that lease, `running` ("1"
  while the home generates), `view` (where the presenter looks, as JSON), and `viewers:{gateway}`,
  how many are at each gateway; `presenter:{gateway}` exists if a presenter is among them. Of the
  hall: `asked` and `question` (the open question's id, and itself as JSON), `opened` (when it came
  here), `closed` (the id of the one before), `votes:{choice}`, how many have made a choice;
  `line:{place}`, a place in the line (microseconds, gateway and name, each on a line of its own),
  `lined` (when the line began), and `guests`, how many were given a name.
- `axon:room:{id}:votes`, a hash: each voter's choice on the open question.
- `axon:gateways`, a hash: how often each gateway has said that it lives.
- `axon:gateway:{gateway}`, a stream of what others ask of one gateway.

The epoch is the lease's fencing number. A gateway that has lost its lease names an old epoch, and
the scripts refuse its frames. So an epoch and a number never stand for two frames.
"""

from __future__ import annotations

#: Seconds that a room's keys stay if its gateways die without signing off.
LIFETIME = 3600

_COMMON = """
local meta, log, votes = KEYS[1], KEYS[2], KEYS[3]
local function newest()
  local found = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
  return found[1] and tonumber(string.match(found[1][1], '^%d+')) or 0
end
-- Microseconds since 1970.
local function now()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000000 + time[2])
end
-- Microseconds since 1970: larger than the old epoch, and than all that Redis may have lost.
local function next_epoch(old)
  local time = redis.call('TIME')
  return string.format('%.0f', math.max(time[1] * 1000000 + time[2], (tonumber(old) or 0) + 1))
end
local function add(seq, begins, epoch, since, frame)
  redis.call('XADD', log, seq .. '-0', 'begins', begins, 'epoch', epoch, 'since', since,
    'frame', frame)
end
-- Drops what the home has dropped: all before `first` except the head, which ends at `head`. The
-- newest frame stays, since its number is the log's.
local function trim(first, head)
  first = math.min(first, newest())
  if head == 0 then
    redis.call('XTRIM', log, 'MINID', first .. '-0')
  else
    local left = redis.call('XRANGE', log, (head + 1) .. '-0', '(' .. first .. '-0', 'COUNT', 500)
    for _, entry in ipairs(left) do redis.call('XDEL', log, entry[1]) end
  end
end
"""

#: What is known of the room, and the number of its newest frame.
META = (
    _COMMON
    + """
return {redis.call('HGETALL', meta), newest()}
"""
)

#: ARGV gateway, epoch, first frame kept, last one of the head, then frames: number,
#: "1" if it begins a generation, "1" if it ends one, bytes. An answer, and the newest number.
APPEND = (
    _COMMON
    + """
local lease = redis.call('HMGET', meta, 'epoch', 'since', 'home')
if not lease[1] then return {'absent', 0} end
if lease[1] ~= ARGV[2] or lease[3] ~= ARGV[1] then return {'stale', 0} end
local last, first = newest(), tonumber(ARGV[3])
for i = 5, #ARGV, 4 do
  local seq = tonumber(ARGV[i])
  -- A number that is there already is this frame, from a try whose answer was lost.
  if seq > last then
    if seq ~= last + 1 and not (last == 0 and seq == first) then return {'behind', last} end
    add(seq, ARGV[i + 1], lease[1], lease[2], ARGV[i + 3])
    if ARGV[i + 2] == '1' then redis.call('HSET', meta, 'running', '0') end
    last = seq
  end
end
trim(first, tonumber(ARGV[4]))
return {'appended', last}
"""
)

#: ARGV token, the epoch and newest number that Redis is known to have ("" if it has
#: no such room), open, home, epoch, since, running, milliseconds to keep it, then frames: number,
#: "1" if it begins a generation, epoch, since, bytes. Gives Redis what it lacks of a room.
RESTORE = (
    _COMMON
    + """
local found = redis.call('HMGET', meta, 'epoch', 'token')
local epoch = found[1]
if not epoch then redis.call('DEL', log) end
local last = newest()
local same = not epoch or found[2] == ARGV[1]
if not same or (epoch or '') ~= ARGV[2] or last ~= tonumber(ARGV[3]) then
  return {'changed', last}
end
redis.call('HSET', meta, 'token', ARGV[1], 'open', ARGV[4], 'home', ARGV[5], 'epoch', ARGV[6],
  'since', ARGV[7], 'running', ARGV[8])
for i = 10, #ARGV, 5 do
  local seq = tonumber(ARGV[i])
  if seq > last then
    add(seq, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
    last = seq
  end
end
redis.call('PEXPIRE', meta, ARGV[9])
redis.call('PEXPIRE', log, ARGV[9])
return {'restored', last}
"""
)

#: ARGV gateway, the room's token, and the epoch and newest number that the gateway
#: knows. Gives it the lease if it knows the whole log and nobody else generates: `ours`, and the
#: epoch and since of the lease.
ACQUIRE = (
    _COMMON
    + """
local found = redis.call('HMGET', meta, 'home', 'running', 'epoch', 'since', 'token')
local home, epoch, since = found[1], found[3], found[4]
if not home then return {'absent', '0', '0'} end
if found[5] ~= ARGV[2] then return {'changed', '0', '0'} end
if home ~= ARGV[1] and found[2] == '1' then return {'busy', '0', '0'} end
local last = newest()
if epoch ~= ARGV[3] or last ~= tonumber(ARGV[4]) then return {'changed', '0', '0'} end
if home ~= ARGV[1] or tonumber(since) > last + 1 then
  epoch, since = next_epoch(epoch), tostring(last + 1)
end
redis.call('HSET', meta, 'home', ARGV[1], 'running', '1', 'epoch', epoch, 'since', since)
return {'ours', epoch, since}
"""
)

#: ARGV gateway, epoch. Says that the gateway generates no longer.
RELEASE = """
local found = redis.call('HMGET', KEYS[1], 'home', 'epoch')
if found[1] == ARGV[1] and found[2] == ARGV[2] then redis.call('HSET', KEYS[1], 'running', '0') end
return 1
"""

#: ARGV gateway, the dead one, epoch, newest number known, the frame that ends the
#: dead gateway's generation, numbered one more. 1 if it was ended.
END_LOST = (
    _COMMON
    + """
local found = redis.call('HMGET', meta, 'home', 'running', 'epoch')
if found[1] ~= ARGV[2] or found[2] ~= '1' or found[3] ~= ARGV[3] then return 0 end
local last = newest()
if last ~= tonumber(ARGV[4]) then return 0 end
local epoch = next_epoch(found[3])
add(last + 1, '0', epoch, last + 1, ARGV[5])
redis.call('HSET', meta, 'home', ARGV[1], 'running', '0', 'epoch', epoch, 'since', last + 1)
redis.call('HDEL', meta, 'viewers:' .. ARGV[2], 'presenter:' .. ARGV[2])
return 1
"""
)

#: ARGV gateway, viewers here, "1" if a presenter is among them, open ("" leaves
#: it), view ("" leaves it), milliseconds an empty room is kept, "1" if it has expired here, epoch,
#: first frame kept, last one of the head. 0 if there is no such room.
PRESENCE = (
    _COMMON
    + """
local gateway = ARGV[1]
local found = redis.call('HMGET', meta, 'home', 'epoch')
if not found[1] then return 0 end
for name, here in pairs({viewers = ARGV[2], presenter = ARGV[3]}) do
  local field = name .. ':' .. gateway
  if here == '0' then redis.call('HDEL', meta, field) else redis.call('HSET', meta, field, here) end
end
if ARGV[4] ~= '' then redis.call('HSET', meta, 'open', ARGV[4]) end
if ARGV[5] ~= '' then redis.call('HSET', meta, 'view', ARGV[5]) end
if found[1] == gateway and found[2] == ARGV[8] then trim(tonumber(ARGV[9]), tonumber(ARGV[10])) end
local watched = false
for _, name in ipairs(redis.call('HKEYS', meta)) do
  if string.sub(name, 1, 8) == 'viewers:' then watched = true end
end
local kept = watched and LIFETIME or tonumber(ARGV[6])
if not watched and ARGV[7] == '1' then kept = 1 end
redis.call('PEXPIRE', meta, kept)
redis.call('PEXPIRE', log, kept)
return 1
""".replace("LIFETIME", str(LIFETIME * 1000))
)

#: ARGV the question's id, the question. Asks the hall: opened, open (another one is), or absent.
OPEN = (
    _COMMON
    + """
local found = redis.call('HMGET', meta, 'epoch', 'asked')
if not found[1] then return 'absent' end
if found[2] and found[2] ~= ARGV[1] then return 'open' end
if found[2] ~= ARGV[1] then
  redis.call('DEL', votes)
  redis.call('HSET', meta, 'asked', ARGV[1], 'question', ARGV[2], 'opened', now())
end
return 'opened'
"""
)

#: ARGV the question's id, the most voters, the most fields of the meta, what stands for words
#: beyond that, then voter and choice of each vote. Counts them if the question is open; answers as
#: META.
CAST = (
    _COMMON
    + """
if redis.call('HGET', meta, 'asked') == ARGV[1] then
  local voters, fields = redis.call('HLEN', votes), redis.call('HLEN', meta)
  for i = 5, #ARGV, 2 do
    local voter, choice = ARGV[i], ARGV[i + 1]
    local old = redis.call('HGET', votes, voter)
    if old or voters < tonumber(ARGV[2]) then
      local known = redis.call('HEXISTS', meta, 'votes:' .. choice) == 1
      if not known and fields >= tonumber(ARGV[3]) and #choice > 1 then choice = ARGV[4] end
      if old ~= choice then
        if old and redis.call('HINCRBY', meta, 'votes:' .. old, -1) <= 0 then
          redis.call('HDEL', meta, 'votes:' .. old)
        end
        redis.call('HINCRBY', meta, 'votes:' .. choice, 1)
        redis.call('HSET', votes, voter, choice)
        if not old then voters = voters + 1 end
        if not known then fields = fields + 1 end
      end
    end
  end
  redis.call('PEXPIRE', votes, LIFETIME)
end
return {redis.call('HGETALL', meta), newest()}
""".replace("LIFETIME", str(LIFETIME * 1000))
)

#: ARGV the question's id. Ends the vote: "1" if it was open, and the choices with their counts.
CLOSE = (
    _COMMON
    + """
if redis.call('HGET', meta, 'asked') ~= ARGV[1] then return {0, {}} end
local all, counts = redis.call('HGETALL', meta), {}
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 6) == 'votes:' then
    table.insert(counts, string.sub(all[i], 7))
    table.insert(counts, tonumber(all[i + 1]))
    redis.call('HDEL', meta, all[i])
  end
end
redis.call('HDEL', meta, 'asked', 'question', 'opened')
redis.call('HSET', meta, 'closed', ARGV[1])
redis.call('DEL', votes)
return {1, counts}
"""
)

#: ARGV place, gateway, name ("": to be found), since ("": now), the most places. An answer (joined,
#: full or absent), the name, since, and when the line began. A place that is there stays.
JOIN = (
    _COMMON
    + """
if redis.call('HEXISTS', meta, 'epoch') == 0 then return {'absent', '', 0, ''} end
local waiting = 0
for _, name in ipairs(redis.call('HKEYS', meta)) do
  if string.sub(name, 1, 5) == 'line:' then waiting = waiting + 1 end
end
local there = redis.call('HEXISTS', meta, 'line:' .. ARGV[1]) == 1
if not there and waiting >= tonumber(ARGV[5]) then return {'full', '', 0, ''} end
local name, since = ARGV[3], ARGV[4]
if name == '' then name = 'guest ' .. redis.call('HINCRBY', meta, 'guests', 1) end
if since == '' then since = now() end
redis.call('HSETNX', meta, 'lined', now())
redis.call('HSET', meta, 'line:' .. ARGV[1], since .. '\\n' .. ARGV[2] .. '\\n' .. name)
return {'joined', name, since, redis.call('HGET', meta, 'lined')}
"""
)

#: ARGV places. Takes them out of the line.
LEAVE = (
    _COMMON
    + """
for _, place in ipairs(ARGV) do redis.call('HDEL', meta, 'line:' .. place) end
return 1
"""
)
