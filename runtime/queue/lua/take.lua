#!lua flags=allow-oom
-- Lease the first waiting request to a ready replica.
local replica, lease = ARGV[1], ARGV[2]

sweep()
if redis.call('HGET', replica_key(replica), 'state') ~= 'ready' then
  return false
end
for _ = 1, BATCH do
  local id = redis.call('ZRANGE', WAITING, 0, 0)[1]
  if not id then
    redis.call('UNLINK', WAKE)
    return false
  end
  local key = request_key(id)
  local gateway = redis.call('HGET', key, 'gateway')
  if gateway ~= '' and not is_held(gateway) then
    mark_needed(demand())
    leave_waiting(id)
    drop(id)
  else
    local patience = redis.call('ZSCORE', DEADLINES, id) - now
    leave_waiting(id)
    local attempt = redis.call('HINCRBY', key, 'takes', 1)
    redis.call('HSET', key, 'state', 'running', 'replica', replica, 'started', text(now), 'patience', text(patience))
    redis.call('ZADD', LEASES, text(now + lease), id)
    redis.call('HSET', replica_key(replica), 'state', 'busy', 'request', id)
    redis.call('HDEL', replica_key(replica), 'idle')
    redis.call('ZADD', BEATS, text(now), replica)
    local found = redis.call('HMGET', key, 'head', 'body', 'ref', 'caller', 'enqueued')
    return {id, attempt, found[1], found[2], found[3], found[4], text(now - found[5])}
  end
end
return false
