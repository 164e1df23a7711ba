"""The event log that replicas have in common: each replica writes to one stream and reads all of it.

Published events wait in the outbox of their process until they are in the stream. They are lost if the process ends
before that, and only then; a process that is stopped tries to write them first, and logs how many it could not.
Appended events are in the stream when `append` returns. The stream is as durable as its storage: with Redis, that
depends on `appendfsync`.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import asdict

from gateway.errors import SourceUnavailable
from gateway.events.catching_up import CatchingUp
from gateway.events.deduplication import deduplication_keys
from gateway.events.entries import Entry, check_of, encode_entry
from gateway.events.log import (
    ChangeListener,
    Draining,
    EventLogSettings,
    LogEvent,
    LogObserver,
    NoLongerHeld,
    UnknownChanges,
    event_time,
    ignore_log_event,
)
from gateway.events.outbox import Outbox
from gateway.events.reader import EventStreamReader
from gateway.events.recent import MemorySubscription, RecentEvents, event_filter
from gateway.events.resume_tokens import invalid_resume_token
from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.kit.event_stream import EventStream, Report
from gateway.kit.source_titles import titled
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import seconds_left
from gateway.users.ids import Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["ReplicatedEventLog"]

T = TypeVar("T")
_LOG = logging.getLogger("gateway.events")
_MAX_BATCH = 32  # events, each of a few KiB
_STREAM_TIMEOUT = 1.0  # seconds that a caller waits for the stream


@dataclass(frozen=True, slots=True)
class _PendingEvent:
    """An event that is not in the stream yet."""

    report: Report
    source: UserSource
    user: User | None = None  # None: it is an entry of unknown changes
    change: UserChange = UserChange.UPDATED


class ReplicatedEventLog:
    """An `EventLog` over an `EventStream`. Call `start` inside the event loop in which it is used."""

    def __init__(
        self,
        stream: EventStream,
        settings: EventLogSettings | None = None,
        *,
        observe: LogObserver = ignore_log_event,
        clock: Clock = REAL_CLOCK,
    ) -> None:
        settings = settings or EventLogSettings()
        self._stream = stream
        self._observe = observe
        self._clock = clock
        self._recent = RecentEvents(settings, observe)
        self._reader = EventStreamReader(stream, self._recent, max_events=settings.max_events, observe=observe)
        self._catch_up = CatchingUp(stream, self._reader, self._recent)
        # No more at once than replicas can read before the stream is trimmed.
        max_batch = max(1, min(_MAX_BATCH, settings.max_events // 4))
        self._outbox = Outbox[_PendingEvent](
            self._publish, settings.outbox_size, on_loss=self._report_loss, max_batch=max_batch
        )
        self._close_timeout = settings.close_timeout
        self._last_written = 0  # the greatest number that this process wrote
        self._closed = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the tasks that read and write."""
        self._tasks = [asyncio.create_task(self._reader.run()), asyncio.create_task(self._outbox.run())]

    @property
    def subscribers(self) -> int:
        return self._recent.subscribers

    async def require_writable(self) -> None:
        if self._closed:
            raise Draining
        await _with_timeout(self._stream.bounds())

    def publish(self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False) -> None:
        change_id = change_id or secrets.token_hex(8)
        pending = _pending(change, user, self._clock.time(), change_id=change_id, repeated=repeated)
        if self._closed:
            self._report_loss(pending)
        else:
            self._outbox.put(pending)

    async def publish_and_wait(
        self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False
    ) -> None:
        self.publish(change, user, change_id, repeated=repeated)
        with suppress(SourceUnavailable):
            await _with_timeout(self._outbox.wait_sent())

    async def append(
        self, change: UserChange, user: User, *, name: str | None = None, occurred_at: Timestamp | None = None
    ) -> bool:
        if self._closed:
            raise Draining
        return await _with_timeout(self._write_one(_pending(change, user, self._clock.time(), name, occurred_at)))

    async def append_unknown(self, source: UserSource) -> None:
        if self._closed:
            raise Draining
        await _with_timeout(self._write_one(_unknown(UnknownChanges(source))))

    async def append_altered(self, users: Sequence[User]) -> None:
        if self._closed:
            raise Draining
        for start in range(0, len(users), _MAX_BATCH):
            await _with_timeout(self._write([_altered(user) for user in users[start : start + _MAX_BATCH]]))

    @asynccontextmanager
    async def subscribe(
        self, *, ids: Collection[Ref] = (), sources: Collection[UserSource] = (), after: str | None = None
    ) -> AsyncIterator[MemorySubscription]:
        start, token = await self._start_after(after)
        if self._closed:  # in the meantime
            raise Draining
        with self._recent.subscribe(start, token, event_filter(ids, sources)) as subscription:
            yield subscription

    @property
    def catch_up(self) -> Callable[[], Awaitable[bool]]:
        return self._catch_up

    def on_change(self, listener: ChangeListener) -> None:
        self._recent.on_change(listener)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._close_timeout):
                await self._outbox.wait_empty()
                await self._reader.wait_for(self._last_written)
        self._recent.end(Draining())
        await self._catch_up.aclose()
        await cancel_and_wait(*self._tasks)
        if lost := Counter(pending.source for pending in self._outbox.give_up()):
            counts = ", ".join(f"{count} of users of {titled(source)}" for source, count in sorted(lost.items()))
            _LOG.error("events were lost: Redis did not accept them until this process stopped: %s", counts)
            for source in lost.elements():
                self._observe(LogEvent.LOST, source)

    async def _start_after(self, after: str | None) -> tuple[int, str]:
        """Return the number to start after, and its token.

        The replica that gave the token may have read further than this one.
        """
        if self._closed:
            raise Draining
        await _with_timeout(self._reader.wait_ready())
        tokens = self._reader.tokens
        if after is None:
            return self._recent.last, tokens.encode(self._recent.last, self._reader.check)
        number, check = tokens.decode(after)
        if number > self._recent.last:
            _, _, last, _ = await _with_timeout(self._stream.bounds())
            if number > last:
                # Only a log that had more events has created a token with a check: it was restored from an older copy.
                raise NoLongerHeld if check else invalid_resume_token()
            await _with_timeout(self._reader.wait_for(number))
        if check and not await self._is_event(number, check):
            raise NoLongerHeld
        if tokens is not self._reader.tokens:  # in the meantime the log was found to be another one
            raise NoLongerHeld
        return number, after

    async def _is_event(self, number: int, check: str) -> bool:
        """Whether the event of that number is the one with that check."""
        event = self._recent.get(number)
        if event is not None:
            return event.id == self._reader.tokens.encode(number, check)
        entry = await _with_timeout(self._stream.get(number))
        return entry is not None and check_of(entry) == check

    async def _write_one(self, pending: _PendingEvent) -> bool:
        """Append an event, and return whether it is a new one."""
        [number] = await self._write([pending])
        return number > 0

    async def _write(self, events: Sequence[_PendingEvent]) -> Sequence[int]:
        """Append events; the replicas learn of reports that are no events, too (`UnknownChanges.user`).

        If the second step fails, the caller appends all of them again: that is harmless.
        """
        numbers = await self._stream.append([pending.report for pending in events])
        unpublished: list[_PendingEvent] = []
        for pending, number in zip(events, numbers, strict=True):
            self._last_written = max(self._last_written, number)
            user = pending.user
            if user is not None and (number <= 0 or pending.report.repeated):
                unpublished.append(_altered(user, pending.change))
        if unpublished:
            appended = await self._stream.append([pending.report for pending in unpublished])
            self._last_written = max(self._last_written, *appended)
        for pending, number in zip(events, numbers, strict=True):
            result = LogEvent.PUBLISHED if number > 0 else LogEvent.REPEATED if number == 0 else LogEvent.SUPERSEDED
            self._observe(result, pending.source)
        return numbers

    async def _publish(self, events: Sequence[_PendingEvent]) -> None:
        await self._write(events)

    def _report_loss(self, pending: _PendingEvent) -> None:
        _LOG.error(
            "an event of a user of %s was lost: it could not be written to the event log", titled(pending.source)
        )
        self._observe(LogEvent.LOST, pending.source)


