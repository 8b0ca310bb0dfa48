#!lua flags=allow-oom
-- Make idle replicas take no more; those that have nothing in hand come back.
local retired = {}
for _, id in ipairs(ARGV) do
  local found = redis.call('HMGET', replica_key(id), 'state', 'request')
  if is_known(found[1]) and found[2] == '' then
    redis.call('HSET', replica_key(id), 'state', 'retired')
    table.insert(retired, id)
  end
end
return retired
