#!lua flags=allow-oom
-- A worker lives and says how its replica is.
local replica, state, detail = unpack(ARGV)
local key = replica_key(replica)
local found = redis.call('HMGET', key, 'state', 'ready', 'joined', 'request')
if not is_known(found[1]) then
  return 0
end
redis.call('ZADD', BEATS, text(now), replica)
-- A worker only knows that its model is starting; who saw it crash again and again knows more.
local stays = found[1] == 'retired' or (state == 'starting' and found[1] == 'failing')
if not stays and (state == 'starting' or state == 'failing') then
  redis.call('HSET', key, 'state', state, 'detail', detail)
  redis.call('HDEL', key, 'idle')
elseif state == 'ready' and (found[1] == 'starting' or found[1] == 'failing') then
  redis.call('HDEL', key, 'former')
  if found[4] == '' then
    redis.call('HSET', key, 'state', 'ready', 'detail', '', 'idle', text(now))
  else
    redis.call('HSET', key, 'state', 'busy', 'detail', '') -- one at a time: it still has this one in hand
  end
  if not found[2] then
    redis.call('HSET', key, 'ready', text(now))
    if now - found[3] >= LEAST_START_MS then
      moving_average('start_ms', now - found[3])
    end
    local serving = 0
    for _, id in ipairs(redis.call('ZRANGE', BEATS, 0, -1)) do
      local other = redis.call('HGET', replica_key(id), 'state')
      serving = serving + ((other == 'ready' or other == 'busy') and 1 or 0)
    end
    -- One that takes another's place is not one more: while both serve there are more than are wanted.
    mark_needed(math.min(serving, tonumber(redis.call('HGET', META, 'desired') or 0)))
  end
  wake_worker()
end
return 1
