-- One endpoint's keys. All share the hash tag {endpoint}, so that in cluster mode they lie on one node.
--
--   moorage:{endpoint}:waiting        sorted set  request -> priority and ticket; its rank is its position
--   moorage:{endpoint}:deadlines      sorted set  waiting request -> when it expires, ms
--   moorage:{endpoint}:leases         sorted set  running request -> when its lease runs out, ms
--   moorage:{endpoint}:dead           sorted set  dead letter -> when it is forgotten, ms
--   moorage:{endpoint}:holds          sorted set  gateway -> until when its waiting clients count as there, ms
--   moorage:{endpoint}:beats          sorted set  replica -> when its worker was last heard, ms
--   moorage:{endpoint}:needed         hash        level -> last moment that many replicas were needed, ms
--   moorage:{endpoint}:meta           hash        ticket, bytes, desired, ceiling, cause, run_ms, start_ms, wait_ms,
--                                                 swept, patient: last sweep, and until when nobody counts as silent
--   moorage:{endpoint}:wake           list        one entry a wake-up; idle workers block on it
--   moorage:{endpoint}:request:<id>   hash        head, body, ref, size, priority, score, caller, gateway, digest,
--                                                 fingerprint, state, attempt, takes, faults, queue, patience,
--                                                 enqueued, started, finished, replica, cancelled, error,
--                                                 answer_head, answer_body, answer_ref
--   moorage:{endpoint}:key:<digest>   string      the request that first came with this idempotency key
--   moorage:{endpoint}:replica:<id>   hash        state, revision, joined, ready, idle, request, detail, former (what
--                                                 a worker before left to the model, until that is ready); of a
--                                                 forgotten one (state lost) only what its model may still run
--
--   moorage:{rate:<bucket>}           string      when the bucket of a rate limit will be full again, ms
--
-- request.caller is empty for an async request. request.gateway is too where nobody need wait for the answer,
-- for it is kept: async and keyed ones. Times are the server's, in ms.

local base = KEYS[1]
local WAITING, DEADLINES, LEASES = base .. ':waiting', base .. ':deadlines', base .. ':leases'
local DEAD, HOLDS, BEATS = base .. ':dead', base .. ':holds', base .. ':beats'
local NEEDED, META, WAKE = base .. ':needed', base .. ':meta', base .. ':wake'
local MOST_WAKES, BATCH = 64, 100
local PRIORITY_STEP = 2 ^ 46

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function request_key(id)
  return base .. ':request:' .. id
end

local function digest_key(digest)
  return base .. ':key:' .. digest
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
  level = math.max(1, math.min(level, MAX_LEVEL))
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

local function signal_if_short()
  local scale = redis.call('HMGET', META, 'desired', 'ceiling')
  local desired, ceiling = tonumber(scale[1] or 0), tonumber(scale[2] or MAX_LEVEL)
  if desired < ceiling and demand() > desired then
    signal_demand()
  end
end

local function moving_average(field, sample)
  local old = redis.call('HGET', META, field)
  redis.call('HSET', META, field, text(old and 0.8 * old + 0.2 * sample or sample))
end

local function is_known(replica_state)
  return replica_state and replica_state ~= 'lost'
end

-- The request that a replica's model may still be at work on; empty where there is none.
local function left_behind(key)
  local found = redis.call('HMGET', key, 'request', 'former')
  if found[1] and found[1] ~= '' then
    return found[1]
  end
  return found[2] or ''
end

-- A replica that goes with a request in its hands is remembered: its model may still be at work on it.
local function forget_replica(id)
  local key = replica_key(id)
  redis.call('ZREM', BEATS, id)
  if not is_known(redis.call('HGET', key, 'state')) then
    return
  end
  if left_behind(key) == '' then
    redis.call('UNLINK', key)
  else
    redis.call('HSET', key, 'state', 'lost')
    redis.call('PEXPIRE', key, RESULT_MS)
  end
end

-- A queue that was away heard nobody meanwhile: until all had the time to speak again, nobody counts as silent.
-- Only a sweep that could have found silence counts: else slow ones would be taken for absences for ever.
local function note_sweep()
  if redis.call('EXISTS', WAITING, LEASES, BEATS) == 0 then
    return
  end
  local found = redis.call('HMGET', META, 'swept', 'patient')
  local swept, patient = tonumber(found[1] or now), tonumber(found[2] or 0)
  if now - swept >= AWAY_MS and swept >= patient then
    redis.call('HSET', META, 'patient', text(now + RETURN_MS))
  end
  if not found[1] or now - swept >= NOTE_MS then
    redis.call('HSET', META, 'swept', text(now))
  end
end

local function is_patient()
  local until_ms = redis.call('HGET', META, 'patient')
  return until_ms and tonumber(until_ms) > now
end

local function is_held(gateway)
  local until_ms = redis.call('ZSCORE', HOLDS, gateway)
  return until_ms and tonumber(until_ms) > now
end

local function is_abandoned(gateway)
  return gateway ~= '' and not is_held(gateway) and not is_patient()
end

local function is_lease_of(id, attempt)
  local found = redis.call('HMGET', request_key(id), 'state', 'attempt')
  return found[1] == 'running' and found[2] == attempt
end

local function next_score(priority)
  return text(priority * PRIORITY_STEP + redis.call('HINCRBY', META, 'ticket', 1))
end

