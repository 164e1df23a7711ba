"""Idempotency records in Redis: one hash for each record, and one script for each step, so that steps are atomic.

Time is that of the Redis server: the clocks of replicas may differ. That clock may be set as well: a lease never lasts
longer than its length, and a change whose age cannot be known counts as old.

The records of one principal are bounded: a sorted set has their ids, the oldest first. A cluster behind one address
refuses scripts with keys of several slots: there the records are not bounded. The memory as a whole is bounded by the
`maxmemory` of Redis; with an eviction policy, a result may be lost before its time to live ends.
"""

import logging
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ClusterCrossSlotError

from gateway.errors import SourceUnavailable
from gateway.state.idempotency import (
    BeginResult,
    Begun,
    IdempotencySettings,
    InProgress,
    PayloadConflict,
    Progress,
    Replay,
    record_id_of,
)
from gateway.state.redis.client import reply_of

__all__ = ["RedisIdempotency"]

_LOG = logging.getLogger("gateway.state")
_DEFAULTS = IdempotencySettings()
_REVOKED_TTL = 300.0  # seconds: how long after its caller has given up a `begin` may still arrive at Redis
_NOW = "local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"

# A record has the fields fingerprint, owner, until (the end of the lease in ms), first (when the first execution began
# that may have been carried out, in ms; empty: none was), again (whether that was an earlier one than the present one),
# confirmed (whether the source confirmed the change), index (the key of the sorted set that has its id) and answer (the
# result). Their names are a format that replicas of two versions use in common; older ones do not write `first`, so
# that an empty one is out of date where `again` says that there was an execution after it.
#
# KEYS: the record, the mark of a revoked owner, the sorted set of its principal if records are bounded. ARGV: the
# fingerprint, the owner, the lease and the time to live in ms, the record's id, the most records of a principal. An
# owner that begins a second time is the same call, sent again by the client library after a lost connection.
_BEGIN = (
    _NOW
    + """
local fingerprint, owner, lease, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local id, most = ARGV[5], tonumber(ARGV[6])
local index = KEYS[3]
if redis.call('EXISTS', KEYS[2]) == 1 then return {'revoked'} end
local stored = redis.call('HMGET', KEYS[1], 'fingerprint', 'owner', 'until', 'answer', 'first', 'again', 'confirmed')
local stored_fingerprint, stored_owner, stored_result, first = stored[1], stored[2], stored[4], stored[5]
if first == '' and stored[6] == '1' then first = false end
if stored_fingerprint and stored_fingerprint ~= fingerprint then return {'conflict'} end
if stored_result then return {'replay', stored_result} end
local began_before = stored_owner == owner
local remaining = (tonumber(stored[3]) or 0) - now
if remaining > lease then -- the clock was set back
  remaining = lease
  redis.call('HSET', KEYS[1], 'until', now + lease)
end
if remaining > 0 and not began_before then return {'running', tostring(remaining)} end
local age = ''
if stored_fingerprint and first ~= '' and not (began_before and stored[6] == '0') then
  age = first and now - tonumber(first) or ttl - redis.call('PTTL', KEYS[1])
  if age < 0 then age = ttl end
end
if not began_before then
  local again = age == '' and '0' or '1'
  redis.call('HSET', KEYS[1], 'fingerprint', fingerprint, 'owner', owner, 'until', now + lease, 'again', again)
  if again == '0' then redis.call('HSET', KEYS[1], 'first', now)
  elseif not first then redis.call('HSET', KEYS[1], 'first', now - age) end
  redis.call('PEXPIRE', KEYS[1], math.max(ttl, lease))
end
if index and not began_before then
  redis.call('HSET', KEYS[1], 'index', index)
  redis.call('ZADD', index, now, id)
  redis.call('PEXPIRE', index, math.max(ttl, lease))
  local surplus = redis.call('ZCARD', index) - most
  if surplus > 0 then
    local prefix = string.sub(KEYS[1], 1, -1 - string.len(id))
    for _, old in ipairs(redis.call('ZRANGE', index, 0, surplus + 20)) do
      local ends = tonumber(redis.call('HGET', prefix .. old, 'until') or '0')
      if surplus > 0 and ends <= now then
        redis.call('DEL', prefix .. old)
        redis.call('ZREM', index, old)
        surplus = surplus - 1
      end
    end
  end
end
return {'begun', tostring(age), stored[7] or '0'}
"""
)
# ARGV: the owner.
_RETURN_UNLESS_RUNNING = """
local stored = redis.call('HMGET', KEYS[1], 'owner', 'answer', 'again', 'index')
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
# KEYS: the record, the mark of a revoked owner. ARGV: the owner, how long the mark lasts in ms, the record's id, the
# progress. Commands of one caller may arrive in another order than they were sent, over two connections: without the
# mark, a `begin` that arrives after this would take a lease that nobody releases. A change that was not executed moves
# to the beginning of the sorted set, before all times: it is the first to be dropped.
_ABANDON = """
local stored = redis.call('HMGET', KEYS[1], 'owner', 'answer', 'again', 'index')
if stored[1] ~= ARGV[1] then redis.call('SET', KEYS[2], '', 'PX', ARGV[2]) return 0 end
if stored[2] then return 0 end
local id, progress = ARGV[3], ARGV[4]
redis.call('HSET', KEYS[1], 'owner', '', 'until', 0)
if progress == 'confirmed' then
  redis.call('HSET', KEYS[1], 'confirmed', '1')
