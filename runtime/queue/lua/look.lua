#!lua flags=no-writes
-- The endpoint at this moment, as nested arrays; a missing value is false, for nil would end its array.
local oldest = false
for priority = 0, 2 do -- the first of a priority is its oldest
  local lowest, highest = text(priority * PRIORITY_STEP), '(' .. text((priority + 1) * PRIORITY_STEP)
  local first = redis.call('ZRANGEBYSCORE', WAITING, lowest, highest, 'LIMIT', 0, 1)[1]
  local enqueued = first and redis.call('HGET', request_key(first), 'enqueued')
  if enqueued and (not oldest or tonumber(enqueued) < tonumber(oldest)) then
    oldest = enqueued
  end
end
local replicas = {}
for _, id in ipairs(redis.call('ZRANGE', BEATS, 0, -1)) do
  local found = redis.call('HMGET', replica_key(id), 'state', 'revision', 'joined', 'ready', 'idle', 'request', 'detail')
  table.insert(replicas, {id, redis.call('ZSCORE', BEATS, id), unpack(found, 1, 7)})
end
return {
  text(now),
  redis.call('ZCARD', WAITING),
  redis.call('ZCARD', LEASES),
  oldest,
  redis.call('ZCOUNT', DEAD, '(' .. text(now), '+inf'),
  redis.call('HMGET', META, 'bytes', 'desired', 'cause', 'run_ms', 'start_ms', 'wait_ms'),
  redis.call('HGETALL', NEEDED),
  replicas,
}
