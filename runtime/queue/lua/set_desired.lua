#!lua flags=allow-oom
-- The scaler's decision; needs that no longer hold anything up are forgotten.
local desired, ceiling, cause, hold = unpack(ARGV)
redis.call('HSET', META, 'desired', desired, 'ceiling', ceiling, 'cause', cause)
local needed = redis.call('HGETALL', NEEDED)
for place = 1, #needed, 2 do
  if now - needed[place + 1] > tonumber(hold) then
    redis.call('HDEL', NEEDED, needed[place])
  end
end
return 1
