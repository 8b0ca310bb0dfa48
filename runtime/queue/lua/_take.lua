-- What `take` does, and `finish` for the replica's next.

local function hand_out(id, replica, lease)
  local key = request_key(id)
  local patience = redis.call('ZSCORE', DEADLINES, id) - now
  leave_waiting(id)
  local attempt = redis.call('HINCRBY', key, 'attempt', 1)
  redis.call('HINCRBY', key, 'takes', 1)
  redis.call('HSET', key, 'state', 'running', 'replica', replica, 'started', text(now), 'patience', text(patience))
  redis.call('ZADD', LEASES, text(now + lease), id)
  redis.call('HSET', replica_key(replica), 'state', 'busy', 'request', id)
  redis.call('HDEL', replica_key(replica), 'idle')
  redis.call('ZADD', BEATS, text(now), replica)
  local found = redis.call('HMGET', key, 'enqueued', 'head', 'body', 'ref', 'caller', 'gateway')
  local waited = now - found[1]
  moving_average('wait_ms', waited)
  return {id, attempt, text(waited), unpack(found, 2, 6)}
end

local function take_next(replica, lease)
  sweep()
  if redis.call('HGET', replica_key(replica), 'state') ~= 'ready' then
    return false
  end
  for _ = 1, BATCH do
    local id = redis.call('ZRANGE', WAITING, 0, 0)[1]
    if not id then
      redis.call('UNLINK', WAKE)
      return false
    end
    if tonumber(redis.call('ZSCORE', DEADLINES, id)) <= now then
      expire(id) -- more have expired than one sweep ends
    elseif is_abandoned(redis.call('HGET', request_key(id), 'gateway')) then
      drop(id)
    else
      return hand_out(id, replica, lease)
    end
  end
  return false
end
