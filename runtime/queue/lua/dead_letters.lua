#!lua flags=no-writes
-- The newest dead letters first.
local letters = {}
for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', DEAD, '+inf', '(' .. text(now), 'LIMIT', 0, ARGV[1])) do
  table.insert(letters, describe(id) or nil)
end
return letters
