"""The Lua scripts of objects in Valkey. All keys of an endpoint's objects share its hash tag.

  moorage:{endpoint}:object:<name>          hash        token, size: the object that is to be seen
  moorage:{endpoint}:object:<name>:<token>  hash        its pieces by number, from 0; size
  moorage:{endpoint}:object-ends            sorted set  <name>:<token> -> when its pieces go, ms
  moorage:{endpoint}:object-bytes           hash        <name>:<token> -> bytes of its pieces
  moorage:{endpoint}:object-room            hash        total: bytes of all; room: most of them, as gateways say

Keys expire by themselves; what was counted for them is taken back by whoever comes next, from `object-ends`.
A worker's user may send no other commands than the queue's moves need: keep to those.
"""

_SHARED = """
local base = KEYS[1]
local ENDS, BYTES, ROOM = base .. ':object-ends', base .. ':object-bytes', base .. ':object-room'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Lua would write a large number as 1.7e+12.
local function text(number)
  return string.format('%.0f', number)
end

local function object_key(name)
  return base .. ':object:' .. name
end

local function forget_pieces(member)
  local bytes = redis.call('HGET', BYTES, member)
  if bytes then
    redis.call('HINCRBY', ROOM, 'total', -bytes)
    redis.call('HDEL', BYTES, member)
  end
  redis.call('ZREM', ENDS, member)
  redis.call('UNLINK', object_key(member))
end

local function keep_pieces(member, life_ms)
  redis.call('PEXPIRE', object_key(member), life_ms)
  redis.call('ZADD', ENDS, text(now + life_ms), member)
end

local function forget_expired()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '-inf', text(now), 'LIMIT', 0, 100)) do
    forget_pieces(member)
  end
  -- With nothing left to count the count is right again, whatever went wrong with it.
  if redis.call('ZCARD', ENDS) == 0 then
    redis.call('HSET', ROOM, 'total', 0)
  end
end
"""

_PUT = """
-- name, token, number of the piece, where it begins, life in ms, bytes
forget_expired()
local member, offset, data = ARGV[1] .. ':' .. ARGV[2], tonumber(ARGV[4]), ARGV[6]
local key = object_key(member)
local size = tonumber(redis.call('HGET', key, 'size') or 0)
if size == offset + #data then
  return 'stored'  -- sent again, for the first answer was lost
elseif size ~= offset then
  return 'gone'
end
local found = redis.call('HMGET', ROOM, 'total', 'room')
if found[2] and tonumber(found[1] or 0) + #data > tonumber(found[2]) then
  return 'full'
end
redis.call('HSET', key, ARGV[3], data, 'size', text(offset + #data))
redis.call('HINCRBY', ROOM, 'total', #data)
redis.call('HINCRBY', BYTES, member, #data)
keep_pieces(member, tonumber(ARGV[5]))
return 'stored'
"""

_COMMIT = """
-- name, token, size, life in ms: from here on the object is to be seen, whole
local name, token, life_ms = ARGV[1], ARGV[2], tonumber(ARGV[4])
local seen = redis.call('HGET', object_key(name), 'token')
if seen == token then
  return 'stored'
end
local member = name .. ':' .. token
if ARGV[3] ~= '0' then
  if redis.call('HGET', object_key(member), 'size') ~= ARGV[3] then
    return 'gone'
  end
  keep_pieces(member, life_ms)
end
if seen then
  forget_pieces(name .. ':' .. seen)
end
redis.call('HSET', object_key(name), 'token', token, 'size', ARGV[3])
redis.call('PEXPIRE', object_key(name), life_ms)
return 'stored'
"""

_DROP = """
-- name, token: of an object that was never finished
forget_pieces(ARGV[1] .. ':' .. ARGV[2])
return 'dropped'
"""

_REMOVE = """
-- name
local token = redis.call('HGET', object_key(ARGV[1]), 'token')
if token then
  redis.call('UNLINK', object_key(ARGV[1]))
  forget_pieces(ARGV[1] .. ':' .. token)
end
return 'removed'
"""

_MEASURE = """
-- bytes that this endpoint's objects take, and may take (-1: nobody has said so)
forget_expired()
local found = redis.call('HMGET', ROOM, 'total', 'room')
return {tonumber(found[1] or 0), tonumber(found[2] or -1)}
"""

_GRANT = """
-- most bytes that this endpoint's objects may take
redis.call('HSET', ROOM, 'room', ARGV[1])
return 'granted'
"""

_NEEDS_MEMORY = "#!lua"
_SPARES_MEMORY = "#!lua flags=allow-oom"
"""Of a move that must work although the server has no memory left."""

MOVES = {
    "put": _NEEDS_MEMORY + _SHARED + _PUT,
    "commit": _SPARES_MEMORY + _SHARED + _COMMIT,
    "drop": _SPARES_MEMORY + _SHARED + _DROP,
    "remove": _SPARES_MEMORY + _SHARED + _REMOVE,
    "measure": _SPARES_MEMORY + _SHARED + _MEASURE,
    "grant": _SPARES_MEMORY + _SHARED + _GRANT,
}
"""Name of a move to its whole script."""
