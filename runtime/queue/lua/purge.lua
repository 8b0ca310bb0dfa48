#!lua flags=allow-oom
-- Forget one dead letter, or all; those that were there come back.
local one = ARGV[1]
local purged = {}
for _, id in ipairs(one == '' and redis.call('ZREVRANGE', DEAD, 0, -1) or {one}) do
  if redis.call('HGET', request_key(id), 'state') == 'dead' then
    forget_request(id)
    table.insert(purged, id)
  end
  redis.call('ZREM', DEAD, id)
end
return purged
