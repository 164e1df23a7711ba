"""The interface of what keeps the state that replicas have in common."""

from typing import Protocol

from gateway.kit.documents import DocumentStore
from gateway.kit.event_stream import EventStream
from gateway.kit.polling_lock import PollingLock
from gateway.kit.rate_limit import RateLimit
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.rate_limit import RateSettings
from gateway.state.replicas import Replicas

__all__ = ["State"]


class State(Protocol):
    """Provides the stores of a gateway. Several gateways with one database behind them are replicas.

    `start` is called first and `aclose` last, the other methods in between, once for each store that is needed, all in
    the event loop of the gateway. One object is passed to one gateway. `MemoryState` may be derived from, to replace
    some of its stores.
    """

    async def start(self) -> None:
        """Connect, and check that the state can be used.

        A database that cannot be reached now should be no error: the gateway can serve queries until it can.

        Raises:
            ValueError: the state cannot be used as it is configured.
        """

    def idempotency(self, settings: IdempotencySettings) -> IdempotencyStore:
        """Return the records by which a change is executed once for its idempotency key."""

    def rates(self, settings: RateSettings) -> RateLimit:
        """Return the allowances of callers."""

    def documents(self, *, ttl: float, max_bytes: int) -> DocumentStore:
        """Return the cache of automatic persisted queries: each for `ttl` seconds, or all of `max_bytes`."""

    def event_stream(self, *, max_entries: int, window: float) -> EventStream | None:
        """Return the events of all replicas, or None: those of this process are kept in its memory.

        At least the latest `max_entries` are held, and repeated reports are recognised for `window` seconds.
        """

    def polling_lock(self, name: str, interval: float) -> PollingLock:
        """Return the lock for something that one replica does every `interval` seconds for all of them."""

    def replicas(self, description: bytes) -> Replicas | None:
        """Describe this process to the other replicas; None where they do not know each other."""

    async def aclose(self) -> None:
        """Close all connections."""
