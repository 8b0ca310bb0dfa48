#!lua flags=allow-oom
-- End a running request without an answer.
local id, attempt, error = unpack(ARGV)
if not is_lease_of(id, attempt) then
  return 0
end
mark_needed(demand())
redis.call('ZREM', LEASES, id)
unready(redis.call('HGET', request_key(id), 'replica'))
if redis.call('HGET', request_key(id), 'cancelled') then
  drop(id)
else
  close(id, 'failed', error)
end
return 1
