"""Whose turn it is among replicas, by a lease in Redis: one hash, each step one script.

Time is the Redis server's. A lease that has ended is not missed: each turn has a greater number than the one before
it, and what is noted under an earlier one is refused.
"""

import secrets

from redis.asyncio import Redis

from gateway.state.redis.client import reply_of

__all__ = ["RedisPollingLock"]

_FORGOTTEN = 3600.0  # seconds after which nobody goes on where somebody stopped

_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'owner', 'until', 'number', 'note')
local free = (tonumber(known[2]) or 0) <= now
if not free and known[1] ~= ARGV[1] then return {} end
local number = known[3]
if free then number = redis.call('HINCRBY', KEYS[1], 'number', 1) end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', now + ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {tonumber(number), known[4]}
"""
_NOTE = """
if redis.call('HGET', KEYS[1], 'number') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'note', ARGV[2])
return 1
"""
_GIVE_UP = """
if redis.call('HGET', KEYS[1], 'number') == ARGV[1] then redis.call('HSET', KEYS[1], 'until', 0) end
"""


class RedisPollingLock:
    """A turn by its name; `lease` is in seconds. The client (`connect`) is closed by whoever made it."""

    def __init__(self, client: Redis, name: str, *, lease: float, prefix: str = "usergateway:turn:") -> None:
        self._keys = [prefix + name]
        self._owner = secrets.token_hex(16)
        self._lease = max(1, round(lease * 1000))
        self._forgotten = self._lease + round(_FORGOTTEN * 1000)
        self._take = client.register_script(_TAKE)
        self._note = client.register_script(_NOTE)
        self._give_up = client.register_script(_GIVE_UP)

    async def take(self) -> tuple[int, str | None] | None:
        told = await reply_of(self._take(self._keys, [self._owner, self._lease, self._forgotten]))
        if not told:
            return None
        number, *noted = told
        return int(number), noted[0].decode() if noted and noted[0] is not None else None

    async def note(self, number: int, text: str) -> bool:
        return bool(await reply_of(self._note(self._keys, [number, text])))

    async def give_up(self, number: int) -> None:
        await reply_of(self._give_up(self._keys, [number]))
