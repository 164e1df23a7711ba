"""The state that replicas have in common, in Redis. Only imported where Redis is configured."""

from redis.asyncio import Redis

from gateway.kit.documents import DocumentStore
from gateway.kit.event_stream import EventStream
from gateway.kit.polling_lock import PollingLock
from gateway.kit.rate_limit import RateLimit
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.rate_limit import RateSettings
from gateway.state.redis.check import find_problem
from gateway.state.redis.client import RedisObserver, connect
from gateway.state.redis.documents import RedisDocuments
from gateway.state.redis.event_stream import RedisEventStream
from gateway.state.redis.idempotency import RedisIdempotency
from gateway.state.redis.polling_lock import RedisPollingLock
from gateway.state.redis.rate_limit import RedisRateLimit
from gateway.state.redis.replicas import RedisReplicas
from gateway.state.replicas import Replicas

__all__ = ["RedisState", "redis_problem"]

_LEASE_MARGIN = 5.0  # seconds: more than Redis takes to respond, and than a failover usually does


class RedisState:
    """A `State` in Redis, over one client. Times are those of the Redis server."""

    def __init__(self, url: str, observe: RedisObserver) -> None:
        self._client = _client(url, observe)
        self._replicas: RedisReplicas | None = None

    async def start(self) -> None:
        """Check that Redis can be used.

        While it cannot be reached, a gateway starts nevertheless: it can serve queries, and replaces one that did.

        Raises:
            ValueError: the URL or the configuration of Redis has to be corrected.
        """
        problem = await find_problem(self._client)
        if problem is not None and problem.permanent:
            raise ValueError(f"GATEWAY_REDIS_URL: {problem.message}")

    def idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        return RedisIdempotency(self._client, settings)

    def rates(self, settings: RateSettings) -> RateLimit:
        return RedisRateLimit(self._client, settings)

    def documents(self, *, ttl: float, max_bytes: int) -> DocumentStore:  # noqa: ARG002 - Redis bounds its memory
        return RedisDocuments(self._client, ttl=ttl)

    def event_stream(self, *, max_entries: int, window: float) -> EventStream:
        return RedisEventStream(self._client, max_entries=max_entries, window=window)

    def polling_lock(self, name: str, interval: float) -> PollingLock:
        """Return the lock; its lease outlasts an interval, and is renewed during a round.

        After a replica was killed, another one polls once the lease has ended and its next interval has passed.
        """
        return RedisPollingLock(self._client, name, lease=interval + _LEASE_MARGIN)

    def replicas(self, description: bytes) -> Replicas:
        self._replicas = RedisReplicas(self._client, description)
        self._replicas.start()
        return self._replicas

    async def aclose(self) -> None:
        if self._replicas is not None:
            await self._replicas.aclose()
        await self._client.aclose()


async def redis_problem(url: str) -> str | None:
    """Return why the Redis of that URL cannot be used, or None.

    Raises:
        ValueError: it is no URL of Redis.
    """
    client = _client(url)
    try:
        problem = await find_problem(client)
    finally:
        await client.aclose()
    return None if problem is None else problem.message


def _client(url: str, observe: RedisObserver | None = None) -> Redis:
    try:
        return connect(url, observe=observe)
    except ValueError:
        # Without the message of the library: it may contain a part of the password.
        message = "is not a URL of Redis: redis://user:password@host:port/0, rediss:// or unix://, percent-encoded"
        raise ValueError(f"GATEWAY_REDIS_URL {message}") from None
