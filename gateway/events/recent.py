"""The latest events of a log as one process holds them, and those who follow them there."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from gateway.errors import GatewayError
from gateway.events.errors import NoLongerHeld, SlowReader
from gateway.events.log import EventLogSettings, UserEvent
from gateway.events.observing import Happening, Observe
from gateway.events.subscription import MemorySubscription
from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.model import UserSource

__all__ = ["Recent", "wanted"]


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
        self._observe(Happening.SLOW_READER, "")


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
