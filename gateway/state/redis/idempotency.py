"""Idempotency records in Redis: one hash for each record, and one script for each step, so that steps are atomic.

Time is that of the Redis server: the clocks of replicas may differ. The memory is bounded by the `maxmemory` of Redis;
with an eviction policy, a result may be lost before its time to live ends.
"""

import secrets
from typing import Any

from redis.asyncio import Redis

from gateway.state.idempotency import BeginResult, Begun, IdempotencySettings, InProgress, PayloadConflict, Replay
from gateway.state.redis.client import reply_of

__all__ = ["RedisIdempotency"]

_DEFAULTS = IdempotencySettings()
_NOW = "local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"

# A record has the fields fingerprint, owner, until (the end of the lease in ms), again (whether it was begun before)
# and answer (the result). Their names are a format that replicas of two versions use in common.
# ARGV: the fingerprint, the owner, the lease and the time to live in ms. An owner that begins a second time is the
# same call, sent again by the client library after a lost connection.
_BEGIN = (
    _NOW
    + """
local fingerprint, owner, lease, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local stored = redis.call('HMGET', KEYS[1], 'fingerprint', 'owner', 'until', 'answer', 'again')
local stored_fingerprint, stored_owner, stored_result = stored[1], stored[2], stored[4]
if stored_fingerprint and stored_fingerprint ~= fingerprint then return {'conflict'} end
if stored_result then return {'replay', stored_result} end
if stored_owner == owner then return {'begun', stored[5]} end
local remaining = (tonumber(stored[3]) or 0) - now
if remaining > 0 then return {'running', tostring(remaining)} end
local repeated = stored_fingerprint and '1' or '0'
redis.call('HSET', KEYS[1], 'fingerprint', fingerprint, 'owner', owner, 'until', now + lease, 'again', repeated)
redis.call('PEXPIRE', KEYS[1], math.max(ttl, lease))
return {'begun', repeated}
"""
)
# ARGV: the owner.
_RETURN_UNLESS_RUNNING = """
local stored = redis.call('HMGET', KEYS[1], 'owner', 'answer')
if stored[1] ~= ARGV[1] or stored[2] then return 0 end
"""
# ARGV: the owner, the lease in ms.
_RENEW = (
    _NOW
    + _RETURN_UNLESS_RUNNING
    + """
local lease = tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'until', now + lease)
if redis.call('PTTL', KEYS[1]) < lease then redis.call('PEXPIRE', KEYS[1], lease) end
return 1
"""
)
# ARGV: the owner, the result, the time to live in ms.
_FINISH = """
local owner, result, ttl = ARGV[1], ARGV[2], ARGV[3]
local stored = redis.call('HMGET', KEYS[1], 'owner', 'answer')
if stored[1] ~= owner then return 0 end
if stored[2] then return stored[2] == result and 1 or 0 end
redis.call('HSET', KEYS[1], 'answer', result, 'until', 0)
redis.call('PEXPIRE', KEYS[1], ttl)
return 1
"""
_ABANDON = (
    _RETURN_UNLESS_RUNNING
    + """
redis.call('HSET', KEYS[1], 'owner', '', 'until', 0)
return 1
"""
)


class RedisIdempotency:
    """An `IdempotencyStore` in Redis. Whoever connected the client (`connect`) closes it."""

    def __init__(
        self,
        client: Redis,
        settings: IdempotencySettings = _DEFAULTS,
        *,
        prefix: str = "usergateway:idempotency:",
    ) -> None:
        self._settings = settings
        self._prefix = prefix
        self._begin = client.register_script(_BEGIN)
        self._renew = client.register_script(_RENEW)
        self._finish = client.register_script(_FINISH)
        self._abandon = client.register_script(_ABANDON)

    @property
    def lease(self) -> float:
        return self._settings.lease

    async def begin(self, record_id: str, fingerprint: str) -> BeginResult:
        owner = secrets.token_hex(16)
        status, *details = await self._run(
            self._begin, record_id, fingerprint, owner, _ms(self._settings.lease), _ms(self._settings.ttl)
        )
        match status:
            case b"conflict":
                return PayloadConflict()
            case b"replay":
                return Replay(details[0])
            case b"running":
                return InProgress(int(details[0]) / 1000)
            case _:
                return Begun(owner, repeated=details[0] == b"1")

    async def renew(self, record_id: str, owner: str) -> bool:
        return bool(await self._run(self._renew, record_id, owner, _ms(self._settings.lease)))

    async def finish(self, record_id: str, owner: str, result: bytes) -> bool:
        return bool(await self._run(self._finish, record_id, owner, result, _ms(self._settings.ttl)))

    async def abandon(self, record_id: str, owner: str) -> None:
        await self._run(self._abandon, record_id, owner)

    async def _run(self, script: Any, record_id: str, *arguments: str | bytes | int) -> Any:
        return await reply_of(script(keys=[self._prefix + record_id], args=arguments))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