def _pending(
    change: UserChange,
    user: User,
    now: float,
    name: str | None = None,
    occurred_at: Timestamp | None = None,
    *,
    change_id: str = "",
    repeated: bool = False,
) -> _PendingEvent:
    at = occurred_at or event_time(now)
    entry = encode_entry(Entry(change, at, user))
    keys = deduplication_keys(change, user, name, now=now)
    report = f"{change_id}:{keys.event}" if change_id else ""
    full_report = Report(entry, check_of(entry), **asdict(keys), report=report, repeated=repeated)
    return _PendingEvent(full_report, user.source, user, change)


def _altered(user: User, change: UserChange = UserChange.UPDATED) -> _PendingEvent:
    """Return the entry of a user that may have changed."""
    return _unknown(UnknownChanges.of(user, change))


def _unknown(changes: UnknownChanges) -> _PendingEvent:
    """Return the entry of unknown changes, as a report that no other one equals."""
    assert changes.source is not None  # noqa: S101 - changes of any source are not written to the stream
    entry, name = encode_entry(changes), secrets.token_hex(8)
    report = Report(entry, check_of(entry), event=name, user=name, content="", dated=False, order="", deletion=False)
    return _PendingEvent(report, changes.source)


async def _with_timeout(result: Awaitable[T]) -> T:
    left = seconds_left()
    try:
        async with asyncio.timeout(_STREAM_TIMEOUT if left is None else min(left, _STREAM_TIMEOUT)):
            return await result
    except TimeoutError:
        raise SourceUnavailable("The event log did not respond in time. Retry later.", retry_after=1.0) from None
