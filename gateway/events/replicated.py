"""The event log that replicas share: each writes to one stream, and each reads all of it.

What is published waits here until the stream took it: it is lost with its process, and only then. What is
appended is in the stream when that returns. The stream is as durable as who keeps it: with Redis, `appendfsync`.
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
from gateway.events.entries import Entry, EventStream, write_entry
from gateway.events.log import Draining, EventLogSettings, LogEvent, Observe, unobserved
from gateway.events.outbox import Outbox
from gateway.events.reader import StreamReader
from gateway.events.recent import MemorySubscription, Recent, wanted
from gateway.events.resume_tokens import no_token
from gateway.kit.tasks import cancel_and_wait
from gateway.users.ids import Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["ReplicatedEventLog"]

T = TypeVar("T")
_LOG = logging.getLogger("gateway.events")
_PATIENCE = 1.0  # seconds for the stream to answer somebody who waits
_LAST_WORDS = 2.0  # seconds for what waits when the log is closed


@dataclass(frozen=True, slots=True)
class _Written:
    """An event on its way."""

    entry: bytes
    marks: DeduplicationKeys
    source: UserSource


class ReplicatedEventLog:
    """See `gateway.events.log.EventLog`. `start` it inside the event loop that it is used in."""

    def __init__(
        self, stream: EventStream, settings: EventLogSettings | None = None, *, observe: Observe = unobserved
    ) -> None:
        settings = settings or EventLogSettings()
        self._stream = stream
        self._observe = observe
        self._recent = Recent(settings, observe)
        self._reader = StreamReader(stream, self._recent, held=settings.held, observe=observe)
        self._outbox = Outbox[_Written](self._send, settings.waiting, on_loss=self._lose)
        self._own = 0  # the last number that was written here
        self._closed = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to read and to write."""
        self._tasks = [asyncio.create_task(self._reader.run()), asyncio.create_task(self._outbox.run())]

    @property
    def subscribers(self) -> int:
        return self._recent.subscribers

    def publish(self, change: UserChange, user: User) -> None:
        if not self._closed:
            self._outbox.put(_written(change, user))

    async def append(self, change: UserChange, user: User, *, name: str | None = None) -> bool:
        if self._closed:
            raise Draining
        return await _in_time(self._put(_written(change, user, name), heard=True))

    @asynccontextmanager
    async def subscribe(
        self, *, ids: Collection[Ref] = (), sources: Collection[UserSource] = (), after: str | None = None
    ) -> AsyncIterator[MemorySubscription]:
        start = await self._start(after)
        if self._closed:  # meanwhile
            raise Draining
        token = self._reader.tokens.write(start)
        with self._recent.following(start, token, wanted(ids, sources)) as subscription:
            yield subscription

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._outbox.emptied()
                await self._reader.reached(self._own)
        self._recent.end(Draining())
        await cancel_and_wait(*self._tasks)

    async def _start(self, after: str | None) -> int:
        """The number to follow after. Another replica may have been ahead of this one when it gave the token."""
        if self._closed:
            raise Draining
        await _in_time(self._reader.ready())
        if after is None:
            return self._recent.last
        number = self._reader.tokens.read(after)
        if number > self._recent.last:
            _, _, last = await _in_time(self._stream.place())
            if number > last:
                raise no_token()
            await _in_time(self._reader.reached(number))
        return number

    async def _send(self, written: _Written) -> None:
        await self._put(written, heard=False)

    async def _put(self, written: _Written, *, heard: bool) -> bool:
        marks = written.marks
        number = await self._stream.append(
            written.entry, once=marks.once, user=marks.user, content=marks.content, dated=marks.dated, heard=heard
        )
        self._own = max(self._own, number)
        self._observe(LogEvent.PUBLISHED if number else LogEvent.REPEATED, written.source)
        return number > 0

    def _lose(self, written: _Written) -> None:
        _LOG.error("the change of a user of %s was lost: the event log could not be written", written.source)
        self._observe(LogEvent.LOST, written.source)


def _written(change: UserChange, user: User, name: str | None = None) -> _Written:
    now = Timestamp(datetime.now(UTC).isoformat())
    return _Written(write_entry(Entry(change, now, user)), deduplication_keys(change, user, name), user.source)


async def _in_time(answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await answer
    except TimeoutError:
        raise SourceUnavailable("The event log does not answer.", retry_after=1.0) from None
