#!lua flags=allow-oom
-- One replica is needed now, without a request.
mark_needed(1)
if (tonumber(redis.call('HGET', META, 'desired') or 0)) == 0 then
  signal_demand()
end
return 1
