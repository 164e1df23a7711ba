"""The allowances that replicas share in Redis: one number a caller, each attempt one script, thus atomic.

Time is the Redis server's. A number goes by itself once the caller's allowance is whole.
"""

import logging
import time
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.kit.rate_limit import Allowance
from gateway.state.memory.rate_limit import MemoryRateLimit, RateSettings, allowance_of

__all__ = ["RedisRateLimit"]

_LOG = logging.getLogger("gateway.state")
_ASKED_AGAIN = 5.0  # seconds: no request but one in so many waits for a Redis that is gone

# In microseconds: the instant at which the allowance is whole, what is taken, the window.
_TAKE = """
local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]
local spent, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local ahead = math.max(0, (tonumber(redis.call('GET', KEYS[1])) or now) - now)
if ahead + spent > window then return {0, ahead} end
ahead = ahead + spent
if ahead > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
end
return {1, ahead}
"""


class RedisRateLimit:
    """The allowances in a Redis; its client (`connect`) is closed by whoever made it.

    While Redis cannot be reached nobody is refused for it: each replica counts by itself, and asks Redis
    again after a while.
    """

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
        self._alone = MemoryRateLimit(settings, clock=clock)
        self._gone_until: float | None = None

    async def take(self, caller: str, cost: int) -> Allowance:
        settings = self._settings
        if self._gone_until is not None:
            if self._clock() < self._gone_until:
                return await self._alone.take(caller, cost)
            self._gone_until = self._clock() + _ASKED_AGAIN  # this one asks: the others need not wait with it
        spent = int(min(cost, settings.limit) * settings.window / settings.limit * 1e6)  # down: all parts fit in
        try:
            allowed, ahead = await self._take(keys=[self._prefix + caller], args=[spent, round(settings.window * 1e6)])
        except (RedisError, OSError) as error:
            self._lost(error)
            return await self._alone.take(caller, cost)
        self._found()
        return allowance_of(settings, ahead / 1e6, cost, allowed=bool(allowed))

    def _lost(self, error: Exception) -> None:
        if self._gone_until is None:
            _LOG.warning(
                "rate limits: Redis cannot be reached (%s); each replica counts by itself", type(error).__name__
            )
        self._gone_until = self._clock() + _ASKED_AGAIN

    def _found(self) -> None:
        if self._gone_until is not None:
            _LOG.warning("rate limits: Redis is back")
            self._gone_until = None
