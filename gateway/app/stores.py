"""The stores that replicas have in common, with their settings, out of a `State`."""

from contextlib import AsyncExitStack

from gateway.app.given_records import GivenRecords
from gateway.app.metrics_observer import MetricsObserver
from gateway.events.log import EventLog, EventLogSettings
from gateway.events.memory import MemoryEventLog
from gateway.events.replicated import ReplicatedEventLog
from gateway.kit.clock import Clock
from gateway.kit.documents import DocumentStore
from gateway.kit.polling_lock import PollingLock
from gateway.kit.rate_limit import RateLimit
from gateway.settings import Settings
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.rate_limit import RateSettings
from gateway.state.replicas import Replicas
from gateway.state.state import State

__all__ = ["Stores"]


class Stores:
    """Builds the stores of one gateway. Create it inside the event loop; `stack` closes what it opens.

    `is_given`: the state is one of the embedding program.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        stack: AsyncExitStack,
        observer: MetricsObserver,
        clock: Clock,
        *,
        is_given: bool = False,
    ) -> None:
        self._state = state
        self._settings = settings
        self._stack = stack
        self._observer = observer
        self._clock = clock
        self._is_given = is_given

    async def start(self) -> None:
        """Start the state.

        Raises:
            ValueError: it cannot be used as it is configured.
        """
        self._stack.push_async_callback(self._state.aclose)
        await self._state.start()

    def idempotency(self) -> IdempotencyStore:
        """Build the store of idempotency records."""
        settings = self._settings
        store = self._state.idempotency(
            IdempotencySettings(ttl=settings.idempotency_ttl, max_per_principal=settings.idempotency_records)
        )
        return GivenRecords(store) if self._is_given else store

    def rates(self) -> RateLimit | None:
        """Build the allowances of callers; None where their cost is not limited."""
        settings = self._settings.rate_limit
        if settings.cost is None:
            return None
        return self._state.rates(RateSettings(limit=settings.cost, window=settings.window))

    def documents(self) -> DocumentStore | None:
        """Build the store of automatic persisted queries; None where they are disabled."""
        settings = self._settings.documents
        if not settings.automatic:
            return None
        return self._state.documents(ttl=settings.automatic_ttl, max_bytes=settings.automatic_bytes)

    def events(self) -> EventLog:
        """Build the event log."""
        settings = EventLogSettings(
            max_events=self._settings.events_held,
            queue_size=self._settings.events_queue,
            window=self._settings.events_window,
        )
        stream = self._state.event_stream(max_entries=settings.max_events, window=settings.window)
        log: MemoryEventLog | ReplicatedEventLog
        if stream is None:
            log = MemoryEventLog(settings, observe=self._observer.log_event, clock=self._clock)
        else:
            log = ReplicatedEventLog(stream, settings, observe=self._observer.log_event, clock=self._clock)
            log.start()
        self._stack.push_async_callback(log.aclose)
        return log

    def polling_lock(self, name: str, interval: float) -> PollingLock:
        """Build the lock for something that one replica does every `interval` seconds for all of them."""
        return self._state.polling_lock(name, interval)

    def replicas(self, description: bytes) -> Replicas | None:
        """Describe this process to the other replicas; None where they have nothing in common."""
        return self._state.replicas(description)
