"""The Lua scripts behind `RedisStore`: each call of the store is one of them, so it is atomic."""

from hashlib import sha1

from .record import Status

__all__ = [
    "CHECKPOINT",
    "CLAIM",
    "CONFLICT",
    "DROP",
    "DROP_MARKS",
    "FORGET",
    "LOCK",
    "OLD",
    "OLD_MARKS",
    "OVER",
    "PREPARE",
    "READ",
    "RELEASE",
    "RENEW",
    "RENEW_LOCK",
    "SETTLE",
    "STATS",
    "STATUSES",
    "TAKE",
    "TIME",
    "UNLOCK",
    "WALK",
    "Script",
]

# In this order are the indexes handed to the scripts: each needs the first few.
STATUSES: tuple[Status, ...] = (
    "claimed",
    "failed",
    "dead",
    "queued",
    "running",
    "done",
    "conflict",
)


class Script:
    """A script, and how many of the indexes it is given."""

    def __init__(self, text: str, indexes: int = len(STATUSES)) -> None:
        self.indexes: int = indexes
        self.text: str = _COMMON + text
        # EVALSHA knows a script by its SHA-1, which OpenSSL refuses for security in FIPS mode.
        self.sha: str = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


# KEYS: the first of the indexes, then the event or events. ARGV: the time ('' for the server's),
# then often a token. TIME before a write needs Redis 5: older ones replicate the script, not what
# it did, and each replica would have a time of its own.
# Numbers are written with 17 digits, which is exact; Lua's own way would cut times to 14.
_INDEXES = ", ".join(f"{status} = KEYS[{place}]" for place, status in enumerate(STATUSES, 1))
_COMMON = """
local index = {INDEXES}
local event = KEYS[#KEYS]
local function now()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end
local function exact(number) return string.format('%.17g', number) end
local function held()
  local found = redis.call('HMGET', event, 'status', 'token')
  local live = found[1] == 'claimed' or found[1] == 'running'
  return live and found[2] == ARGV[2] and found[1]
end
local function move(from, to, touched)
  redis.call('ZREM', index[from], event)
  redis.call('ZADD', index[to], touched, event)
  redis.call('HSET', event, 'status', to)
end
""".replace("INDEXES", _INDEXES)

_CLAIM_TEXT = """
local mine, lease, digest, status, token, about, delivery, how, body = unpack(ARGV, 2)
local at = now()
local known = redis.call(
  'HMGET', event, 'status', 'token', 'lease_until', 'digest', 'attempts', 'finished')
local was, attempts = known[1], 1
if not was then
  local time = exact(at)
  redis.call('HSET', event, 'status', status, 'token', mine, 'lease_until', exact(at + lease),
    'digest', digest, 'attempts', 1, 'received_at', time, 'about', about, 'delivery', delivery)
  redis.call('ZADD', index[status], time, event)
else
  local expired = tonumber(known[3]) <= at
  local by_token = was == 'claimed' and known[2] == token
  local free = was == 'failed' or (was == 'dead' and token == '') or (was == 'claimed' and expired)
  if how == 'worker' or how == 'workerover' then
    free = free or was == 'queued' or (was == 'running' and expired) or by_token
  end
  if was == 'done' and known[4] ~= digest and (how == 'over' or how == 'workerover') then
    free = true
    redis.call('HDEL', event, 'finished')
    known[6] = nil
  end
  if not free then
    local answers = {claimed = 'busy', queued = 'queued', running = 'queued', dead = 'done'}
    return {answers[was] or (known[4] == digest and 'done') or 'conflict', 0, ''}
  end
  attempts = tonumber(known[5])
  if was == 'dead' then attempts = 0 end
  if not by_token then attempts = attempts + 1 end
  redis.call('HSET', event, 'token', mine, 'lease_until', exact(at + lease), 'digest', digest,
    'attempts', attempts)
  if known[4] ~= digest then redis.call('HDEL', event, 'body') end
  if about ~= '' then redis.call('HSET', event, 'delivery', delivery) end
  move(was, status, exact(at))
end
if body then redis.call('HSET', event, 'body', body) end
return {'claimed', attempts, known[6] or ''}
"""
CLAIM = Script(_CLAIM_TEXT, 3)
TAKE = Script(_CLAIM_TEXT, 5)
OVER = Script(_CLAIM_TEXT, 6)

RENEW = Script(
    """
if not held() then return 0 end
redis.call('HSET', event, 'lease_until', exact(now() + ARGV[3]))
return 1
""",
    0,
)

CHECKPOINT = Script(
    """
if not held() then return 0 end
local finished = redis.call('HGET', event, 'finished') or ''
redis.call('HSET', event, 'finished', finished .. ARGV[3] .. '\\n')
return 1
""",
    0,
)

SETTLE = Script("""
local status, error, body = unpack(ARGV, 3)
local was = held()
if not was then return 0 end
redis.call('HSET', event, 'lease_until', 0)
if status == 'done' then
  redis.call('HDEL', event, 'error', 'body')
elseif error then
  redis.call('HSET', event, 'error', error)
else
  redis.call('HINCRBY', event, 'attempts', -1)
end
if body then redis.call('HSET', event, 'body', body) end
move(was, status, exact(now()))
return 1
""")

RELEASE = Script("""
local was = held()
if not was then return 0 end
local left = redis.call('HMGET', event, 'finished', 'error')
if (left[1] or '') == '' and (left[2] or '') == '' then
  redis.call('DEL', event)
  redis.call('ZREM', index[was], event)
else
  redis.call('HSET', event, 'lease_until', 0)
  move(was, 'failed', redis.call('ZSCORE', index[was], event))
end
return 1
""")

