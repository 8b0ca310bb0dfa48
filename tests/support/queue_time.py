"""A Valkey whose time a test moves: the moves' own scripts, with TIME and expiry played to them.

Before each script stands a `redis` of ours that answers TIME from a key of the endpoint and writes down
when keys expire instead of having the server expire them. The scripts themselves are as they ship.
"""

from collections.abc import Sequence

from redis.asyncio import Redis

from runtime.queue.moves import read_move

_PLAY = """
local server = redis
local CLOCK, EXPIRIES = KEYS[1] .. ':test-clock', KEYS[1] .. ':test-expiries'
local ms = tonumber(server.call('GET', CLOCK))
local played = {
  TIME = function() return {tostring(math.floor(ms / 1000)), tostring(ms % 1000 * 1000)} end,
  PEXPIRE = function(key, keep)
    return server.call('EXISTS', key) == 1 and server.call('ZADD', EXPIRIES, ms + keep, key) or 0
  end,
  PERSIST = function(key) return server.call('ZREM', EXPIRIES, key) end,
  UNLINK = function(key)
    server.call('ZREM', EXPIRIES, key)
    return server.call('UNLINK', key)
  end,
  SET = function(key, value, _, keep)
    server.call('ZREM', EXPIRIES, key)
    if keep then
      server.call('ZADD', EXPIRIES, ms + keep, key)
    end
    return server.call('SET', key, value)
  end,
}
local redis = {call = function(name, ...)
  if played[name] then
    return played[name](...)
  end
  return server.call(name, ...)
end}
"""

_ADVANCE = """
redis.call('SET', KEYS[1] .. ':test-clock', ARGV[1])
local expiries = KEYS[1] .. ':test-expiries'
for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', ARGV[1])) do
  redis.call('UNLINK', key)
  redis.call('ZREM', expiries, key)
end
"""


def read_played(name: str) -> str:
    """The script of a move on the test's time."""
    flags, _, rest = read_move(name).partition("\n")
    return f"{flags}{_PLAY}{rest}"


class PlayedTime:
    """The time of all keys under some names, in a Valkey whose scripts are `read_played`."""

    def __init__(self, client: "Redis", names: Sequence[str]) -> None:
        self._advance = client.register_script(_ADVANCE)
        self._names = names

    async def set(self, seconds: float) -> None:
        """Make it so many seconds since the epoch; what has expired by then is gone."""
        for name in self._names:
            await self._advance(keys=[f"moorage:{{{name}}}"], args=[round(seconds * 1000)])
