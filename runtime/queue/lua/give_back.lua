#!lua flags=allow-oom
-- Put a running request back in its place; with a fault, the model died under it.
local id, attempt, fault = unpack(ARGV)
if not is_lease_of(id, attempt) then
  return false
end
local key = request_key(id)
local replica = redis.call('HGET', key, 'replica')
mark_needed(demand())
redis.call('ZREM', LEASES, id)
if fault == '' then
  release(replica)
  return put_back(id)
end
unready(replica)
if redis.call('HINCRBY', key, 'faults', 1) >= MAX_FAULTS and not redis.call('HGET', key, 'cancelled') then
  close(id, 'dead', 'the model died under it ' .. MAX_FAULTS .. ' times; the last time: ' .. fault)
  return 'dead'
end
return put_back(id)
