#!lua flags=allow-oom
local id, attempt, lease = unpack(ARGV)
if not is_lease_of(id, attempt) then
  return 0
end
redis.call('ZADD', LEASES, text(now + lease), id)
local replica = redis.call('HGET', request_key(id), 'replica')
if is_known(redis.call('HGET', replica_key(replica), 'state')) then
  redis.call('ZADD', BEATS, text(now), replica)
end
return 1
