#!lua flags=allow-oom
-- Add a replica as starting, or as retired if it is; what its former worker still held goes back.
local replica, revision = unpack(ARGV)
local key = replica_key(replica)
local state = redis.call('HGET', key, 'state') == 'retired' and 'retired' or 'starting'
local held = left_behind(key)
redis.call('UNLINK', key)
redis.call('HSET', key, 'state', state, 'revision', revision, 'joined', text(now), 'request', '', 'detail', '',
  'former', held)
redis.call('ZADD', BEATS, text(now), replica)
if held == '' then
  return false
end
if redis.call('HGET', request_key(held), 'replica') == replica and redis.call('ZSCORE', LEASES, held) then
  put_back(held, '')
end
return held
