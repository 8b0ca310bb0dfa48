#!lua flags=allow-oom
-- The model has finished: free the replica, keep the answer where the request keeps its answer, take the next.
local id, attempt, next_lease, has_answer, head, body, ref = unpack(ARGV)
if not is_lease_of(id, attempt) then
  return 0
end
local key = request_key(id)
local found = redis.call('HMGET', key, 'replica', 'started', 'gateway', 'cancelled')
moving_average('run_ms', now - found[2])
release(found[1], 'ready')
if found[4] or found[3] ~= '' then
  drop(id)
else
  if has_answer == '1' then
    redis.call('HSET', key, 'answer_head', head, 'answer_body', body, 'answer_ref', ref)
  end
  close(id, 'completed', '')
end
return next_lease ~= '' and take_next(found[1], next_lease) or 1