local function join_waiting(id, score, patience, size)
  redis.call('ZADD', WAITING, score, id)
  redis.call('ZADD', DEADLINES, text(now + patience), id)
  redis.call('HINCRBY', META, 'bytes', size)
  wake_worker()
end

local function leave_waiting(id)
  redis.call('ZREM', WAITING, id)
  redis.call('ZREM', DEADLINES, id)
  redis.call('HINCRBY', META, 'bytes', -redis.call('HGET', request_key(id), 'size'))
end

-- It neither waits nor runs any more. Until now it was needed.
local function leave_demand(id)
  mark_needed(demand())
  if redis.call('ZREM', LEASES, id) == 0 then
    leave_waiting(id)
  end
end

-- Forget an ended request, and its idempotency key with it.
local function forget_request(id)
  local digest = redis.call('HGET', request_key(id), 'digest')
  if digest ~= '' then
    redis.call('UNLINK', digest_key(digest))
  end
  redis.call('UNLINK', request_key(id))
end

-- A key lasts as long as its request; one that was cancelled or expired frees it, so that a retry may run.
local function keep_key(digest, state, keep)
  if state == 'cancelled' or state == 'expired' then
    redis.call('UNLINK', digest_key(digest))
  else
    redis.call('PEXPIRE', digest_key(digest), keep)
  end
end

-- Give a request its final state, kept for as long as somebody may ask for it.
local function close(id, state, error)
  leave_demand(id)
  local key = request_key(id)
  local found = redis.call('HMGET', key, 'gateway', 'digest')
  local keep = found[1] == '' and RESULT_MS or TOLD_MS
  redis.call('HSET', key, 'state', state, 'error', error, 'finished', text(now))
  if state == 'dead' then
    keep = DEAD_MS
    redis.call('ZADD', DEAD, text(now + keep), id)
  else
    redis.call('HDEL', key, 'head', 'body')
  end
  redis.call('PEXPIRE', key, keep)
  if found[2] ~= '' then
    keep_key(found[2], state, keep)
  end
end

-- Somebody cancelled it, maybe not the one who waits for it: its gateway will ask what became of it.
local function end_cancelled(id)
  close(id, 'cancelled', 'cancelled')
  return 'cancelled'
end

-- Nobody waits for it any more: one that keeps its answer is remembered as cancelled, another is forgotten.
local function drop(id)
  if redis.call('HGET', request_key(id), 'gateway') == '' then
    return end_cancelled(id)
  end
  leave_demand(id)
  redis.call('UNLINK', request_key(id))
  return 'cancelled'
end

-- Why a request may not be taken again; nil while it may.
local function verdict(faults, takes, fault)
  if tonumber(faults) >= MAX_FAULTS then
    return 'the model died under it ' .. faults .. ' times; the last time: ' .. fault
  elseif tonumber(takes) >= MAX_TAKES then
    return 'it was taken ' .. takes .. ' times and never finished'
  end
end

-- A running request goes back to its old place, unless it may not run again.
local function put_back(id, fault)
  local key = request_key(id)
  local found = redis.call('HMGET', key, 'cancelled', 'faults', 'takes', 'gateway', 'score', 'patience', 'size')
  if found[1] then
    return end_cancelled(id)
  end
  local why = verdict(found[2], found[3], fault)
  if why then
    close(id, 'dead', why)
    return 'dead'
  end
  if is_abandoned(found[4]) then
    return drop(id)
  end
  redis.call('ZREM', LEASES, id)
  redis.call('HSET', key, 'state', 'waiting')
  redis.call('HDEL', key, 'started', 'replica')
  join_waiting(id, found[5], math.max(1000, found[6]), found[7])
  signal_demand()
  return 'waiting'
end

-- Its worker has spoken and holds nothing any more. What it said meanwhile of its model stays true.
local function release(replica, state_after_busy)
  local key = replica_key(replica)
  local state = redis.call('HGET', key, 'state')
  if not is_known(state) then
    redis.call('UNLINK', key)
    return
  end
  redis.call('HSET', key, 'request', '')
  redis.call('ZADD', BEATS, text(now), replica)
  if state == 'busy' then
    redis.call('HSET', key, 'state', state_after_busy)
    if state_after_busy == 'ready' then
      redis.call('HSET', key, 'idle', text(now))
    end
  end
end

local function expire(id)
  local waited = (now - redis.call('HGET', request_key(id), 'enqueued')) / 1000
  close(id, 'expired', string.format('waited %.1f s for a replica, longer than its queue_seconds', waited))
end

local function expire_waiting()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', text(now), 'LIMIT', 0, BATCH)) do
    expire(id)
  end
end

local function take_over_leases()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(now), 'LIMIT', 0, BATCH)) do
    local holder = redis.call('HGET', request_key(id), 'replica')
    if redis.call('HGET', replica_key(holder), 'request') == id then
      forget_replica(holder)
    end
    put_back(id, '')
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
  note_sweep()
  expire_waiting()
  if not is_patient() then
    take_over_leases()
    forget_silent_replicas()
  end
  redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', text(now))
end

-- What `request_view` reads; false for an unknown one.
local function describe(id)
  local found = redis.call('HMGET', request_key(id), 'state', 'attempt', 'enqueued', 'started', 'finished', 'error',
    'priority', 'caller', 'ref', 'answer_head', 'answer_body', 'answer_ref')
  if not found[1] then
    return false
  end
  return {id, text(now), redis.call('ZRANK', WAITING, id), unpack(found, 1, 12)}
end
