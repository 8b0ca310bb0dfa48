#!lua flags=allow-oom
-- A gateway's clients still wait; those that never will be answered come back.
redis.call('ZADD', HOLDS, 'GT', text(now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', HOLDS, '-inf', text(now))
local gone = {}
for place = 3, #ARGV do
  local found = redis.call('HMGET', request_key(ARGV[place]), 'state', 'cancelled')
  if (found[1] ~= 'waiting' and found[1] ~= 'running') or found[2] then
    table.insert(gone, ARGV[place])
  end
end
return gone
