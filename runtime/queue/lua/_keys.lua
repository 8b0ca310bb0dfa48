-- One endpoint's keys. All share the hash tag {endpoint}, so that in cluster mode they lie on one node.
--
--   moorage:{endpoint}:waiting        sorted set  request -> priority and ticket; its rank is its position
--   moorage:{endpoint}:deadlines      sorted set  waiting request -> when it expires, ms
--   moorage:{endpoint}:leases         sorted set  running request -> when its lease runs out, ms
--   moorage:{endpoint}:dead           sorted set  dead letter -> when it is forgotten, ms
--   moorage:{endpoint}:holds          sorted set  gateway -> until when its waiting clients count as there, ms
--   moorage:{endpoint}:beats          sorted set  replica -> when its worker was last heard, ms
--   moorage:{endpoint}:needed         hash        level -> last moment that many replicas were needed, ms
--   moorage:{endpoint}:meta           hash        ticket, bytes, desired, ceiling, cause, run_ms, start_ms
--   moorage:{endpoint}:wake           list        one entry a wake-up; idle workers block on it
--   moorage:{endpoint}:request:<id>   hash        head, body, ref, size, score, caller, gateway, state, takes,
--                                                 faults, patience, enqueued, started, finished, replica,
--                                                 cancelled, error, answer_head, answer_body, answer_ref
--   moorage:{endpoint}:replica:<id>   hash        state, revision, joined, ready, idle, request, detail; of a
--                                                 forgotten one (state lost) only what its model may still run
--
-- request.caller is empty for an async request. Times are the server's, in ms.

local base = KEYS[1]
local WAITING, DEADLINES, LEASES = base .. ':waiting', base .. ':deadlines', base .. ':leases'
local DEAD, HOLDS, BEATS = base .. ':dead', base .. ':holds', base .. ':beats'
local NEEDED, META, WAKE = base .. ':needed', base .. ':meta', base .. ':wake'
local TOP_LEVEL, MOST_WAKES, BATCH = 1000, 64, 100

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function request_key(id)
  return base .. ':request:' .. id
end

local function replica_key(id)
  return base .. ':replica:' .. id
end

-- Lua would write a large number as 1.7e+12.
local function text(number)
  return string.format('%.0f', number)
end

local function demand()
  return redis.call('ZCARD', WAITING) + redis.call('ZCARD', LEASES)
end

-- Called before each move that lowers demand: until now this many replicas were needed.
local function mark_needed(level)
  level = math.max(1, math.min(level, TOP_LEVEL))
  redis.call('HSET', NEEDED, level, text(now))
end

local function wake_worker()
  if redis.call('LLEN', WAKE) < MOST_WAKES then
    redis.call('LPUSH', WAKE, '')
  end
end

local function signal_demand()
  redis.call('PUBLISH', CHANNEL, base)
end

local function moving_average(field, sample)
  local old = redis.call('HGET', META, field)
  redis.call('HSET', META, field, text(old and 0.8 * old + 0.2 * sample or sample))
end

-- A replica that goes with a request in its hands is remembered: its model may still be at work on it.
local function forget_replica(id)
  local key = replica_key(id)
  redis.call('ZREM', BEATS, id)
  local request = redis.call('HGET', key, 'request')
  if not request or request == '' then
    redis.call('UNLINK', key)
  else
    redis.call('HSET', key, 'state', 'lost')
    redis.call('PEXPIRE', key, RESULT_MS)
  end
end

local function is_known(replica_state)
  return replica_state and replica_state ~= 'lost'
end

local function is_held(gateway)
  local until_ms = redis.call('ZSCORE', HOLDS, gateway)
  return until_ms and tonumber(until_ms) > now
end

local function is_lease_of(id, attempt)
  local found = redis.call('HMGET', request_key(id), 'state', 'takes')
  return found[1] == 'running' and found[2] == attempt
end

