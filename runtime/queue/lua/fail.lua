#!lua flags=allow-oom
-- End a running request without an answer.
local id, attempt, error = unpack(ARGV)
if not is_lease_of(id, attempt) then
  return 0
end
local found = redis.call('HMGET', request_key(id), 'replica', 'cancelled')
release(found[1], 'starting')
if found[2] then
  end_cancelled(id)
else
  close(id, 'failed', error)
end
return 1