elseif progress ~= 'unknown' and stored[3] == '0' then
  if progress == 'not_sent' then
    redis.call('DEL', KEYS[1])
    if stored[4] then redis.call('ZREM', stored[4], id) end
  else
    redis.call('HSET', KEYS[1], 'first', '')
    if stored[4] then redis.call('ZADD', stored[4], 'XX', 0, id) end
  end
end
return 1
"""


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
        self._beside = f"{prefix.removesuffix(':')}-"  # of the keys that are no records
        self._bounds = True  # whether the records of a principal are bounded
        self._begin = client.register_script(_BEGIN)
        self._renew = client.register_script(_RENEW)
        self._finish = client.register_script(_FINISH)
        self._abandon = client.register_script(_ABANDON)

    @property
    def lease(self) -> float:
        return self._settings.lease

    async def begin(self, record_id: str, fingerprint: str, owner: str, principal: str = "") -> BeginResult:
        settings, prefix = self._settings, self._prefix
        keys = [prefix + record_id, self._revoked(record_id, owner)]
        index = f"{self._beside}principal:{record_id_of((principal,))}"
        times = _ms(settings.lease), _ms(settings.ttl)
        arguments = (fingerprint, owner, *times, record_id, settings.max_per_principal)
        try:
            status, *details = await _run(self._begin, [*keys, index] if self._bounds else keys, *arguments)
        except SourceUnavailable as error:
            if not isinstance(error.__cause__, ClusterCrossSlotError):
                raise
            if self._bounds:
                _LOG.warning("Redis is a cluster: the number of idempotency records of one caller is not bounded")
            self._bounds = False
            status, *details = await _run(self._begin, keys, *arguments)
        match status:
            case b"conflict":
                return PayloadConflict()
            case b"replay":
                return Replay(details[0])
            case b"running":
                return InProgress(int(details[0]) / 1000)
            case b"revoked":
                raise SourceUnavailable("The request was given up. Retry later.", retry_after=1.0)
            case _:
                return Begun(int(details[0]) / 1000 if details[0] else None, details[1] == b"1")

    async def renew(self, record_id: str, owner: str) -> bool:
        return bool(await _run(self._renew, [self._prefix + record_id], owner, _ms(self._settings.lease)))

    async def finish(self, record_id: str, owner: str, result: bytes) -> bool:
        return bool(await _run(self._finish, [self._prefix + record_id], owner, result, _ms(self._settings.ttl)))

    async def abandon(self, record_id: str, owner: str, progress: Progress = Progress.UNKNOWN) -> None:
        keys = [self._prefix + record_id, self._revoked(record_id, owner)]
        await _run(self._abandon, keys, owner, _ms(_REVOKED_TTL), record_id, progress.value)

    def _revoked(self, record_id: str, owner: str) -> str:
        """Return the key of the mark of a revoked owner, in the slot of the record."""
        return f"{self._beside}revoked:{{{self._prefix}{record_id}}}:{owner}"


async def _run(script: Any, keys: list[str], *arguments: str | bytes | int) -> Any:
    return await reply_of(script(keys=keys, args=arguments))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
