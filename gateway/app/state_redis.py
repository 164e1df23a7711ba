"""The state that replicas have in common, in Redis. Only imported where Redis is configured."""

from contextlib import AsyncExitStack

from redis.asyncio import Redis

from gateway.api.graphql.trusted.named import DocumentStore
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.state_memory import MemoryState
from gateway.events.log import EventLog, EventLogSettings
from gateway.events.polling import PollingLock
from gateway.events.replicated import ReplicatedEventLog
from gateway.kit.clock import Clock
from gateway.kit.rate_limit import RateLimit
from gateway.settings import Settings
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


class RedisState(MemoryState):
    """Builds the same stores in Redis, over one client. Their time is that of the Redis server."""

    def __init__(
        self, url: str, settings: Settings, stack: AsyncExitStack, observer: MetricsObserver, clock: Clock
    ) -> None:
        super().__init__(settings, stack, observer, clock)
        self._client = _client(url, observer.redis_event)
        stack.push_async_callback(self._client.aclose)

    async def start(self) -> None:
        """Check that Redis can be used.

        While it cannot be reached, a gateway starts nevertheless: it can serve queries, and replaces one that did.

        Raises:
            ValueError: the URL or the configuration of Redis has to be corrected.
        """
        problem = await find_problem(self._client)
        if problem is not None and problem.permanent:
            raise ValueError(f"GATEWAY_REDIS_URL: {problem.message}")

    def polling_lock(self, name: str, interval: float) -> PollingLock:
        """Build the lock; its lease outlasts an interval, and is renewed during a round.

        After a replica was killed, another one polls once the lease has ended and its next interval has passed.
        """
        return RedisPollingLock(self._client, name, lease=interval + _LEASE_MARGIN)

    def replicas(self, description: bytes) -> Replicas:
        replicas = RedisReplicas(self._client, description)
        self._stack.push_async_callback(replicas.aclose)
        replicas.start()
        return replicas

    def _idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        return RedisIdempotency(self._client, settings)

    def _rates(self, settings: RateSettings) -> RateLimit:
        return RedisRateLimit(self._client, settings)

    def _documents(self) -> DocumentStore:
        return RedisDocuments(self._client, ttl=self._settings.documents.automatic_ttl)

    def _events(self, settings: EventLogSettings) -> EventLog:
        stream = RedisEventStream(self._client, max_entries=settings.max_events, window=settings.window)
        log = ReplicatedEventLog(stream, settings, observe=self._observer.log_event)
        self._stack.push_async_callback(log.aclose)
        log.start()
        return log


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