local function leave_waiting(id)
  redis.call('ZREM', WAITING, id)
  redis.call('ZREM', DEADLINES, id)
  redis.call('HINCRBY', META, 'bytes', -redis.call('HGET', request_key(id), 'size'))
end

-- Give a request its final state, kept for as long as somebody may ask for it.
local function close(id, state, error)
  local key = request_key(id)
  local is_async = redis.call('HGET', key, 'caller') == ''
  local keep = TOLD_MS
  if is_async then
    keep = state == 'dead' and DEAD_MS or RESULT_MS
  end
  redis.call('HSET', key, 'state', state, 'error', error, 'finished', text(now))
  if state == 'dead' then
    redis.call('ZADD', DEAD, text(now + keep), id)
  else
    redis.call('HDEL', key, 'head', 'body')
  end
  redis.call('PEXPIRE', key, keep)
end

-- Nobody waits for it any more: an async one is remembered as cancelled, a sync one is forgotten.
local function drop(id)
  if redis.call('HGET', request_key(id), 'caller') == '' then
    close(id, 'cancelled', 'cancelled')
  else
    redis.call('UNLINK', request_key(id))
  end
  return 'cancelled'
end

-- A request whose lease has just ended goes back to its old place, unless it may not run again.
local function put_back(id)
  local key = request_key(id)
  local found = redis.call('HMGET', key, 'cancelled', 'gateway', 'takes', 'patience', 'score', 'size')
  if found[1] or (found[2] ~= '' and not is_held(found[2])) then
    return drop(id)
  end
  if tonumber(found[3]) >= MAX_TAKES then
    close(id, 'dead', 'it was taken ' .. found[3] .. ' times and never finished')
    return 'dead'
  end
  redis.call('HSET', key, 'state', 'waiting')
  redis.call('HDEL', key, 'started', 'replica')
  redis.call('ZADD', WAITING, found[5], id)
  redis.call('ZADD', DEADLINES, text(now + math.max(1000, found[4])), id)
  redis.call('HINCRBY', META, 'bytes', found[6])
  wake_worker()
  signal_demand()
  return 'waiting'
end

-- The replica is idle again, unless its worker has said something else of it meanwhile.
local function release(replica)
  local key = replica_key(replica)
  local state = redis.call('HGET', key, 'state')
  if not is_known(state) then
    redis.call('UNLINK', key)
    return
  end
  redis.call('HSET', key, 'request', '')
  redis.call('ZADD', BEATS, text(now), replica)
  if state == 'busy' then
    redis.call('HSET', key, 'state', 'ready', 'idle', text(now))
  end
end

-- The model died under its request: not ready until the worker says so.
local function unready(replica)
  local key = replica_key(replica)
  if is_known(redis.call('HGET', key, 'state')) then
    redis.call('HSET', key, 'request', '', 'state', 'starting')
    redis.call('HDEL', key, 'idle')
  end
end

local function expire_waiting()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', text(now), 'LIMIT', 0, BATCH)) do
    local waited = (now - redis.call('HGET', request_key(id), 'enqueued')) / 1000
    mark_needed(demand())
    leave_waiting(id)
    close(id, 'expired', string.format('waited %.1f s for a replica, longer than its queue_seconds', waited))
  end
end

local function take_over_leases()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(now), 'LIMIT', 0, BATCH)) do
    mark_needed(demand())
    redis.call('ZREM', LEASES, id)
    local holder = redis.call('HGET', request_key(id), 'replica')
    if redis.call('HGET', replica_key(holder), 'request') == id then
      forget_replica(holder)
    end
    put_back(id)
  end
end

local function forget_silent_replicas()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', BEATS, '-inf', text(now - SILENT_MS), 'LIMIT', 0, BATCH)) do
    local request = redis.call('HGET', replica_key(id), 'request')
    if not request or request == '' or not redis.call('ZSCORE', LEASES, request) then
      forget_replica(id)
    end
  end
end

local function sweep()
  expire_waiting()
  take_over_leases()
  forget_silent_replicas()
  redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', text(now))
end
