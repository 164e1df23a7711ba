"""Idempotency records that replicas share in Redis: one hash a record, each step one script, thus atomic.

Time is the Redis server's: replicas' clocks may differ. What it keeps is bounded by its own
`maxmemory`; with a policy that evicts, an answer may be gone before its 24 h.
"""

import secrets
from typing import Any

from redis.asyncio import Redis

from gateway.state.idempotency import Beginning, Begun, IdempotencySettings, InProgress, PayloadConflict, Replay
from gateway.state.redis.client import reply_of

__all__ = ["RedisIdempotency"]

_DEFAULTS = IdempotencySettings()
_NOW = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

# A record: fingerprint, owner, until (the lease's end in ms), answer. An owner who begins once more is
# the same call, sent again by the client library after a lost connection.
_BEGIN = (
    _NOW
    + """
local fingerprint, owner, lease, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'owner', 'until', 'answer', 'again')
if known[1] and known[1] ~= fingerprint then return {'conflict'} end
if known[4] then return {'replay', known[4]} end
if known[2] == owner then return {'begun', known[5]} end
local left = (tonumber(known[3]) or 0) - now
if left > 0 then return {'running', tostring(left)} end
local again = known[1] and '1' or '0'
redis.call('HSET', KEYS[1], 'fingerprint', fingerprint, 'owner', owner, 'until', now + lease, 'again', again)
redis.call('PEXPIRE', KEYS[1], math.max(ttl, lease))
return {'begun', again}
"""
)
_OWNED = """
local known = redis.call('HMGET', KEYS[1], 'owner', 'answer')
if known[1] ~= ARGV[1] or known[2] then return 0 end
"""
_RENEW = (
    _NOW
    + _OWNED
    + """
redis.call('HSET', KEYS[1], 'until', now + tonumber(ARGV[2]))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
"""
)
_FINISH = """
local known = redis.call('HMGET', KEYS[1], 'owner', 'answer')
if known[1] ~= ARGV[1] then return 0 end
if known[2] then return known[2] == ARGV[2] and 1 or 0 end
redis.call('HSET', KEYS[1], 'answer', ARGV[2], 'until', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_ABANDON = (
    _OWNED
    + """
redis.call('HSET', KEYS[1], 'owner', '', 'until', 0)
return 1
"""
)


class RedisIdempotency:
    """The records in a Redis; its client (`connect`) is closed by whoever made it."""

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

    async def begin(self, scope: str, fingerprint: str) -> Beginning:
        owner = secrets.token_hex(16)
        told, *more = await self._run(
            self._begin, scope, fingerprint, owner, _ms(self._settings.lease), _ms(self._settings.ttl)
        )
        match told:
            case b"conflict":
                return PayloadConflict()
            case b"replay":
                return Replay(more[0])
            case b"running":
                return InProgress(int(more[0]) / 1000)
            case _:
                return Begun(owner, again=more[0] == b"1")

    async def renew(self, scope: str, owner: str) -> bool:
        return bool(await self._run(self._renew, scope, owner, _ms(self._settings.lease)))

    async def finish(self, scope: str, owner: str, answer: bytes) -> bool:
        return bool(await self._run(self._finish, scope, owner, answer, _ms(self._settings.ttl)))

    async def abandon(self, scope: str, owner: str) -> None:
        await self._run(self._abandon, scope, owner)

    async def _run(self, script: Any, scope: str, *arguments: str | bytes | int) -> Any:
        return await reply_of(script(keys=[self._prefix + scope], args=arguments))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
