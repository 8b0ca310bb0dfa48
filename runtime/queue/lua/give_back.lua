#!lua flags=allow-oom
-- Put a running request back in its place; with a fault, the model died under it.
local id, attempt, fault = unpack(ARGV)
if not is_lease_of(id, attempt) then
  return false
end
local key = request_key(id)
release(redis.call('HGET', key, 'replica'), fault == '' and 'ready' or 'starting')
if fault ~= '' then
  redis.call('HINCRBY', key, 'faults', 1)
end
return put_back(id, fault)
