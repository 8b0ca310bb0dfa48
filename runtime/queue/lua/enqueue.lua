#!lua
-- Journal a request if there is room. The only move that the server may refuse when it is out of memory.
local id, head, body, ref, size, caller, gateway = unpack(ARGV, 1, 7)
local priority, patience, most_waiting, most_bytes = unpack(ARGV, 8, 11)

-- The answer to an earlier try was lost on its way.
if redis.call('EXISTS', request_key(id)) == 1 then
  return {'ok', redis.call('ZRANK', WAITING, id) or 0}
end
sweep()
local waiting = redis.call('ZCARD', WAITING)
if waiting >= tonumber(most_waiting) then
  return {'full', 'waiting', waiting}
end
if (redis.call('HGET', META, 'bytes') or 0) + size > tonumber(most_bytes) then
  return {'full', 'bytes', waiting}
end

local score = text(priority * 2 ^ 46 + redis.call('HINCRBY', META, 'ticket', 1))
redis.call('HSET', request_key(id), 'head', head, 'body', body, 'ref', ref, 'size', size, 'score', score,
  'caller', caller, 'gateway', gateway, 'state', 'waiting', 'takes', 0, 'faults', 0, 'patience', patience,
  'enqueued', text(now))
redis.call('ZADD', WAITING, score, id)
redis.call('ZADD', DEADLINES, text(now + patience), id)
redis.call('HINCRBY', META, 'bytes', size)
if gateway ~= '' then
  redis.call('ZADD', HOLDS, 'GT', text(now + HOLD_MS), gateway)
end
wake_worker()
local scale = redis.call('HMGET', META, 'desired', 'ceiling')
local desired, ceiling = tonumber(scale[1] or 0), tonumber(scale[2] or TOP_LEVEL)
if desired < ceiling and demand() > desired then
  signal_demand()
end
return {'ok', redis.call('ZRANK', WAITING, id)}
