"""The latest events of a log as one process holds them, and those who follow them there."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Self

from gateway.errors import GatewayError
from gateway.events.log import EventLogSettings, LogEvent, NoLongerHeld, Observe, SlowReader, UserEvent
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.model import UserSource

__all__ = ["MemorySubscription", "Recent", "wanted"]


class MemorySubscription:
    """See `gateway.events.log.Subscription`.

    `missed` gives what is to be read first, each when it is asked for; it raises SlowReader where that has gone
    meanwhile. Nothing is copied for it: many who resume at once cost no memory. `most` may wait in the queue;
    `on_slow` hears of it when it is one too many.
    """

    def __init__(
        self,
        start: str,
        missed: Iterator[UserEvent],
        wants: Callable[[UserEvent], bool],
        most: int,
        *,
        on_slow: Callable[[], None] = lambda: None,
    ) -> None:
        self.start = start
        self._missed = missed
        self._wants = wants
        self._most = most
        self._on_slow = on_slow
        self._queue: deque[UserEvent] = deque()
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._reason: GatewayError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> UserEvent:
        while True:
            event = self._taken()
            if event is not None:
                return event
            if self._reason is not None:
                raise self._reason
            self._news.clear()
            await self._news.wait()

    def offer(self, event: UserEvent) -> None:
        """Queue the event, if it is wanted here; one too many ends it all."""
        if self._reason is not None or not self._wants(event):
            return
        if len(self._queue) < self._most:
            self._queue.append(event)
            self._news.set()
        else:
            self._drop(SlowReader())

    def end(self, reason: GatewayError) -> None:
        if self._reason is None:
            self._reason = reason
            self._news.set()
            self._over.set()

    async def ended(self) -> GatewayError:
        await self._over.wait()
        assert self._reason is not None  # noqa: S101 - `end` sets it first
        return self._reason

    def _taken(self) -> UserEvent | None:
        try:
            for event in self._missed:
                if self._wants(event):
                    return event
        except SlowReader as slow:
            self._drop(slow)
        return self._queue.popleft() if self._queue else None

    def _drop(self, reason: SlowReader) -> None:
        self._missed = iter(())
        self._queue.clear()
        if self._reason is None:
            self._on_slow()
        self.end(reason)


class Recent:
    """Events numbered without gaps, of which the latest `held` are kept; for one event loop."""

    def __init__(self, settings: EventLogSettings, observe: Observe) -> None:
        self._settings = settings
        self._observe = observe
        self._ring: list[UserEvent | None] = []  # the event of number n is at n % held, once the ring is full
        self._first = 1  # the number of the one that was added first
        self._subscriptions: set[MemorySubscription] = set()
        self.last = 0

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def subscribers(self) -> int:
        """How many follow."""
        return len(self._subscriptions)

    def add(self, event: UserEvent | None) -> None:
        """Hold the event of the next number and tell it; None is one that cannot be read here."""
        self.last += 1
        if len(self._ring) < self._settings.held:
            self._ring.append(event)
        else:
            self._ring[self._place(self.last)] = event
        if event is not None:
            for subscription in self._subscriptions:
                subscription.offer(event)

    @contextmanager
    def following(self, start: int, token: str, wants: Callable[[UserEvent], bool]) -> Iterator[MemorySubscription]:
        """Follow what comes after the number `start`, whose token that is.

        Raises:
            NoLongerHeld: some of it is gone.
        """
        if self._is_gone(start + 1):
            raise NoLongerHeld
        missed = self._between(start, self.last)
        subscription = MemorySubscription(token, missed, wants, self._settings.queue, on_slow=self._slow)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def end(self, reason: GatewayError) -> None:
        """End all who follow."""
        for subscription in self._subscriptions:
            subscription.end(reason)

    def restart(self, last: int) -> None:
        """Hold nothing; the next event is the one after that number."""
        self._ring = []
        self.last, self._first = last, last + 1

    def _place(self, number: int) -> int:
        return (number - self._first) % self._settings.held

    def _is_gone(self, number: int) -> bool:
        return number <= self.last - len(self._ring)

    def _between(self, start: int, last: int) -> Iterator[UserEvent]:
        """What happened after `start` up to `last`, read from the log only when it is asked for."""
        ring = self._ring
        for number in range(start + 1, last + 1):
            if ring is not self._ring or self._is_gone(number):
                raise SlowReader
            event = ring[self._place(number)]
            if event is not None:
                yield event

    def _slow(self) -> None:
        self._observe(LogEvent.SLOW_READER, "")


def wanted(ids: Collection[Ref], sources: Collection[UserSource]) -> Callable[[UserEvent], bool]:
    """Whether an event is of one of these users and in one of these systems; where there are none, of any."""
    users, systems = frozenset(_key(ref) for ref in ids), frozenset(sources)

    def wants(event: UserEvent) -> bool:
        user = event.user
        return (not systems or user.source in systems) and (not users or _key(ref_of(user)) in users)

    return wants


def _key(ref: Ref) -> tuple[Kind, UserSource, str, str]:
    """A user in any case of letters: GUIDs are written in both."""
    return ref.kind, ref.source, ref.tenant.casefold(), ref.source_id.casefold()
