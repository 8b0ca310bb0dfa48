#!lua flags=no-writes
local id = ARGV[1]
local found = redis.call('HMGET', request_key(id), 'state', 'takes', 'enqueued', 'started', 'finished', 'error',
  'answer_head', 'answer_body', 'answer_ref')
if not found[1] then
  return false
end
return {redis.call('ZRANK', WAITING, id), unpack(found, 1, 9)}
