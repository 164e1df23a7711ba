"""The latest events of a log in the memory of one process, and its subscriptions."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Self

from gateway.errors import Forbidden, GatewayError, Unauthenticated
from gateway.events.log import (
    ChangeListener,
    EventLogSettings,
    LogEvent,
    LogObserver,
    NoLongerHeld,
    SlowReader,
    UnknownChanges,
    UserEvent,
)
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.model import UserSource

__all__ = ["MemorySubscription", "RecentEvents", "event_filter"]


class MemorySubscription:
    """A `Subscription` with a queue of at most `queue_size` events.

    `backlog` yields the events to read before those of the queue; it raises SlowReader where one has been dropped in
    the meantime. It is read lazily, so that many subscriptions that resume at once need no memory. `accepts` is the
    filter. `on_slow` is called when the queue overflows.
    """

    def __init__(
        self,
        start: str,
        backlog: Iterator[UserEvent],
        accepts: Callable[[UserEvent], bool],
        queue_size: int,
        *,
        on_slow: Callable[[], None] = lambda: None,
    ) -> None:
        self.start = start
        self._backlog = backlog
        self._accepts = accepts
        self._queue_size = queue_size
        self._on_slow = on_slow
        self._queue: deque[UserEvent] = deque()
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._reason: GatewayError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> UserEvent:
        while True:
            event = self._next_event()
            if event is not None:
                return event
            if self._reason is not None:
                raise self._reason
            self._changed.clear()
            await self._changed.wait()

    def offer(self, event: UserEvent) -> None:
        """Queue the event if the filter accepts it; end the subscription if the queue is full."""
        if self._reason is not None or not self._accepts(event):
            return
        if len(self._queue) < self._queue_size:
            self._queue.append(event)
            self._changed.set()
        else:
            self._overflow(SlowReader())

    def end(self, reason: GatewayError) -> None:
        if self._reason is None:
            self._reason = reason
            if isinstance(reason, Unauthenticated | Forbidden):
                self._backlog = iter(())
                self._queue.clear()
            self._changed.set()
            self._ended.set()

    async def ended(self) -> GatewayError:
        await self._ended.wait()
        assert self._reason is not None  # noqa: S101 - `end` sets it first
        return self._reason

    def _next_event(self) -> UserEvent | None:
        try:
            for event in self._backlog:
                if self._accepts(event):
                    return event
        except SlowReader as slow:
            self._overflow(slow)
        return self._queue.popleft() if self._queue else None

    def _overflow(self, reason: SlowReader) -> None:
        self._backlog = iter(())
        self._queue.clear()
        if self._reason is None:
            self._on_slow()
        self.end(reason)


class RecentEvents:
    """The latest `max_events` events, numbered without gaps, and the subscriptions to them; for one event loop."""

    def __init__(self, settings: EventLogSettings, observe: LogObserver) -> None:
        self._settings = settings
        self._observe = observe
        self._ring: list[UserEvent | None] = []  # a ring buffer once it is full: see `_index`
        self._first = 1  # the number of the event that was added first, at index 0
        self._subscriptions: set[MemorySubscription] = set()
        self._listeners: list[ChangeListener] = []
        self.last = 0

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def subscribers(self) -> int:
        """The number of subscriptions."""
        return len(self._subscriptions)

    def on_change(self, listener: ChangeListener) -> None:
        """Call the listener for each event, before subscriptions get it, and where events may have been lost."""
        self._listeners.append(listener)

    def get(self, number: int) -> UserEvent | None:
        """Return the event of that number, or None if it is not held or of unknown format."""
        held = not self._is_dropped(number) and number <= self.last
        return self._ring[self._index(number)] if held else None

    def add(self, change: UserEvent | UnknownChanges) -> None:
        """Store an event under the next number and offer it to all subscriptions; unknown changes take a number."""
        self.notify(change)
        event = change if isinstance(change, UserEvent) else None
        self.last += 1
        if len(self._ring) < self._settings.max_events:
            self._ring.append(event)
        else:
            self._ring[self._index(self.last)] = event
        if event is not None:
            for subscription in self._subscriptions:
                subscription.offer(event)

    @contextmanager
    def subscribe(self, start: int, token: str, accepts: Callable[[UserEvent], bool]) -> Iterator[MemorySubscription]:
        """Subscribe to the events after the number `start`, whose resume token is `token`.

        Raises:
            NoLongerHeld: some of them were dropped.
        """
        if self._is_dropped(start + 1):
            raise NoLongerHeld
        backlog = self._events_between(start, self.last)
        subscription = MemorySubscription(
            token, backlog, accepts, self._settings.queue_size, on_slow=self._report_slow_reader
        )
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def end(self, reason: GatewayError) -> None:
        """End all subscriptions."""
        for subscription in self._subscriptions:
            subscription.end(reason)

    def restart(self, last: int) -> None:
        """Drop all events; the next one gets the number after `last`."""
        self._ring = []
        self.last, self._first = last, last + 1
        self.notify(UnknownChanges())

    def notify(self, change: UserEvent | UnknownChanges) -> None:
        """Call the listeners."""
        for listener in self._listeners:
            listener(change)

    def _index(self, number: int) -> int:
        return (number - self._first) % self._settings.max_events

    def _is_dropped(self, number: int) -> bool:
        return number <= self.last - len(self._ring)

    def _events_between(self, start: int, last: int) -> Iterator[UserEvent]:
        """Yield the events after `start` up to `last`, each read from the ring when it is requested."""
        ring = self._ring
        for number in range(start + 1, last + 1):
            if ring is not self._ring or self._is_dropped(number):
                raise SlowReader
            event = ring[self._index(number)]
            if event is not None:
                yield event

    def _report_slow_reader(self) -> None:
        self._observe(LogEvent.SLOW_READER, "")


def event_filter(ids: Collection[Ref], sources: Collection[UserSource]) -> Callable[[UserEvent], bool]:
    """Return a function that accepts events of these users in these sources; an empty collection admits all."""
    users, accepted_sources = frozenset(_user_key(ref) for ref in ids), frozenset(sources)

    def accepts(event: UserEvent) -> bool:
        user = event.user
        return (not accepted_sources or user.source in accepted_sources) and (
            not users or _user_key(ref_of(user)) in users
        )

    return accepts


def _user_key(ref: Ref) -> tuple[Kind, UserSource, str, str]:
    """Return the same key for any letter case: GUIDs are written in both."""
    return ref.kind, ref.source, ref.tenant.casefold(), ref.source_id.casefold()
