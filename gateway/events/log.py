"""The event log as its users see it, whatever form it has."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from gateway.errors import GatewayError, NotFound, RateLimited, SourceUnavailable
from gateway.users.ids import Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = [
    "Draining",
    "EventLog",
    "EventLogSettings",
    "LogEvent",
    "NoLongerHeld",
    "Observe",
    "SlowReader",
    "Subscription",
    "UserEvent",
    "unobserved",
]


@dataclass(frozen=True, slots=True)
class EventLogSettings:
    """How much is kept, in numbers and in seconds.

    `held` events to resume among (a user is a few KiB); `queue` of them may wait for one reader, `waiting` for a
    Redis that is away. For `window` seconds a change is known when it is told again: senders repeat for half an hour
    (reseller.md, 4).
    """

    held: int = 10_000
    queue: int = 256
    waiting: int = 10_000
    window: float = 3600.0


@dataclass(frozen=True, slots=True)
class UserEvent:
    """Something that happened to a user, and the user after it.

    `id` is opaque: a token to resume after. In one log a later event's is the greater text.
    """

    id: str
    change: UserChange
    user: User
    occurred_at: Timestamp


class Subscription(Protocol):
    """Events in their order, each once. One reader reads it."""

    @property
    def start(self) -> str:
        """The token of the place that it starts behind: to resume when it ends before its first event."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> UserEvent:
        """The next event, once there is one.

        Raises:
            SlowReader: too many waited; those are dropped here, and still in the log.
            NoLongerHeld: the log was lost, and perhaps events with it.
            Draining: the log, or who serves it, stops; whatever had happened by then was read.
        """

    def end(self, reason: GatewayError) -> None:
        """Take no more events: once those that wait are read, the reader gets the reason."""

    async def ended(self) -> GatewayError:
        """Why it takes no more events, once it does. A reader that is stuck elsewhere can be woken by it."""


class EventLog(Protocol):
    """What happened to users, held for a while.

    A change that is told twice, by who carried it out and by its system, is one event.
    """

    @property
    def subscribers(self) -> int:
        """How many follow it in this process."""

    def publish(self, change: UserChange, user: User) -> None:
        """Put an event of our own into the log. Never waits, and never raises: what happened has happened."""

    async def append(self, change: UserChange, user: User, *, name: str | None = None) -> bool:
        """Put an event into the log that was heard of; False where it was there. Whichever, it is safe then.

        `name` is what the event is known by where its user has no time of change.

        Raises:
            SourceUnavailable: it is not known to be in the log; it may be told again.
        """

    def subscribe(
        self, *, ids: Collection[Ref] = (), sources: Collection[UserSource] = (), after: str | None = None
    ) -> AbstractAsyncContextManager[Subscription]:
        """What happens from now on, or after a token; of these users, in these systems, of all where there are none.

        Raises, when it is entered:
            BadUserInput: `after` is no token.
            NoLongerHeld: some of what happened after the token is gone.
            SourceUnavailable: the log cannot be reached, so that nothing can be said of the token.
            Draining: the log is closed.
        """

    async def close(self) -> None:
        """End all subscriptions with Draining; what is published later is dropped."""


class SlowReader(RateLimited):
    """Events came faster than they were read; what was read last is a place to resume at."""

    def __init__(self) -> None:
        super().__init__("Events came faster than they were read. Resume after the last one received.", retry_after=1.0)


class NoLongerHeld(NotFound):
    """Some of what happened after that token is gone, or was seen by a process that is."""

    def __init__(self) -> None:
        super().__init__(
            "Part of what happened after this resume token is no longer held. "
            "Watch without a token, and then read the users anew."
        )


class Draining(SourceUnavailable):
    """This process stops; another one may go on."""

    def __init__(self) -> None:
        super().__init__("This server is stopping. Resume at another one.", retry_after=1.0)


class LogEvent(StrEnum):
    """Something that became of an event, or of one who follows."""

    PUBLISHED = "published"
    """It is in the log; detail: the user's system."""

    REPEATED = "repeated"
    """It was in the log already: an echo or a replay; detail: the user's system."""

    LOST = "lost"
    """Redis was away for too long, and too much waited for it; detail: the user's system."""

    SLOW_READER = "slow_reader"
    """A subscriber was ended because it did not keep up; no detail."""

    GAP = "gap"
    """The log in Redis was lost or trimmed, so that the subscribers were ended; no detail."""


Observe = Callable[[LogEvent, str], None]
"""Hears of each happening with its detail. It must not raise."""


def unobserved(_happening: LogEvent, _detail: str) -> None:
    """Nobody counts."""
