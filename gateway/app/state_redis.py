"""The state that replicas have in common, in Redis. Only imported where Redis is configured."""

from contextlib import AsyncExitStack

from gateway.api.graphql.trusted.named import DocumentStore
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.state_memory import MemoryState
from gateway.events.log import EventLog, EventLogSettings
from gateway.events.polling import PollingLock
from gateway.events.replicated import ReplicatedEventLog
from gateway.kit.rate_limit import RateLimit
from gateway.settings import Settings
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.rate_limit import RateSettings
from gateway.state.redis.client import connect
from gateway.state.redis.documents import RedisDocuments
from gateway.state.redis.event_stream import RedisEventStream
from gateway.state.redis.idempotency import RedisIdempotency
from gateway.state.redis.polling_lock import RedisPollingLock
from gateway.state.redis.rate_limit import RedisRateLimit

__all__ = ["RedisState"]

_LEASE_MARGIN = 5.0  # seconds: more than Redis takes to respond, and than a failover usually does


class RedisState(MemoryState):
    """Builds the same stores in Redis, over one client."""

    def __init__(self, url: str, settings: Settings, stack: AsyncExitStack, observer: MetricsObserver) -> None:
        super().__init__(settings, stack, observer)
        self._client = connect(url, observe=observer.redis_event)
        stack.push_async_callback(self._client.aclose)

    def polling_lock(self, name: str, interval: float) -> PollingLock:
        """Build the lock; its lease outlasts an interval, and is renewed during a round.

        After a replica was killed, another one polls once the lease has ended and its next interval has passed.
        """
        return RedisPollingLock(self._client, name, lease=interval + _LEASE_MARGIN)

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
