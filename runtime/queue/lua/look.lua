#!lua flags=no-writes
-- The endpoint at this moment, as nested arrays; a missing value is false, for nil would end its array.
local first = redis.call('ZRANGE', WAITING, 0, 0)[1]
local replicas = {}
for _, id in ipairs(redis.call('ZRANGE', BEATS, 0, -1)) do
  local found = redis.call('HMGET', replica_key(id), 'state', 'revision', 'joined', 'ready', 'idle', 'request', 'detail')
  table.insert(replicas, {id, redis.call('ZSCORE', BEATS, id), unpack(found, 1, 7)})
end
return {
  text(now),
  redis.call('ZCARD', WAITING),
  redis.call('ZCARD', LEASES),
  first and redis.call('HGET', request_key(first), 'enqueued') or false,
  redis.call('ZCOUNT', DEAD, text(now), '+inf'),
  redis.call('HMGET', META, 'bytes', 'desired', 'cause', 'run_ms', 'start_ms'),
  redis.call('HGETALL', NEEDED),
  replicas,
}
