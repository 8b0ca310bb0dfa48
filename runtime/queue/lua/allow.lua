#!lua flags=allow-oom
-- Take one out of a bucket that refills evenly; all that is kept of it is when it will be full again.
local count, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local each = period / count
local missing = math.min(period, math.max(0, (redis.call('GET', base) or 0) - now))
local rounding = 1e-6

local is_allowed = missing + each <= period + rounding * each
if is_allowed then
  missing = missing + each
  redis.call('SET', base, string.format('%.6f', now + missing), 'PX', math.ceil(missing))
end
local remaining = math.max(0, math.floor((period - missing) / each + rounding))
local retry = is_allowed and 0 or missing + each - period
return {is_allowed and 1 or 0, remaining, tostring(missing), tostring(retry)}
