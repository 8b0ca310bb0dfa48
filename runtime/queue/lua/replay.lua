#!lua flags=allow-oom
-- Let a dead letter wait again, as if it had just come in; only its attempts go on being counted.
local id = ARGV[1]
local key = request_key(id)
local found = redis.call('HMGET', key, 'state', 'priority', 'queue', 'size', 'digest')
if found[1] ~= 'dead' then
  return 0
end
redis.call('ZREM', DEAD, id)
redis.call('PERSIST', key)
if found[5] ~= '' then
  redis.call('PERSIST', digest_key(found[5]))
end
local score = next_score(found[2])
redis.call('HDEL', key, 'started', 'finished', 'replica', 'error')
redis.call('HSET', key, 'state', 'waiting', 'score', score, 'enqueued', text(now), 'takes', 0, 'faults', 0,
  'caller', '', 'gateway', '')
join_waiting(id, score, found[3], found[4])
signal_if_short()
return 1
