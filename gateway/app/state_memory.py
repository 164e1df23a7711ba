"""The state that replicas have in common, in the memory of one process."""

from contextlib import AsyncExitStack

from gateway.api.graphql.trusted.named import DocumentStore
from gateway.app.metrics_observer import MetricsObserver
from gateway.events.log import EventLog, EventLogSettings
from gateway.events.memory import MemoryEventLog
from gateway.events.polling import PollingLock
from gateway.kit.clock import Clock
from gateway.kit.rate_limit import RateLimit
from gateway.settings import Settings
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.memory.documents import MemoryDocuments
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.memory.polling_lock import MemoryPollingLock
from gateway.state.memory.rate_limit import MemoryRateLimit
from gateway.state.rate_limit import RateSettings
from gateway.state.replicas import Replicas

__all__ = ["MemoryState"]


class MemoryState:
    """Builds the stores of one process. Create it inside the event loop; `stack` closes what it opens."""

    def __init__(self, settings: Settings, stack: AsyncExitStack, observer: MetricsObserver, clock: Clock) -> None:
        self._settings = settings
        self._stack = stack
        self._observer = observer
        self._clock = clock

    async def start(self) -> None:
        """Check that the state can be used; that in memory always can."""

    def idempotency(self) -> IdempotencyStore:
        """Build the store of idempotency records."""
        settings = self._settings
        return self._idempotency(
            IdempotencySettings(ttl=settings.idempotency_ttl, max_per_principal=settings.idempotency_records)
        )

    def rates(self) -> RateLimit | None:
        """Build the allowances of callers; None where their cost is not limited."""
        settings = self._settings.rate_limit
        return None if settings.cost is None else self._rates(RateSettings(limit=settings.cost, window=settings.window))

    def documents(self) -> DocumentStore | None:
        """Build the store of automatic persisted queries; None where they are disabled."""
        return self._documents() if self._settings.documents.automatic else None

    def events(self) -> EventLog:
        """Build the event log."""
        settings = self._settings
        return self._events(
            EventLogSettings(
                max_events=settings.events_held, queue_size=settings.events_queue, window=settings.events_window
            )
        )

    def polling_lock(self, name: str, interval: float) -> PollingLock:  # noqa: ARG002 - RedisState needs them
        """Build the lock for something that one replica does every `interval` seconds for all of them."""
        return MemoryPollingLock()

    def replicas(self, description: bytes) -> Replicas | None:  # noqa: ARG002 - RedisState needs it
        """Describe this process to the other replicas; None where they have nothing in common."""
        return None

    def _idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        return MemoryIdempotency(settings, clock=self._clock.monotonic)

    def _rates(self, settings: RateSettings) -> RateLimit:
        return MemoryRateLimit(settings, clock=self._clock.monotonic)

    def _documents(self) -> DocumentStore:
        return MemoryDocuments(self._settings.documents.automatic_bytes)

    def _events(self, settings: EventLogSettings) -> EventLog:
        log = MemoryEventLog(settings, observe=self._observer.log_event, clock=self._clock)
        self._stack.push_async_callback(log.aclose)
        return log
