"""What replicas share: in Redis where the settings have one, else in this process's memory."""

from contextlib import AsyncExitStack

from redis.asyncio import Redis

from gateway.api.graphql.trusted.named import DocumentStore
from gateway.api.web.ratelimit import RateLimit
from gateway.app.observed import Observed
from gateway.events.log import EventLog, EventLogSettings
from gateway.events.memory import MemoryEventLog
from gateway.events.shared import SharedEventLog
from gateway.events.turn import MemoryTurn, Turn
from gateway.settings import Settings
from gateway.state.documents import MemoryDocuments
from gateway.state.documents_redis import RedisDocuments
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.memory import MemoryIdempotency
from gateway.state.rate import MemoryRateLimit, RateSettings
from gateway.state.rate_redis import RedisRateLimit
from gateway.state.redis import RedisIdempotency, connect
from gateway.state.stream import RedisStream
from gateway.state.turn import RedisTurn

__all__ = ["Shared"]


class Shared:
    """Made inside the event loop; what it opens is closed by the stack."""

    def __init__(self, settings: Settings, open: AsyncExitStack, observed: Observed) -> None:
        self._settings = settings
        self._open = open
        self._observed = observed
        self._client: Redis | None = None
        if settings.redis_url is not None:
            self._client = connect(settings.redis_url.get_secret_value())
            open.push_async_callback(self._client.aclose)

    def idempotency(self) -> IdempotencyStore:
        """The answers to changes."""
        own = IdempotencySettings(ttl=self._settings.idempotency_ttl)
        return MemoryIdempotency(own) if self._client is None else RedisIdempotency(self._client, own)

    def rates(self) -> RateLimit | None:
        """What callers have spent; None where they may spend what they like."""
        own = self._settings.rate_limit
        if own.cost is None:
            return None
        rate = RateSettings(limit=own.cost, window=own.window)
        return MemoryRateLimit(rate) if self._client is None else RedisRateLimit(self._client, rate)

    def documents(self) -> DocumentStore | None:
        """Documents that clients sent, to be named from then on; None where that is off."""
        own = self._settings.documents
        if not own.automatic:
            return None
        if self._client is None:
            return MemoryDocuments(own.automatic_bytes)
        return RedisDocuments(self._client, ttl=own.automatic_ttl)

    def events(self) -> EventLog:
        """What happened to users."""
        settings = self._settings
        own = EventLogSettings(held=settings.events_held, queue=settings.events_queue, window=settings.events_window)
        if self._client is None:
            memory = MemoryEventLog(own, observe=self._observed.news)
            self._open.push_async_callback(memory.close)
            return memory
        stream = RedisStream(self._client, held=own.held, window=own.window)
        log = SharedEventLog(stream, own, observe=self._observed.news)
        self._open.push_async_callback(log.close)
        log.start()
        return log

    def turn(self, name: str, seconds: float) -> Turn:
        """Which replica does something that one is to do every so many seconds."""
        return MemoryTurn() if self._client is None else RedisTurn(self._client, name, lease=2 * seconds + 30)
