#!lua flags=allow-oom
-- Let retired replicas take again: those that were idle at once, the others once they are ready.
for _, id in ipairs(ARGV) do
  local found = redis.call('HMGET', replica_key(id), 'state', 'idle')
  if found[1] == 'retired' then
    redis.call('HSET', replica_key(id), 'state', found[2] and 'ready' or 'starting')
    wake_worker()
  end
end
return 1
