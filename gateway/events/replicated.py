"""The event log that replicas have in common: each replica writes to one stream and reads all of it.

Published events wait in the outbox of their process until they are in the stream: they are lost if the process ends
before that, and only then. Appended events are in the stream when `append` returns. The stream is as durable as its
storage: with Redis, that depends on `appendfsync`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from gateway.errors import SourceUnavailable
from gateway.events.deduplication import DeduplicationKeys, deduplication_keys
from gateway.events.entries import Entry, EventStream, encode_entry
from gateway.events.log import Draining, EventLogSettings, LogEvent, LogObserver, ignore_log_event
from gateway.events.outbox import Outbox
from gateway.events.reader import EventStreamReader
from gateway.events.recent import MemorySubscription, RecentEvents, event_filter
from gateway.events.resume_tokens import invalid_resume_token
from gateway.kit.tasks import cancel_and_wait
from gateway.users.ids import Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["ReplicatedEventLog"]

T = TypeVar("T")
_LOG = logging.getLogger("gateway.events")
_STREAM_TIMEOUT = 1.0  # seconds that a caller waits for the stream
_CLOSE_TIMEOUT = 2.0  # seconds to write the outbox when the log is closed


@dataclass(frozen=True, slots=True)
class _PendingEvent:
    """An event that is not in the stream yet."""

    entry: bytes
    keys: DeduplicationKeys
    source: UserSource


class ReplicatedEventLog:
    """An `EventLog` over an `EventStream`. Call `start` inside the event loop in which it is used."""

    def __init__(
        self, stream: EventStream, settings: EventLogSettings | None = None, *, observe: LogObserver = ignore_log_event
    ) -> None:
        settings = settings or EventLogSettings()
        self._stream = stream
        self._observe = observe
        self._recent = RecentEvents(settings, observe)
        self._reader = EventStreamReader(stream, self._recent, max_events=settings.max_events, observe=observe)
        self._outbox = Outbox[_PendingEvent](self._publish, settings.outbox_size, on_loss=self._report_loss)
        self._last_written = 0  # the greatest number that this process wrote
        self._closed = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the tasks that read and write."""
        self._tasks = [asyncio.create_task(self._reader.run()), asyncio.create_task(self._outbox.run())]

    @property
    def subscribers(self) -> int:
        return self._recent.subscribers

    def publish(self, change: UserChange, user: User) -> None:
        if not self._closed:
            self._outbox.put(_pending(change, user))

    async def append(self, change: UserChange, user: User, *, name: str | None = None) -> bool:
        if self._closed:
            raise Draining
        return await _with_timeout(self._write(_pending(change, user, name), external=True))

    @asynccontextmanager
    async def subscribe(
        self, *, ids: Collection[Ref] = (), sources: Collection[UserSource] = (), after: str | None = None
    ) -> AsyncIterator[MemorySubscription]:
        start = await self._start_after(after)
        if self._closed:  # in the meantime
            raise Draining
        token = self._reader.tokens.encode(start)
        with self._recent.subscribe(start, token, event_filter(ids, sources)) as subscription:
            yield subscription

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._outbox.wait_empty()
                await self._reader.wait_for(self._last_written)
        self._recent.end(Draining())
        await cancel_and_wait(*self._tasks)

    async def _start_after(self, after: str | None) -> int:
        """Return the number to start after. The replica that gave the token may have read further than this one."""
        if self._closed:
            raise Draining
        await _with_timeout(self._reader.wait_ready())
        if after is None:
            return self._recent.last
        number = self._reader.tokens.decode(after)
        if number > self._recent.last:
            _, _, last = await _with_timeout(self._stream.bounds())
            if number > last:
                raise invalid_resume_token()
            await _with_timeout(self._reader.wait_for(number))
        return number

    async def _publish(self, pending: _PendingEvent) -> None:
        await self._write(pending, external=False)

    async def _write(self, pending: _PendingEvent, *, external: bool) -> bool:
        keys = pending.keys
        number = await self._stream.append(
            pending.entry, event=keys.event, user=keys.user, content=keys.content, dated=keys.dated, external=external
        )
        self._last_written = max(self._last_written, number)
        self._observe(LogEvent.PUBLISHED if number else LogEvent.REPEATED, pending.source)
        return number > 0

    def _report_loss(self, pending: _PendingEvent) -> None:
        _LOG.error("an event of a user of %s was lost: it could not be written to the event log", pending.source)
        self._observe(LogEvent.LOST, pending.source)


def _pending(change: UserChange, user: User, name: str | None = None) -> _PendingEvent:
    now = Timestamp(datetime.now(UTC).isoformat())
    return _PendingEvent(encode_entry(Entry(change, now, user)), deduplication_keys(change, user, name), user.source)


async def _with_timeout(result: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_STREAM_TIMEOUT):
            return await result
    except TimeoutError:
        raise SourceUnavailable("The event log did not respond in time. Retry later.", retry_after=1.0) from None
