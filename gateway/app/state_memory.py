"""What replicas share: in Redis where the settings have one, else in this process's memory."""

from contextlib import AsyncExitStack

from gateway.api.graphql.trusted.named import DocumentStore
from gateway.app.metrics_observer import MetricsObserver
from gateway.events.log import EventLog, EventLogSettings
from gateway.events.memory import MemoryEventLog
from gateway.events.polling import PollingLock
from gateway.kit.rate_limit import RateLimit
from gateway.settings import Settings
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.memory.documents import MemoryDocuments
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.memory.polling_lock import MemoryPollingLock
from gateway.state.memory.rate_limit import MemoryRateLimit, RateSettings

__all__ = ["MemoryState"]


class MemoryState:
    """By the parts of one process. Made inside the event loop; what it opens is closed by the stack."""

    def __init__(self, settings: Settings, open: AsyncExitStack, observed: MetricsObserver) -> None:
        self._settings = settings
        self._open = open
        self._observed = observed

    def idempotency(self) -> IdempotencyStore:
        """The answers to changes."""
        return self._idempotency(IdempotencySettings(ttl=self._settings.idempotency_ttl))

    def rates(self) -> RateLimit | None:
        """What callers have spent; None where they may spend what they like."""
        own = self._settings.rate_limit
        return None if own.cost is None else self._rates(RateSettings(limit=own.cost, window=own.window))

    def documents(self) -> DocumentStore | None:
        """Documents that clients sent, to be named from then on; None where that is off."""
        return self._documents() if self._settings.documents.automatic else None

    def events(self) -> EventLog:
        """What happened to users."""
        own = self._settings
        return self._events(EventLogSettings(held=own.events_held, queue=own.events_queue, window=own.events_window))

    def turn(self, name: str, seconds: float) -> PollingLock:  # noqa: ARG002 - replicas need them
        """Which replica does something that one is to do every so many seconds."""
        return MemoryPollingLock()

    def _idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        return MemoryIdempotency(settings)

    def _rates(self, settings: RateSettings) -> RateLimit:
        return MemoryRateLimit(settings)

    def _documents(self) -> DocumentStore:
        return MemoryDocuments(self._settings.documents.automatic_bytes)

    def _events(self, settings: EventLogSettings) -> EventLog:
        log = MemoryEventLog(settings, observe=self._observed.news)
        self._open.push_async_callback(log.close)
        return log
