#!lua flags=allow-oom
local id, attempt, lease = unpack(ARGV)
if not is_lease_of(id, attempt) then
  return 0
end
redis.call('ZADD', LEASES, text(now + lease), id)
redis.call('ZADD', BEATS, text(now), redis.call('HGET', request_key(id), 'replica'))
return 1
