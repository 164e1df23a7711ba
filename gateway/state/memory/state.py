"""The state in the memory of one process."""

from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.kit.documents import DocumentStore
from gateway.kit.event_stream import EventStream
from gateway.kit.polling_lock import PollingLock
from gateway.kit.rate_limit import RateLimit
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.memory.documents import MemoryDocuments
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.memory.polling_lock import MemoryPollingLock
from gateway.state.memory.rate_limit import MemoryRateLimit
from gateway.state.rate_limit import RateSettings
from gateway.state.replicas import Replicas

__all__ = ["MemoryState"]


class MemoryState:
    """A `State` in the memory of one process, which no other one shares. Times are measured by `clock`."""

    def __init__(self, clock: Clock = REAL_CLOCK) -> None:
        self._clock = clock

    async def start(self) -> None:
        """Do nothing: the state in memory can always be used."""

    def idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        """Return the records by which a change is executed once for its idempotency key."""
        return MemoryIdempotency(settings, clock=self._clock.monotonic)

    def rates(self, settings: RateSettings) -> RateLimit:
        """Return the allowances of callers."""
        return MemoryRateLimit(settings, clock=self._clock.monotonic)

    def documents(self, *, ttl: float, max_bytes: int) -> DocumentStore:  # noqa: ARG002 - only their size is bounded
        """Return the cache of automatic persisted queries, of `max_bytes`."""
        return MemoryDocuments(max_bytes)

    def event_stream(self, *, max_entries: int, window: float) -> EventStream | None:  # noqa: ARG002 - see `State`
        """Return None: no other process has events in common with this one."""
        return None

    def polling_lock(self, name: str, interval: float) -> PollingLock:  # noqa: ARG002 - see `State`
        """Return a lock that this process always gets."""
        return MemoryPollingLock()

    def replicas(self, description: bytes) -> Replicas | None:  # noqa: ARG002 - see `State`
        """Return None: there are no other replicas."""
        return None

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""
