#!lua flags=allow-oom
-- Make idle replicas take no more; those that were idle come back.
local retired = {}
for _, id in ipairs(ARGV) do
  local state = redis.call('HGET', replica_key(id), 'state')
  if is_known(state) and state ~= 'busy' then
    redis.call('HSET', replica_key(id), 'state', 'retired')
    table.insert(retired, id)
  end
end
return retired
