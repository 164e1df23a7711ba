"""The replicas that use one Redis: each describes itself every few seconds, so that any of them can list all.

They are one sorted set, by the time at which each description ends. Time is that of the Redis server.
"""

import asyncio
from contextlib import suppress

from redis.asyncio import Redis

from gateway.errors import SourceUnavailable
from gateway.kit.tasks import cancel_and_wait
from gateway.state.redis.client import reply_of

__all__ = ["RedisReplicas"]

_INTERVAL = 10.0  # seconds
_LIFETIME = 35.0  # seconds: three intervals, and a moment for a slow reply
_MAX_REPLICAS = 200
_MAX_BYTES = 4096  # of all descriptions that one replica reads of another

# The commands are those that `check.py` probes. ARGV: the description, its lifetime in seconds, the maximum number.
_DESCRIBE = """
local set, time = KEYS[1], redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZADD', set, now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', set, math.ceil(ARGV[2] * 1000))
local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
while first[1] and (tonumber(first[2]) < now or redis.call('ZCARD', set) > tonumber(ARGV[3])) do
  redis.call('ZREM', set, first[1])
  first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
end
"""
_LIST = """
local time, found = redis.call('TIME'), {}
local now = time[1] + time[2] / 1000000
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
  if tonumber(all[i + 1]) >= now then table.insert(found, all[i]) end
end
return found
"""


class RedisReplicas:
    """Describes this process to the other replicas until it is closed. Whoever connected the client closes it.

    `interval` and `lifetime` are in seconds: how often a description is stored, and when it ends without that.
    """

    def __init__(
        self,
        client: Redis,
        description: bytes,
        *,
        key: str = "usergateway:replicas",
        interval: float = _INTERVAL,
        lifetime: float = _LIFETIME,
    ) -> None:
        self._client = client
        self._description = description
        self._key = key
        self._interval = interval
        self._lifetime = lifetime
        self._describe = client.register_script(_DESCRIBE)
        self._list = client.register_script(_LIST)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Start in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop, and remove the description."""
        self._closed = True
        if self._task is not None:
            await cancel_and_wait(self._task)
        with suppress(SourceUnavailable):
            await reply_of(self._client.zrem(self._key, self._description))

    async def descriptions(self) -> list[bytes]:
        """Return the descriptions of all replicas, the one of this process among them.

        Raises:
            SourceUnavailable: Redis cannot be reached, or this process is about to end.
        """
        if self._closed:
            raise SourceUnavailable("The gateway stops.")
        found: list[bytes] = await reply_of(self._list([self._key]))
        return [description for description in found if len(description) <= _MAX_BYTES]

    async def _run(self) -> None:
        while True:
            with suppress(SourceUnavailable):  # the client reports it
                await reply_of(
                    self._describe([self._key], [self._description, round(self._lifetime, 3), _MAX_REPLICAS])
                )
            await asyncio.sleep(self._interval)
