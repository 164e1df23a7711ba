"""The event log of one process."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.events.errors import Draining, NoLongerHeld, SlowReader
from gateway.events.log import UserEvent
from gateway.events.subscription import MemorySubscription
from gateway.events.tokens import Tokens
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["EventLogSettings", "MemoryEventLog"]


@dataclass(frozen=True, slots=True)
class EventLogSettings:
    """How many events are held to resume among (a user is a few KiB), and how many may wait for one reader."""

    held: int = 10_000
    queue: int = 256


class MemoryEventLog:
    """See `gateway.events.log.EventLog`. For one event loop; it is gone with its process, and its tokens say so."""

    def __init__(self, settings: EventLogSettings | None = None) -> None:
        self._settings = settings or EventLogSettings()
        self._tokens = Tokens()
        self._ring: list[UserEvent] = []  # the event of number n is at (n - 1) % held
        self._last = 0
        self._subscriptions: set[MemorySubscription] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def subscribers(self) -> int:
        """How many follow it."""
        return len(self._subscriptions)

    def publish(self, change: UserChange, user: User) -> None:
        if self._closed:
            return
        self._last += 1
        event = UserEvent(self._tokens.write(self._last), change, user, Timestamp(datetime.now(UTC).isoformat()))
        if len(self._ring) < self._settings.held:
            self._ring.append(event)
        else:
            self._ring[(self._last - 1) % self._settings.held] = event
        for subscription in self._subscriptions:
            subscription.offer(event)

    @asynccontextmanager
    async def subscribe(
        self, *, ids: Collection[Ref] = (), sources: Collection[UserSource] = (), after: str | None = None
    ) -> AsyncIterator[MemorySubscription]:
        if self._closed:
            raise Draining
        start = self._last if after is None else self._tokens.read(after, self._last)
        if self._is_gone(start + 1):
            raise NoLongerHeld
        subscription = MemorySubscription(
            self._tokens.write(start), self._between(start, self._last), _wanted(ids, sources), self._settings.queue
        )
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def close(self) -> None:
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end(Draining())

    def _is_gone(self, number: int) -> bool:
        return number <= self._last - len(self._ring)

    def _between(self, start: int, last: int) -> Iterator[UserEvent]:
        """What happened after `start` up to `last`, read from the log only when it is asked for."""
        for number in range(start + 1, last + 1):
            if self._is_gone(number):
                raise SlowReader
            yield self._ring[(number - 1) % self._settings.held]


def _wanted(ids: Collection[Ref], sources: Collection[UserSource]) -> Callable[[UserEvent], bool]:
    users, systems = frozenset(_key(ref) for ref in ids), frozenset(sources)

    def wants(event: UserEvent) -> bool:
        user = event.user
        return (not systems or user.source in systems) and (not users or _key(ref_of(user)) in users)

    return wants


def _key(ref: Ref) -> tuple[Kind, UserSource, str, str]:
    """A user in any case of letters: GUIDs are written in both."""
    return ref.kind, ref.source, ref.tenant.casefold(), ref.source_id.casefold()
