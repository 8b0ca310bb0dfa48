#!lua flags=allow-oom
local id = ARGV[1]
local state = redis.call('HGET', request_key(id), 'state')
if state == 'waiting' then
  return end_cancelled(id)
end
if state == 'running' then
  redis.call('HSET', request_key(id), 'cancelled', 1)
end
return state
