#!lua flags=allow-oom
-- What only time brings about; and what waits for nobody asks for no replica any more.
sweep()
for _, id in ipairs(redis.call('ZRANGE', WAITING, 0, BATCH - 1)) do
  if is_abandoned(redis.call('HGET', request_key(id), 'gateway')) then
    drop(id)
  end
end
return 1
