"""Rate limits of callers in Redis: one number for each caller, charged by one script, so that a charge is atomic.

Time is that of the Redis server. The number of a caller expires when its allowance is full again.
"""

import time
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.kit.rate_limit import Allowance
from gateway.state.memory.rate_limit import MemoryRateLimit
from gateway.state.rate_limit import RateSettings, allowance_of

__all__ = ["RedisRateLimit"]

_RETRY_INTERVAL = 5.0  # seconds: only one request in this time waits for an unreachable Redis

# ARGV: the charge, the window. KEYS: the instant at which the allowance is full again. All of them in microseconds.
_TAKE = """
local charge, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME'); local now = time[1] * 1000000 + time[2]
local ahead = math.max(0, (tonumber(redis.call('GET', KEYS[1])) or now) - now)
if ahead + charge > window then return {0, ahead} end
ahead = ahead + charge
if ahead > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
end
return {1, ahead}
"""


class RedisRateLimit:
    """A `RateLimit` in Redis. Whoever connected the client (`connect`) closes it.

    While Redis cannot be reached, nothing is refused for that reason: each replica counts alone in memory, and tries
    Redis again after some seconds.
    """

    take_at_once = None

    def __init__(
        self,
        client: Redis,
        settings: RateSettings,
        *,
        prefix: str = "usergateway:rate:",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._prefix = prefix
        self._clock = clock
        self._take = client.register_script(_TAKE)
        self._fallback = MemoryRateLimit(settings, clock=clock)
        self._retry_at: float | None = None  # set while Redis cannot be reached

    async def take(self, caller: str, cost: int) -> Allowance:
        settings = self._settings
        if self._retry_at is not None:
            if self._clock() < self._retry_at:
                return await self._fallback.take(caller, cost)
            self._retry_at = self._clock() + _RETRY_INTERVAL  # this request tries Redis, the others do not wait for it
        # Rounded down, so that the whole allowance can be taken in parts.
        charge = int(min(cost, settings.limit) * settings.window / settings.limit * 1e6)
        try:
            allowed, ahead = await self._take(keys=[self._prefix + caller], args=[charge, round(settings.window * 1e6)])
        except (RedisError, OSError):  # the client reports it
            self._retry_at = self._clock() + _RETRY_INTERVAL
            return await self._fallback.take(caller, cost)
        self._retry_at = None
        return allowance_of(settings, ahead / 1e6, cost, allowed=bool(allowed))
