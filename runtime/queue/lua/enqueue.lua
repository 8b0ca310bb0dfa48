#!lua
-- Journal a request if there is room. The only move that the server may refuse when it is out of memory.
local id, head, body, ref, size, caller, gateway, digest, fingerprint = unpack(ARGV, 1, 9)
local priority, patience, most_waiting, most_bytes = unpack(ARGV, 10, 13)

-- The answer to an earlier try was lost on its way.
if redis.call('EXISTS', request_key(id)) == 1 then
  return {'ok', id, redis.call('ZRANK', WAITING, id)}
end
sweep()
local first = digest ~= '' and redis.call('GET', digest_key(digest))
if first then
  if redis.call('HGET', request_key(first), 'fingerprint') ~= fingerprint then
    return {'conflict'}
  end
  return {'repeat', first, redis.call('ZRANK', WAITING, first)}
end
local waiting = redis.call('ZCARD', WAITING)
if waiting >= tonumber(most_waiting) then
  return {'full', 'waiting', waiting}
end
if (redis.call('HGET', META, 'bytes') or 0) + size > tonumber(most_bytes) then
  return {'full', 'bytes', waiting}
end

local score = next_score(priority)
redis.call('HSET', request_key(id), 'head', head, 'body', body, 'ref', ref, 'size', size, 'priority', priority,
  'score', score, 'caller', caller, 'gateway', gateway, 'digest', digest, 'fingerprint', fingerprint,
  'state', 'waiting', 'attempt', 0, 'takes', 0, 'faults', 0, 'queue', patience, 'enqueued', text(now))
if digest ~= '' then
  redis.call('SET', digest_key(digest), id)
end
if gateway ~= '' then
  redis.call('ZADD', HOLDS, 'GT', text(now + HOLD_MS), gateway)
end
join_waiting(id, score, patience, size)
signal_if_short()
return {'ok', id, redis.call('ZRANK', WAITING, id)}