FORGET = Script("""
local was = redis.call('HGET', event, 'status')
if not was then return 0 end
redis.call('DEL', event)
redis.call('ZREM', index[was], event)
return 1
""")

CONFLICT = Script("""
local digest, about, delivery, body = unpack(ARGV, 2)
if redis.call('EXISTS', event) == 1 then return 0 end
local time = exact(now())
redis.call('HSET', event, 'status', 'conflict', 'token', '', 'lease_until', 0, 'digest', digest,
  'attempts', 0, 'received_at', time, 'about', about, 'delivery', delivery)
if body then redis.call('HSET', event, 'body', body) end
redis.call('ZADD', index.conflict, time, event)
return 1
""")

OLD = Script("""
local status, age, skip, count = unpack(ARGV, 2)
return redis.call('ZRANGEBYSCORE', index[status], '-inf', '(' .. exact(now() - age),
  'LIMIT', skip, count)
""")

DROP = Script("""
local status, age = unpack(ARGV, 2)
local at = now()
local dropped, gone = 0, 0
for place = 8, #KEYS do
  local touched = tonumber(redis.call('ZSCORE', index[status], KEYS[place]) or '')
  local lease_until = tonumber(redis.call('HGET', KEYS[place], 'lease_until') or '')
  if not touched then
    gone = gone + 1
  elseif not lease_until then
    gone = gone + redis.call('ZREM', index[status], KEYS[place])
  elseif touched < at - age and lease_until <= at then
    redis.call('ZREM', index[status], KEYS[place])
    dropped = dropped + redis.call('DEL', KEYS[place])
  end
end
return {dropped, gone}
""")

READ = Script("""
local function fits(about)
  for place = 3, #ARGV do
    if not about or not string.find(about, ARGV[place], 1, true) then return false end
  end
  return true
end
local function read(key)
  if ARGV[3] and not fits(redis.call('HGET', key, 'about')) then return false end
  local row = redis.call('HMGET', key, 'about', 'status', 'attempts', 'received_at',
    'touched_at', 'lease_until', 'digest', 'finished', 'error', 'delivery')
  if not row[2] then return false end
  row[5] = redis.call('ZSCORE', index[row[2]], key) or row[4]
  row[8], row[9] = row[8] or '', row[9] or ''
  row[11] = ARGV[2] ~= '' and redis.call('HGET', key, 'body')
  return row
end
local rows = {}
for place = 8, #KEYS do rows[#rows + 1] = read(KEYS[place]) end
return rows
""")

WALK = Script("""
local status, high, low, skip, count = unpack(ARGV, 2)
return redis.call('ZREVRANGEBYSCORE', index[status], high, low, 'WITHSCORES', 'LIMIT', skip, count)
""")

STATS = Script("""
local counts = {}
for place = 1, 7 do counts[place] = redis.call('ZCARD', KEYS[place]) end
return counts
""")

TIME = Script("return exact(now())")

# KEYS: the index of marks, then the mark. A mark that is not locked has no token.
LOCK = Script(
    """
local mine, lease = unpack(ARGV, 2)
local at = now()
local known = redis.call('HMGET', event, 'token', 'lease_until', 'state')
if known[1] and tonumber(known[2]) > at then return {0, false} end
redis.call('HSET', event, 'token', mine, 'lease_until', exact(at + lease))
redis.call('ZADD', KEYS[1], exact(at), event)
return {1, known[3]}
""",
    0,
)

RENEW_LOCK = Script(
    """
if redis.call('HGET', event, 'token') ~= ARGV[2] then return 0 end
redis.call('HSET', event, 'lease_until', exact(now() + ARGV[3]))
if ARGV[4] == '' then
  redis.call('HDEL', event, 'state')
elseif ARGV[4] then
  redis.call('HSET', event, 'state', ARGV[4])
end
return 1
""",
    0,
)

UNLOCK = Script(
    """
local token, state = unpack(ARGV, 2)
if redis.call('HGET', event, 'token') ~= token then return 0 end
if state == '' then
  redis.call('HDEL', event, 'state')
elseif state then
  redis.call('HSET', event, 'state', state)
end
redis.call('HDEL', event, 'token', 'lease_until')
if redis.call('EXISTS', event) == 1 then
  redis.call('ZADD', KEYS[1], exact(now()), event)
else
  redis.call('ZREM', KEYS[1], event)
end
return 1
""",
    0,
)

OLD_MARKS = Script(
    """
local age, skip, count = unpack(ARGV, 2)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. exact(now() - age), 'LIMIT', skip, count)
""",
    0,
)

DROP_MARKS = Script(
    """
local at, dropped = now(), 0
for place = 2, #KEYS do
  local touched = tonumber(redis.call('ZSCORE', KEYS[1], KEYS[place]) or '')
  local lease_until = tonumber(redis.call('HGET', KEYS[place], 'lease_until') or '0')
  if touched and touched < at - ARGV[2] and lease_until <= at then
    redis.call('ZREM', KEYS[1], KEYS[place])
    redis.call('DEL', KEYS[place])
    dropped = dropped + 1
  end
end
return dropped
""",
    0,
)

PREPARE = Script("""
for place, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= (place == 8 and 'string' or 'zset') then return 'other' end
end
redis.call('SETNX', KEYS[8], ARGV[2])
return redis.call('GET', KEYS[8])
""")
