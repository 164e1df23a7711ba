"""The polling lock that replicas have in common, as a lease in Redis: one hash, and one script for each step.

Time is that of the Redis server. Where its clock is set back, a lease lasts no longer than it would from then on. Where
it is set forward, leases end early. Each holder gets a greater fencing number than the one before it, and a position
that is saved under an earlier number is refused: so a lease that ended unnoticed does no harm.
"""

import math
import secrets

from redis.asyncio import Redis

from gateway.state.redis.client import reply_of

__all__ = ["RedisPollingLock"]

_POSITION_TTL = 3600.0  # seconds after the last lease until the saved position is dropped

# The names of keys and stored fields are a format that replicas of two versions use in common.
# ARGV: the owner, the lease in ms, the expiry of the hash in ms.
_ACQUIRE = """
local owner, lease, expiry = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', KEYS[1], 'owner', 'until', 'number', 'note')
local ends = tonumber(stored[2]) or 0
local free = ends <= now
if not free and stored[1] ~= owner then
  if ends > now + lease then redis.call('HSET', KEYS[1], 'until', now + lease) end  -- the clock was set back
  return {}
end
local number = stored[3]
if free then number = redis.call('HINCRBY', KEYS[1], 'number', 1) end
redis.call('HSET', KEYS[1], 'owner', owner, 'until', now + lease)
redis.call('PEXPIRE', KEYS[1], expiry)
return {tonumber(number), stored[4]}
"""
# ARGV: the fencing number, the position, the age of the round in ms, empty where it is not known.
_SAVE = """
local number, position, age = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', KEYS[1], 'number') ~= number then return 0 end
redis.call('HSET', KEYS[1], 'note', position)
if age ~= '' then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'begun', time[1] * 1000 + math.floor(time[2] / 1000) - age)
end
return 1
"""
_AGE = """
local begun = redis.call('HGET', KEYS[1], 'begun')
if not begun then return false end
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000) - begun
"""
# ARGV: the fencing number, the lease in ms.
_RENEW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'number') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'until', now + ARGV[2])
return 1
"""
# ARGV: the fencing number.
_RELEASE = """
if redis.call('HGET', KEYS[1], 'number') == ARGV[1] then redis.call('HSET', KEYS[1], 'until', 0) end
"""


class RedisPollingLock:
    """The `PollingLock` of that name; `lease` is in seconds. Whoever connected the client (`connect`) closes it."""

    def __init__(self, client: Redis, name: str, *, lease: float, prefix: str = "usergateway:turn:") -> None:
        self._keys = [prefix + name]
        self.lease = lease
        self._owner = secrets.token_hex(16)
        self._lease_ms = max(1, round(lease * 1000))  # milliseconds
        self._expiry = self._lease_ms + round(_POSITION_TTL * 1000)
        self._acquire = client.register_script(_ACQUIRE)
        self._renew = client.register_script(_RENEW)
        self._save = client.register_script(_SAVE)
        self._age = client.register_script(_AGE)
        self._release = client.register_script(_RELEASE)

    async def acquire(self) -> tuple[int, str | None] | None:
        reply = await reply_of(self._acquire(self._keys, [self._owner, self._lease_ms, self._expiry]))
        if not reply:
            return None
        number, *position = reply
        return int(number), position[0].decode() if position and position[0] is not None else None

    async def renew(self, number: int) -> bool:
        return bool(await reply_of(self._renew(self._keys, [number, self._lease_ms])))

    async def save(self, number: int, position: str) -> bool:
        return bool(await reply_of(self._save(self._keys, [number, position, ""])))

    async def save_round(self, number: int, position: str, age: float) -> bool:
        milliseconds = math.ceil(age * 1000)
        return bool(await reply_of(self._save(self._keys, [number, position, milliseconds])))

    async def round_age(self) -> float | None:
        age = await reply_of(self._age(self._keys))
        # A round in the future: the clock was set back, and by how much is not known.
        return None if age is None or int(age) < 0 else int(age) / 1000

    async def release(self, number: int) -> None:
        await reply_of(self._release(self._keys, [number]))
